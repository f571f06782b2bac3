/** One connection at one of the relay's doors, from the greeting to the end, through STARTTLS and, at the ODMR door, the turn. */
// STARTTLS and the turn are the same act: this session is over, a fresh one takes the connection, and nothing is handed on.

import type { Inspection } from "../checks/check.ts";
import { type Connection, ConnectionError } from "../net/connection.ts";
import { Drive, patience } from "../net/drive.ts";
import { network } from "../net/listen.ts";
import { pause } from "../platform/clock.ts";
import { type AuthStep, type ServerAuth, serverAuth, serverMechanisms } from "../smtp/sasl/server.ts";
import { renewedServerSession, serverSession } from "../smtp/server.ts";
import type { ServerEvent, ServerSession, ServerSettings } from "../smtp/session.ts";
import { reply } from "../wire/reply.ts";
import { Acceptor, type Speaker } from "./accept.ts";
import { decideTurn, type Turn } from "./atrn.ts";
import { relayDoor } from "./doors.ts";
import { startDelivery } from "./etrn.ts";
import { receivePair } from "./pairing.ts";
import type { DoorSettings, Relay } from "./relay.ts";
import { drain } from "./turn.ts";
import { awaitMail } from "./wait.ts";

/** Bodies whose commit may be under way while the next ones are read; and those that are looked at, which takes longer. */
const OWED = 256;
const OWED_A_LOOK = 4;

/** Wrong passwords in one session (RFC 4954 §6: three at least). */
const GUESSES = 5;

const answers = {
  guesser: reply(421, "4.7.0", "Too many wrong passwords"),
  goAhead: reply(220, "2.0.0", "Ready to start TLS"),
  noTls: reply(454, "4.7.0", "TLS is not available now"),
  crowded: reply(421, "4.7.0", "Too many sessions of yours, call again later"),
  known: reply(235, "2.7.0", "Authentication succeeded"),
  cancelled: reply(501, "5.7.0", "Authentication cancelled"),
  acrossTheTurn: reply(421, "4.7.0", "Nobody speaks across the turn"),
  stopping: reply(421, "4.3.2", "Going down, call again later"),
  anew: reply(421, "4.7.0", "Call again, and say again who you are"),
  notHere: reply(502, "5.5.1", "Command not available here"),
} as const;

/** Doors at which customers say who they are. */
const withLogin: ReadonlySet<DoorSettings["service"]> = new Set(["odmr", "submission"]);

/** A session to come: on which connection, and how it begins. */
interface Session {
  readonly connection: Connection;
  readonly begins: "with a greeting" | "under TLS" | Acquaintance;
  /** Of this connection, under TLS too: an address is what it is. */
  readonly inspection: Inspection | undefined;
}

/** Who proved in an earlier session on this connection who it is; `since` is when, by the steady clock. */
interface Acquaintance {
  readonly user: string;
  readonly since: number;
}

/** A line lives so long at most, in milliseconds: then its customer calls anew, and proves again who it is. */
const ACQUAINTED = 86_400_000;

/**
 * Serves one connection to its end and closes it. Trouble with the peer is logged, not thrown.
 * @param latest the relay as it is now, for another round on the same line: the book may be another by then
 */
export async function receive(
  relay: Relay,
  door: DoorSettings,
  connection: Connection,
  latest: () => Relay = () => relay,
): Promise<void> {
  // The one that is open now: STARTTLS puts another in its place.
  let line = connection;
  try {
    const inspection = relay.book.inspector?.meet(door.service, connection.peer.address);
    let session: Session | undefined = { connection, begins: "with a greeting", inspection };
    let now = relay;
    while (session !== undefined) {
      line = session.connection;
      const reception: Reception = new Reception(now, door, session, latest);
      session = await reception.run();
      now = typeof session?.begins === "object" ? latest() : relay;
    }
  } catch (fault) {
    if (!(fault instanceof ConnectionError)) throw fault;
    relay.log.log("info", "connection lost", { peer: connection.peer.address, why: fault.message });
  } finally {
    await line.close();
  }
}

