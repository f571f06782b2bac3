/** HTTP-01 (RFC 8555 §8.3): a listener that answers the CA's question for a token, and nobody else's. */
// It is open all the time, so that root's rights are needed once; without an order under way there is nothing to be had.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { ListenAddress } from "../net/listen.ts";
import { capped } from "../platform/capped.ts";
import { type OpenDoor, openDoor } from "./door.ts";
import type { Proof, Showcase } from "./order.ts";

const WELL_KNOWN = "/.well-known/acme-challenge/";
const CONNECTIONS = 64;
const WITHIN = 10_000;

/** @throws ConnectionError "refused" if it cannot listen there */
export async function openHttpShowcase(address: ListenAddress): Promise<Showcase & OpenDoor> {
  const shown = new Map<string, string>();
  const server = createServer((request, response) => answer(request, response, shown));
  const { front, drop } = capped(server, CONNECTIONS);
  server.headersTimeout = WITHIN;
  server.requestTimeout = WITHIN;
  const door = await openDoor(front, address, drop);
  return {
    type: "http-01",
    ...door,
    async show(proofs: readonly Proof[]) {
      for (const { token, value } of proofs) shown.set(token, value);
    },
    async hide(proofs: readonly Proof[]) {
      for (const { token } of proofs) shown.delete(token);
    },
  };
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  shown: ReadonlyMap<string, string>,
): void {
  const { method, url = "" } = request;
  const proof = url.startsWith(WELL_KNOWN) ? shown.get(url.slice(WELL_KNOWN.length)) : undefined;
  const asked = method === "GET" || method === "HEAD";
  const [status, text] = asked && proof !== undefined ? [200, proof] : [404, "there is nothing here\n"];
  response.writeHead(status, {
    "Content-Type": status === 200 ? "application/octet-stream" : "text/plain",
    "Content-Length": String(Buffer.byteLength(text)),
    Connection: "close",
  });
  response.end(method === "HEAD" ? undefined : text);
}
