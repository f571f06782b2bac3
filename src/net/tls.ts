/** The TLS handshake over a socket that is already there, in both roles, and what it told of the peer. */
// The runtime only encrypts: what is trusted is judged here, so that the message can say what is wrong and what to do.
import { createHash, timingSafeEqual } from "node:crypto";
import { isIP, type Socket } from "node:net";
import {
  type ConnectionOptions,
  checkServerIdentity,
  connect,
  createServer,
  type PeerCertificate,
  type Server,
  type TLSSocket,
} from "node:tls";
import type { Clock, Instant } from "../platform/clock.ts";
import {
  type ClientTls,
  ConnectionError,
  type ServerTls,
  type TlsFacts,
  type TlsRole,
} from "./connection.ts";
import { codeOf } from "./fault.ts";

/** A finished handshake. */
export interface Secured {
  readonly socket: TLSSocket;
  readonly facts: TlsFacts;
}

/** The same mutable copy that the runtime's types want. */
type Pem = string | Buffer;
const pem = (text: string | Uint8Array): Pem => (typeof text === "string" ? text : Buffer.from(text));

/**
 * Speaks TLS on `raw`, whose listeners must be off. On failure `raw` is destroyed.
 * @throws ConnectionError "tls" or "timeout"
 */
export async function handshake(raw: Socket, role: TlsRole, clock: Clock, within: number): Promise<Secured> {
  try {
    const socket = await shakeHands(raw, role, clock, within);
    if (role.as === "server") return { socket, facts: checkClient(socket, role.tls, clock.now()) };
    const facts = factsOf(socket, true);
    checkServer({ socket, tls: role.tls, facts, now: clock.now() });
    return { socket, facts };
  } catch (error) {
    raw.destroy();
    throw error;
  }
}

type Outcome = TLSSocket | Error;

function shakeHands(raw: Socket, role: TlsRole, clock: Clock, within: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: Outcome) => {
      timer.stop();
      raw.off("close", lost);
      waiting.delete(raw);
      if (outcome instanceof Error) reject(asTlsError(outcome));
      else resolve(outcome);
    };
    const lost = () => settle(new Error("the peer closed the connection"));
    const late = () => settle(new ConnectionError("timeout", `no TLS handshake within ${within} ms`));
    const timer = clock.after(within, late);
    raw.on("error", () => {}); // it also comes to the socket above; without a listener here it would end the program
    raw.on("close", lost);
    if (role.as === "server") accept(raw, role.tls, settle);
    else offer(raw, role.tls, settle);
  });
}

function asTlsError(error: Error): ConnectionError {
  if (error instanceof ConnectionError) return error;
  return new ConnectionError("tls", `the TLS handshake failed: ${error.message}`, { cause: error });
}

/** Who waits for the handshake over this raw socket. */
const waiting = new WeakMap<object, (outcome: Outcome) => void>();
const servers = new WeakMap<ServerTls, Server>();

function accept(raw: Socket, tls: ServerTls, settle: (outcome: Outcome) => void): void {
  waiting.set(raw, settle);
  serverOf(tls).emit("connection", raw);
}

/** One node:tls server, never listening, for all connections with these settings: keys are parsed once. */
function serverOf(tls: ServerTls): Server {
  const known = servers.get(tls);
  if (known !== undefined) return known;
  const server = createServer({
    cert: pem(tls.certificate),
    key: pem(tls.key),
    ...(tls.clientCa === undefined ? {} : { ca: pem(tls.clientCa) }),
    requestCert: tls.clientCa !== undefined || tls.askClient === true,
    rejectUnauthorized: false,
    minVersion: "TLSv1.2",
    allowHalfOpen: true,
    handshakeTimeout: 2 ** 31 - 1, // ours counts, by the injected clock
  } as Parameters<typeof createServer>[0]);
  server.on("secureConnection", (socket) => waiterOf(socket)?.(socket));
  server.on("tlsClientError", (error, socket) => waiterOf(socket)?.(error));
  servers.set(tls, server);
  return server;
}

/** Both runtimes keep the socket below in `_parent`, as Node does; nothing public leads from one to the other. */
function waiterOf(socket: TLSSocket): ((outcome: Outcome) => void) | undefined {
  const { _parent } = socket as unknown as { _parent?: object };
  return _parent === undefined ? undefined : waiting.get(_parent);
}

function offer(raw: Socket, tls: ClientTls, settle: (outcome: Outcome) => void): void {
  const socket = connect({
    socket: raw,
    servername: isIP(tls.servername) ? "" : tls.servername, // RFC 6066 §3: no address in SNI
    rejectUnauthorized: false, // checkServer() judges, with better words
    minVersion: "TLSv1.2",
    allowHalfOpen: true,
    ...(tls.ca === undefined ? {} : { ca: pem(tls.ca) }),
    ...(tls.certificate === undefined ? {} : { cert: pem(tls.certificate) }),
    ...(tls.key === undefined ? {} : { key: pem(tls.key) }),
  } as ConnectionOptions);
  const failed = (error: Error) => settle(error);
  socket.on("error", failed);
  socket.once("secureConnect", () => settle(socket));
}