class Reception {
  readonly #relay: Relay;
  readonly #door: DoorSettings;
  readonly #connection: Connection;
  readonly #session: ServerSession;
  readonly #drive: Drive;
  readonly #acceptor: Acceptor;
  readonly #begins: Session["begins"];
  readonly #inspection: Inspection | undefined;
  readonly #latest: () => Relay;
  #helo = "";
  #verb: "EHLO" | "HELO" | "LHLO" = "HELO";
  #acquaintance: Acquaintance | undefined;
  #auth: ServerAuth | undefined;
  /** Whom the peer last claimed to be. */
  #tried: string | undefined;
  #refusals = 0;
  #next: "tls" | Turn | undefined;

  constructor(
    relay: Relay,
    door: DoorSettings,
    { connection, begins, inspection }: Session,
    latest: () => Relay,
  ) {
    this.#relay = relay;
    this.#door = door;
    this.#connection = connection;
    this.#begins = begins;
    this.#inspection = inspection;
    this.#latest = latest;
    if (typeof begins === "object") this.#acquaintance = begins;
    this.#session = (begins === "under TLS" ? renewedServerSession : serverSession)(this.#settings());
    const { minimumRate: rate = patience.rate } = relay.book;
    this.#drive = new Drive(this.#session, connection, { ...patience, rate });
    const way = { ...relayDoor(relay, () => this.#user), inspection };
    this.#acceptor = new Acceptor(
      this.#drive,
      way,
      relay,
      () => this.#speaker(),
      door.service === "lmtp" ? "lmtp" : undefined,
    );
  }

  /** @returns the session that follows on this line, or undefined at its end. */
  async run(): Promise<Session | undefined> {
    const stop = () => this.#drive.stop(answers.stopping);
    this.#relay.stopping.addEventListener("abort", stop);
    try {
      return await this.#serve();
    } finally {
      this.#relay.stopping.removeEventListener("abort", stop);
    }
  }

  async #serve(): Promise<Session | undefined> {
    if (this.#begins !== "under TLS") await this.#welcome();
    const ending = await this.#drive.run((event) => this.#answer(event));
    if (ending.type === "over") {
      this.#log("debug", "session over", { why: ending.why });
      if (this.#next !== "tls") await this.#next?.claim.release();
      return undefined;
    }
    if (this.#next === "tls") return this.#upgrade();
    const turnedBack = await drain(this.#relay, this.#next!, this.#connection, () => this.#mayStay());
    if (!turnedBack) return undefined;
    return { connection: this.#connection, begins: this.#acquaintance!, inspection: this.#inspection };
  }

  /** Whether another round may follow: who the customer is must be as true as it was when it proved it. */
  #mayStay(): boolean {
    const { user, since } = this.#acquaintance!;
    const { book, clock, stopping } = this.#relay;
    const now = this.#latest().book;
    const same = now === book || now.credentials.agree(book.credentials, user);
    return same && !stopping.aborted && clock.steady() - since < ACQUAINTED;
  }

  get #user(): string | undefined {
    return this.#acquaintance?.user;
  }

  /** What is here already was said before our greeting: the session fails by it (RFC 5321 §4.3.1). */
  async #welcome(): Promise<void> {
    const { clock, stopping } = this.#relay;
    const delay = this.#inspection?.greetingDelay ?? 0;
    if (delay > 0) await pause(clock, delay, stopping);
    if (this.#session.ended) return;
    const early = this.#connection.pending > 0 ? await this.#connection.read(patience.read) : undefined;
    if (early !== undefined) this.#session.feed(early);
    this.#session.greet(reply(220, undefined, `${this.#relay.hostname} ${greetingOf[this.#door.service]}`));
  }

  #settings(): ServerSettings {
    const { book, hostname } = this.#relay;
    const { tls } = this.#connection;
    const known = this.#user !== undefined;
    return {
      service: this.#door.service,
      hostname,
      secure: tls !== undefined,
      startTls: this.#door.startTls && tls === undefined && book.tls !== undefined && !known,
      requireTls: this.#door.requireTls,
      mechanisms: !known && withLogin.has(this.#door.service) ? this.#mechanisms() : [],
      sizeLimit: book.messageSize,
      recipientLimit: book.recipients,
      bareLineEnds: this.#door.bareLineEnds,
      owedLimit: this.#inspection === undefined ? OWED : OWED_A_LOOK,
      // A customer's outgoing mail comes once, too.
      ledger: this.#door.service === "odmr",
      known,
      etrn: this.#door.service === "odmr" && [...book.customers].some(({ etrn }) => etrn !== undefined),
      pair: this.#door.service === "odmr" && this.#relay.pairing !== undefined,
      ...(book.wait !== undefined &&
        this.#door.service === "odmr" && { wait: Math.floor(book.wait / 1_000) }),
    };
  }

  #mechanisms(): readonly string[] {
    const { tls } = this.#connection;
    return serverMechanisms({
      secure: tls !== undefined,
      certificate: this.#certificateUser() !== undefined,
      exporter: tls?.exporter !== undefined,
      cramMd5: this.#relay.book.cramMd5,
    });
  }

  #certificateUser(): string | undefined {
    const certificate = this.#connection.tls?.certificate;
    return certificate && this.#relay.book.credentials.userOfCertificate(certificate);
  }

  #speaker(): Speaker {
    const { tls, peer } = this.#connection;
    return {
      helo: this.#helo,
      verb: this.#verb,
      address: peer.address,
      ...(this.#user !== undefined && { user: this.#user }),
      ...(tls && { tls: { protocol: tls.protocol, cipher: tls.cipher } }),
    };
  }

  #answer(event: ServerEvent): Promise<void> | void {
    switch (event.type) {
      case "greeted":
        this.#helo = event.name;
        this.#verb = event.verb;
        return;
      case "auth":
        return this.#begin(event.mechanism, event.initial);
      case "response":
        return event.bytes === undefined
          ? this.#session.reply(answers.cancelled)
          : this.#step(this.#auth!, event.bytes);
      case "starttls":
        return this.#startTls();
      case "atrn":
        return this.#atrn(event.domains);
      case "etrn":
        return this.#etrn(event.node);
      case "again":
        return this.#session.reply(answers.notHere);
      case "wait":
        return this.#wait(event.domains, event.size);
      case "pair":
        return this.#pair(event.token, event.certificate);
      case "failed":
        return this.#log("warn", "session failed", { why: event.why });
      case "quit":
        return;
      default:
        return this.#acceptor.answer(event);
    }
  }

  #startTls(): void {
    if (this.#relay.book.tls === undefined) return this.#session.reply(answers.noTls);
    if (this.#connection.pending > 0) return this.#injected();
    this.#next = "tls";
    this.#session.reply(answers.goAhead);
  }

  async #upgrade(): Promise<Session> {
    const tls = { as: "server", tls: this.#relay.book.tls! } as const;
    const connection = await this.#connection.startTls(tls, patience.read);
    return { connection, begins: "under TLS", inspection: this.#inspection };
  }

  #begin(mechanism: string, initial: Uint8Array | undefined): Promise<void> | void {
    const exporter = this.#connection.tls?.exporter;
    const certificateUser = this.#certificateUser();
    this.#auth = serverAuth(mechanism, {
      secretOf: (user) => {
        this.#tried = user;
        return this.#relay.book.credentials.secretOf(user);
      },
      nonce: this.#relay.random.bytes(18),
      hostname: this.#relay.hostname,
      now: this.#relay.clock.now(),
      ...(exporter && { exporter }),
      ...(certificateUser !== undefined && { certificateUser }),
    })!;
    return this.#step(this.#auth, initial);
  }

