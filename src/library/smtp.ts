/**
 * Both ends of an SMTP, LMTP or ODMR line as sans-IO sessions: octets in (`feed`), events out (`next`), octets to
 * write (`flush`). They know no socket, promise, clock or runtime, so they run anywhere, and any line can be put under
 * them. SASL for both ends is here too.
 *
 * @example A client and a server, mouth to ear
 * ```ts
 * import { clientSession, serverSession } from "odmr/smtp";
 * import { reply } from "odmr/wire";
 *
 * const server = serverSession({
 *   service: "intake",
 *   hostname: "relay.example.net",
 *   secure: false,
 *   startTls: false,
 *   requireTls: false,
 *   mechanisms: [],
 *   sizeLimit: 1_000_000,
 *   recipientLimit: 100,
 *   bareLineEnds: "refuse",
 *   owedLimit: 1,
 *   ledger: false,
 * });
 * const client = clientSession();
 * server.greet(reply(220, undefined, "relay.example.net ESMTP"));
 * client.feed(server.flush());
 * console.log(client.next());
 * ```
 *
 * @module
 */
// What is exported here is a promise to whoever builds on it; the files behind it are not.

export { clientSession, renewedClientSession } from "../smtp/client.ts";
export {
  type Answers,
  type ClientAuth,
  type ClientContext,
  type Credential,
  clientAuth,
  SaslError,
} from "../smtp/sasl/client.ts";
export {
  type AuthStep,
  type Circumstances,
  type Secret,
  type ServerAuth,
  type ServerContext,
  serverAuth,
  serverMechanisms,
} from "../smtp/sasl/server.ts";
export {
  formatVerifier,
  ITERATIONS,
  makeVerifier,
  type Pbkdf2,
  parseVerifier,
  portablePbkdf2,
  type ScramVerifier,
} from "../smtp/sasl/verifier.ts";
export { renewedServerSession, serverSession } from "../smtp/server.ts";
export type {
  BodyToken,
  Capabilities,
  ClientEvent,
  ClientSession,
  Origin,
  ServerEvent,
  ServerSession,
  ServerSettings,
  Service,
  Session,
} from "../smtp/session.ts";