/** A client whose certificate was revoked is sent away; one of whom no current list speaks is a stranger. */
function checkClient(socket: TLSSocket, { clientCa, standing }: ServerTls, now: Instant): TlsFacts {
  const facts = factsOf(socket, clientCa !== undefined);
  const { certificate } = facts;
  if (certificate === undefined || standing === undefined) return facts;
  const said = standing((socket.getPeerCertificate() as PeerCertificate).raw, now);
  if (said === "revoked") {
    const who = certificate.names.join(", ") || "the client";
    throw new ConnectionError(
      "tls",
      `the certificate of ${who} (sha256:${certificate.fingerprint}) was revoked`,
    );
  }
  return said === "good" ? facts : { ...facts, certificate: { ...certificate, trusted: false } };
}

interface Shaken extends Secured {
  readonly tls: ClientTls;
  readonly now: Instant;
}

/** Throws unless the server is who it should be: by its pin alone, or else by chain, date and name. */
function checkServer({ socket, tls, facts, now }: Shaken): void {
  if (tls.anybody) return;
  const shown = facts.certificate;
  if (shown === undefined) throw new ConnectionError("tls", `${tls.servername} showed no certificate`);
  if (tls.pin !== undefined) {
    checkPin(tls.servername, tls.pin, shown.fingerprint);
    return;
  }
  const wrong = whatIsWrong(socket, tls.servername);
  if (wrong === undefined) return;
  const code = shown.notAfter <= now ? EXPIRED : wrong; // Deno takes an expired one for one of an unknown issuer
  const advice = ADVICE[code]?.(tls.servername, shown) ?? `is not trusted (${code})`;
  throw new ConnectionError("tls", `the certificate of ${tls.servername} ${advice}`);
}

/** The code of the first thing that is wrong with the chain, or else with the name. */
function whatIsWrong(socket: TLSSocket, name: string): string | undefined {
  const misnamed = checkServerIdentity(name, socket.getPeerCertificate()) !== undefined;
  if (socket.authorized) return misnamed ? MISNAMED : undefined;
  const why: unknown = socket.authorizationError; // a code, or an error, by runtime
  return why instanceof Error ? codeOf(why) || why.message : String(why);
}

type Shown = NonNullable<TlsFacts["certificate"]>;
const MISNAMED = "ERR_TLS_CERT_ALTNAME_INVALID";
const EXPIRED = "CERT_HAS_EXPIRED";

const unknownIssuer = (_: string, shown: Shown) =>
  `is signed by nobody that we trust; name its CA, or pin it (sha256:${shown.fingerprint}) once you know it is the right one`;

const ADVICE: Readonly<Record<string, (name: string, shown: Shown) => string>> = {
  [MISNAMED]: (name, { names }) =>
    `is for ${names.join(", ") || "no name"}, not for ${name}; use a name that it has, or pin it`,
  [EXPIRED]: (_, { notAfter }) =>
    `expired on ${new Date(notAfter).toISOString()}; it must be renewed there (is this machine's clock right?)`,
  CERT_NOT_YET_VALID: () => "is not valid yet; is this machine's clock right?",
  DEPTH_ZERO_SELF_SIGNED_CERT: (_, shown) =>
    `is self-signed; pin it (sha256:${shown.fingerprint}) once you know it is the right one`,
  SELF_SIGNED_CERT_IN_CHAIN: unknownIssuer,
  UNABLE_TO_GET_ISSUER_CERT: unknownIssuer,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownIssuer,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownIssuer,
};

function checkPin(name: string, pin: string, fingerprint: string): void {
  const wanted = Buffer.from(pin.replace(/^sha256:|:/gi, ""), "hex");
  const shown = Buffer.from(fingerprint, "hex");
  if (wanted.length === shown.length && timingSafeEqual(wanted, shown)) return;
  throw new ConnectionError(
    "tls",
    `${name} showed the certificate sha256:${fingerprint}, which is not the pinned one; if it was renewed, pin the new one`,
  );
}

/** `judged`: there was a CA to check against. Without one, `authorized` says nothing that we could use. */
function factsOf(socket: TLSSocket, judged: boolean): TlsFacts {
  const protocol = socket.getProtocol() ?? "unknown";
  const shown = socket.getPeerCertificate() as PeerCertificate | undefined;
  const exporter = exporterOf(socket, protocol);
  return {
    protocol,
    cipher: socket.getCipher()?.name ?? "unknown",
    ...(shown?.raw === undefined ? {} : { certificate: certificateOf(shown, judged && socket.authorized) }),
    ...(exporter === undefined ? {} : { exporter }),
  };
}

function certificateOf(shown: PeerCertificate, trusted: boolean): Shown {
  const common: readonly string[] = [shown.subject?.CN ?? []].flat();
  const alternatives = (shown.subjectaltname ?? "").split(", ").filter((name) => name.startsWith("DNS:"));
  return {
    fingerprint: createHash("sha256").update(shown.raw).digest("hex"),
    names: [...new Set([...common, ...alternatives.map((name) => name.slice(4))])],
    trusted,
    notAfter: Date.parse(shown.valid_to),
  };
}

/** RFC 9266 is for TLS 1.3; Deno has no exportKeyingMaterial. */
function exporterOf(socket: TLSSocket, protocol: string): (() => Uint8Array) | undefined {
  if (protocol !== "TLSv1.3" || typeof socket.exportKeyingMaterial !== "function") return undefined;
  return () => socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
}
