/** Who is it? The AUTH dialog of one session, and the waits and limits that guessing costs. */
// Made when somebody first asks for it: most sessions never do.
import type { Connection } from "../net/connection.ts";
import { network } from "../net/listen.ts";
import { pause } from "../platform/clock.ts";
import { type AuthStep, type ServerAuth, serverAuth } from "../smtp/sasl/server.ts";
import type { ServerSession } from "../smtp/session.ts";
import { reply } from "../wire/reply.ts";
import { certificateUser } from "./offer.ts";
import type { Relay } from "./relay.ts";

/** Wrong passwords in one session (RFC 4954 §6: three at least). */
const GUESSES = 5;

const answers = {
  guesser: reply(421, "4.7.0", "Too many wrong passwords"),
  crowded: reply(421, "4.7.0", "Too many sessions of yours, call again later"),
  known: reply(235, "2.7.0", "Authentication succeeded"),
  cancelled: reply(501, "5.7.0", "Authentication cancelled"),
} as const;

/** Who proved on this connection who it is; `since` is when, by the steady clock. */
export interface Acquaintance {
  readonly user: string;
  readonly since: number;
}

export interface Setting {
  /** Sessions of this user are counted by the company of this one. */
  readonly relay: Relay;
  /** The relay as it is now: its book may be another by then. */
  readonly latest: () => Relay;
  readonly connection: Connection;
  readonly session: ServerSession;
  readonly log: (
    level: "info" | "warn",
    event: string,
    fields?: { readonly user: string | undefined },
  ) => void;
}

export class Identification {
  readonly #setting: Setting;
  #auth: ServerAuth | undefined;
  /** Whom the peer last claimed to be. */
  #tried: string | undefined;
  #refusals = 0;
  #found: Acquaintance | undefined;

  constructor(setting: Setting) {
    this.#setting = setting;
  }

  /** Undefined until somebody has proved it. */
  get found(): Acquaintance | undefined {
    return this.#found;
  }

  begin(mechanism: string, initial: Uint8Array | undefined): Promise<void> | void {
    const { relay, connection } = this.#setting;
    const exporter = connection.tls?.exporter;
    const ofCertificate = certificateUser(relay, connection.tls);
    this.#auth = serverAuth(mechanism, {
      secretOf: (user) => {
        this.#tried = user;
        return relay.book.credentials.secretOf(user);
      },
      nonce: relay.random.bytes(18),
      hostname: relay.hostname,
      now: relay.clock.now(),
      ...(exporter && { exporter }),
      ...(ofCertificate !== undefined && { certificateUser: ofCertificate }),
    })!;
    return this.#step(this.#auth, initial);
  }

  /** @param response undefined: the peer gave up */
  respond(response: Uint8Array | undefined): Promise<void> | void {
    if (response === undefined) return this.#setting.session.reply(answers.cancelled);
    return this.#step(this.#auth!, response);
  }

  /** It was told no; once too often, and it is let go. */
  refused(): void {
    if (++this.#refusals >= GUESSES) this.#setting.session.shut(answers.guesser);
  }

  #step(auth: ServerAuth, response: Uint8Array | undefined): Promise<void> | void {
    const step = auth.step(response);
    return step.type === "challenge" ? this.#setting.session.challenge(step.bytes) : this.#decide(step);
  }

  /** The verdict, after the wait that earlier guesses from here, or at this user, have earned. */
  async #decide(step: Exclude<AuthStep, { type: "challenge" }>): Promise<void> {
    const { relay, latest, connection, session, log } = this.#setting;
    const { clock, book, stopping } = relay;
    const { guesses } = book.credentials;
    const user = step.type === "accepted" ? step.user : this.#tried;
    const from = network(connection.peer.address);
    const wait = guesses.wait({ network: from, user }, clock.steady());
    if (step.type === "accepted") guesses.succeeded({ network: from, user: step.user });
    else guesses.failed({ network: from, user }, clock.steady());
    if (wait > 0) await pause(clock, wait, stopping);
    if (session.ended) return;
    if (step.type === "refused") {
      // A name that nobody has may be a password in the wrong field.
      log("warn", "authentication refused", { user: book.customers.named(user ?? "")?.name });
      session.reply(step.reply);
      return this.refused();
    }
    const { company } = relay;
    if (company?.admits(connection, step.user, latest().book.perCustomer) === false) {
      log("warn", "too many sessions of one customer", { user: step.user });
      return session.shut(answers.crowded);
    }
    this.#found = { user: step.user, since: clock.steady() };
    log("info", "authenticated", { user: step.user });
    return session.authenticated(answers.known);
  }
}
