/** SASL, the client's side (RFC 4422, 4954): the strongest mechanism that both ends have, and one exchange of it. */
// A mechanism that proves the server is not over at 235: succeeded() says whether the proof was there.

import { answerCramMd5 } from "./cram-md5.ts";
import { answerExternal } from "./external.ts";
import { answerLogin } from "./login.ts";
import { NOTHING } from "./octets.ts";
import { answerPlain } from "./plain.ts";
import { answerScram, answerScramPlus } from "./scram-client.ts";
import { SaslError } from "./trouble.ts";
import type { Pbkdf2 } from "./verifier.ts";

export { SaslError };

export interface ClientAuth {
  readonly mechanism: string;
  /** The initial response for the AUTH command; undefined: none. */
  readonly initial: Uint8Array | undefined;
  /** The response to a challenge. @throws SaslError if the server is not to be talked to any more */
  step(challenge: Uint8Array): Uint8Array;
  /** To be called at 235. @throws SaslError if the server did not prove itself, though the mechanism wants it to */
  succeeded(): void;
}

export interface Credential {
  readonly user: string;
  /** Prepared by SASLprep already, where it is other than ASCII. */
  readonly password?: string;
  /** A client certificate was given to TLS, and is to be used. */
  readonly certificate?: boolean;
  /** tls-exporter channel binding (RFC 9266). */
  readonly exporter?: () => Uint8Array;
  /** TLS is up. */
  readonly secure: boolean;
  /** Unpredictable, 16 octets or more, new for each exchange. */
  readonly nonce: Uint8Array;
  /** Only these mechanisms; undefined: all. */
  readonly allowed?: readonly string[];
  /** A faster one than the portable. */
  readonly pbkdf2?: Pbkdf2;
}

/** What an exchange works with. */
export interface ClientContext extends Credential {
  readonly password: string;
  readonly offered: readonly string[];
}

/** One exchange: yields the initial response (or undefined), then the response to each challenge. @throws SaslError */
export type Answers = Generator<Uint8Array | undefined, void, Uint8Array>;
export type Answer = (context: ClientContext) => Answers;

interface Row {
  readonly answer: Answer;
  readonly when: (have: Credential) => boolean;
}

const hasPassword = ({ password }: Credential) => password !== undefined;

/** Strongest first. The last two hand the password over, so they are for TLS alone. */
const MECHANISMS: ReadonlyMap<string, Row> = new Map<string, Row>([
  ["EXTERNAL", { answer: answerExternal, when: ({ certificate }) => certificate === true }],
  [
    "SCRAM-SHA-256-PLUS",
    { answer: answerScramPlus, when: (have) => hasPassword(have) && have.exporter !== undefined },
  ],
  ["SCRAM-SHA-256", { answer: answerScram, when: hasPassword }],
  ["CRAM-MD5", { answer: answerCramMd5, when: hasPassword }],
  ["PLAIN", { answer: answerPlain, when: (have) => hasPassword(have) && have.secure }],
  ["LOGIN", { answer: answerLogin, when: (have) => hasPassword(have) && have.secure }],
]);

/** Begins an exchange by the strongest mechanism that is offered, possible and allowed; undefined: there is none. */
export function clientAuth(offered: readonly string[], have: Credential): ClientAuth | undefined {
  const names = offered.map((name) => name.toUpperCase());
  for (const [name, { answer, when }] of MECHANISMS) {
    if (!names.includes(name) || !when(have) || !(have.allowed?.includes(name) ?? true)) continue;
    return new Conversation(name, answer({ ...have, password: have.password ?? "", offered: names }));
  }
  return undefined;
}

class Conversation implements ClientAuth {
  readonly mechanism: string;
  readonly initial: Uint8Array | undefined;
  readonly #answers: Answers;

  constructor(mechanism: string, answers: Answers) {
    this.mechanism = mechanism;
    this.#answers = answers;
    this.initial = answers.next(NOTHING).value ?? undefined;
  }

  step(challenge: Uint8Array): Uint8Array {
    const { value } = this.#answers.next(challenge);
    if (value === undefined) throw new SaslError(`${this.mechanism}: the server asks for more than there is`);
    return value;
  }

  succeeded(): void {
    // At the true end of an exchange there is nothing left to say; anywhere else the server was too quick.
    const { done } = this.#answers.next(NOTHING);
    if (!done) throw new SaslError(`${this.mechanism}: the server says yes before the exchange is over`);
  }
}