  #step(auth: ServerAuth, response: Uint8Array | undefined): Promise<void> | void {
    const step = auth.step(response);
    return step.type === "challenge" ? this.#session.challenge(step.bytes) : this.#decide(step);
  }

  /** The verdict, after the wait that earlier guesses from here, or at this user, have earned. */
  async #decide(step: Exclude<AuthStep, { type: "challenge" }>): Promise<void> {
    const { clock, book, stopping } = this.#relay;
    const { guesses } = book.credentials;
    const user = step.type === "accepted" ? step.user : this.#tried;
    const from = network(this.#connection.peer.address);
    const wait = guesses.wait({ network: from, user }, clock.steady());
    if (step.type === "accepted") guesses.succeeded({ network: from, user: step.user });
    else guesses.failed({ network: from, user }, clock.steady());
    if (wait > 0) await pause(clock, wait, stopping);
    if (this.#session.ended) return;
    if (step.type === "accepted" && this.#relay.admits?.(step.user) === false) {
      this.#log("warn", "too many sessions of one customer", { user: step.user });
      return this.#session.shut(answers.crowded);
    }
    if (step.type === "accepted") {
      this.#acquaintance = { user: step.user, since: this.#relay.clock.steady() };
      this.#log("info", "authenticated", { user: step.user });
      return this.#session.authenticated(answers.known);
    }
    // A name that nobody has may be a password in the wrong field.
    this.#log("warn", "authentication refused", { user: book.customers.named(user ?? "")?.name });
    this.#session.reply(step.reply);
    if (++this.#refusals >= GUESSES) this.#session.shut(answers.guesser);
  }

  async #atrn(domains: readonly string[]): Promise<void> {
    const decision = await decideTurn(this.#relay, this.#user!, domains, this.#connection.peer.address);
    // What came while we were looking was not said in answer to our 250 (RFC 2645 §5.2.1.1).
    if (this.#connection.pending > 0) {
      if (decision.turn !== undefined) await decision.turn.claim.release();
      return this.#injected();
    }
    this.#next = decision.turn;
    this.#log("info", decision.turn === undefined ? "turn refused" : "turning", {
      user: this.#user,
      domains,
      code: decision.reply.code,
    });
    this.#session.reply(decision.reply);
  }

  async #etrn(node: string): Promise<void> {
    const started = await startDelivery(this.#relay, this.#user!, node);
    this.#log("info", "delivery asked for", { user: this.#user, node, code: started.reply.code });
    if (started.delivery !== undefined) this.#relay.meanwhile?.(started.delivery);
    this.#session.reply(started.reply);
  }

  async #wait(domains: readonly string[], size: number | undefined): Promise<void> {
    if (!this.#mayStay()) return this.#session.shut(answers.anew);
    // What came with the command itself is here already: no read would tell of it.
    const stirs =
      this.#session.unread > 0
        ? Promise.resolve()
        : this.#drive.stirring((this.#relay.book.wait ?? 0) + patience.read);
    const answer = await awaitMail(this.#relay, { user: this.#user!, domains, size, stirs });
    if (!this.#session.ended) this.#session.reply(answer);
  }

  async #pair(token: string, certificate: string): Promise<void> {
    const { address } = this.#connection.peer;
    const { reply, refused } = await receivePair(this.#relay, { token, certificate, address });
    if (this.#session.ended) return;
    this.#session.reply(reply);
    if (refused && ++this.#refusals >= GUESSES) this.#session.shut(answers.guesser);
  }

  #injected(): void {
    this.#log("warn", "session failed", { why: "octets across the turn" });
    this.#session.shut(answers.acrossTheTurn);
  }

  #log(
    level: "debug" | "info" | "warn",
    event: string,
    fields: Record<string, string | number | readonly string[] | undefined> = {},
  ): void {
    this.#relay.log.log(level, event, {
      peer: this.#connection.peer.address,
      service: this.#door.service,
      ...fields,
    });
  }
}

/** What stands behind our name in each door's greeting. */
export const greetingOf = {
  odmr: "ESMTP ODMR",
  intake: "ESMTP",
  lmtp: "LMTP",
  submission: "ESMTP submission",
} as const;
