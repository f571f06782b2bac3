/** TLS-ALPN-01 (RFC 8737): a listener that shows the proof of a name in a certificate, to whoever speaks acme-tls/1. */
// Without an order under way whoever comes is sent away; nothing is ever said after the handshake.
import { createHash } from "node:crypto";
import { createServer, type Socket } from "node:net";
import { createSecureContext, createServer as createTlsServer, type Server } from "node:tls";
import type { ListenAddress } from "../net/listen.ts";
import type { Clock } from "../platform/clock.ts";
import type { Random } from "../platform/random.ts";
import { newKey, selfSigned } from "../platform/selfsigned.ts";
import { type OpenDoor, openDoor } from "./door.ts";
import type { Proof, Showcase } from "./order.ts";

const PROTOCOL = "acme-tls/1";
const CONNECTIONS = 64;
const WITHIN = 10_000;

const A_DAY = 86_400_000;

interface Pair {
  readonly key: string;
  readonly cert: string;
}

export interface AlpnTools {
  readonly clock: Clock;
  readonly random: Random;
}

/** @throws ConnectionError "refused" if it cannot listen there */
export async function openAlpnShowcase(
  address: ListenAddress,
  tools: AlpnTools,
): Promise<Showcase & OpenDoor> {
  const there = new Set<Socket>();
  let showing: Server | undefined;
  const server = createServer((socket) => {
    there.add(socket);
    socket.on("close", () => there.delete(socket));
    socket.on("error", () => {});
    if (showing === undefined) socket.destroy();
    else showing.emit("connection", socket);
  });
  server.maxConnections = CONNECTIONS;
  const door = await openDoor(server, address, () => {
    for (const socket of there) socket.destroy();
  });
  return {
    type: "tls-alpn-01",
    ...door,
    async show(proofs: readonly Proof[]) {
      const pairs = await Promise.all(
        proofs.map(async (proof) => [proof.name.toLowerCase(), await pairOf(proof, tools)] as const),
      );
      showing = serverWith(pairs);
    },
    async hide() {
      showing = undefined;
    },
  };
}

/** By names that are added, not by an SNICallback: Deno never calls that. */
function serverWith(pairs: readonly (readonly [name: string, pair: Pair])[]): Server {
  const server = createTlsServer({ ...pairs[0]?.[1], ALPNProtocols: [PROTOCOL], handshakeTimeout: WITHIN });
  for (const [name, pair] of pairs.slice(1)) server.addContext(name, createSecureContext(pair));
  server.on("tlsClientError", (_, socket) => socket.destroy());
  server.on("secureConnection", (socket) => {
    socket.on("error", () => {});
    socket.end();
  });
  return server;
}

async function pairOf({ name, value }: Proof, { clock, random }: AlpnTools): Promise<Pair> {
  const key = newKey();
  const acmeIdentifier = createHash("sha256").update(value).digest();
  const since = clock.now() - A_DAY; // the CA's clock may be another
  return { key, cert: await selfSigned(key, { name, since, random, acmeIdentifier }) };
}
