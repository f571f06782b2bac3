/** SASL, the server's side (RFC 4422, 4954): which mechanisms there are, and one exchange of any of them. */
// Every failure ends in the same reply, and a user who does not exist takes the same way as a wrong password.

import { type Reply, reply } from "../../wire/reply.ts";
import { serveCramMd5 } from "./cram-md5.ts";
import { serveExternal } from "./external.ts";
import { serveLogin } from "./login.ts";
import { NOTHING } from "./octets.ts";
import { servePlain } from "./plain.ts";
import { serveScram, serveScramPlus } from "./scram-server.ts";
import type { Pbkdf2, ScramVerifier } from "./verifier.ts";

/** What is kept of a user. Somebody unknown has one too: false, stable, and good for nothing. */
export interface Secret {
  readonly known: boolean;
  /** Only CRAM-MD5 needs it; without it that mechanism fails as if the password were wrong. */
  readonly password?: string;
  readonly scram: ScramVerifier;
  /** How a password that was sent is salted; undefined: in pure JavaScript and unprepared. */
  readonly pbkdf2?: Pbkdf2;
}

export type AuthStep =
  | { readonly type: "challenge"; readonly bytes: Uint8Array }
  | { readonly type: "accepted"; readonly user: string }
  | { readonly type: "refused"; readonly reply: Reply };

export interface ServerAuth {
  /** First with the initial response (undefined: none), then with each response to a challenge. */
  step(response: Uint8Array | undefined): AuthStep;
}

export interface ServerContext {
  secretOf(user: string): Secret;
  /** Whom the TLS client certificate belongs to, for EXTERNAL. */
  readonly certificateUser?: string;
  /** tls-exporter channel binding (RFC 9266); with it -PLUS was announced. */
  readonly exporter?: () => Uint8Array;
  /** Unpredictable, 16 octets or more, new for each exchange. */
  readonly nonce: Uint8Array;
  readonly hostname: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** One exchange, as a conversation: yields challenges, takes responses, returns the user; undefined is a refusal. */
export type Exchange = Generator<Uint8Array, string | undefined, Uint8Array>;
export type Serve = (context: ServerContext, initial: Uint8Array | undefined) => Exchange;

/** What a listener may announce, and under which circumstances. */
export interface Circumstances {
  /** TLS is up. */
  readonly secure: boolean;
  /** The client showed a certificate that belongs to somebody. */
  readonly certificate: boolean;
  /** TLS can be bound to. */
  readonly exporter: boolean;
  /** The operator has not switched CRAM-MD5 off. */
  readonly cramMd5: boolean;
}

interface Row {
  readonly serve: Serve;
  readonly when: (c: Circumstances) => boolean;
}

/** Strongest first. */
const MECHANISMS: ReadonlyMap<string, Row> = new Map<string, Row>([
  ["EXTERNAL", { serve: serveExternal, when: (c) => c.certificate }],
  ["SCRAM-SHA-256-PLUS", { serve: serveScramPlus, when: (c) => c.exporter }],
  ["SCRAM-SHA-256", { serve: serveScram, when: () => true }],
  ["CRAM-MD5", { serve: serveCramMd5, when: (c) => c.cramMd5 }],
  ["PLAIN", { serve: servePlain, when: (c) => c.secure }],
  ["LOGIN", { serve: serveLogin, when: (c) => c.secure }],
]);

const REFUSED: AuthStep = { type: "refused", reply: reply(535, "5.7.8", "Authentication failed") };

/** The mechanisms to announce, strongest first. */
export function serverMechanisms(circumstances: Circumstances): readonly string[] {
  return [...MECHANISMS].filter(([, { when }]) => when(circumstances)).map(([name]) => name);
}

/** Begins an exchange; undefined: there is no such mechanism. Whether it was announced is the caller's to check. */
export function serverAuth(mechanism: string, context: ServerContext): ServerAuth | undefined {
  const row = MECHANISMS.get(mechanism);
  return row && new Conversation(row.serve, context);
}

class Conversation implements ServerAuth {
  readonly #serve: Serve;
  readonly #context: ServerContext;
  #exchange: Exchange | undefined;

  constructor(serve: Serve, context: ServerContext) {
    this.#serve = serve;
    this.#context = context;
  }

  step(response: Uint8Array | undefined): AuthStep {
    this.#exchange ??= this.#serve(this.#context, response);
    const { done, value } = this.#exchange.next(response ?? NOTHING);
    if (!done) return { type: "challenge", bytes: value };
    return value === undefined ? REFUSED : { type: "accepted", user: value };
  }
}
