/** One connection at one of the relay's doors, from the greeting to the end, through STARTTLS and, at the ODMR door, the turn. */
// STARTTLS and the turn are the same act: this session is over, a fresh one takes the connection, and nothing is handed on.

import type { Inspection } from "../checks/check.ts";
import { type Connection, ConnectionError } from "../net/connection.ts";
import { Drive, type Ending, type Patience, patience } from "../net/drive.ts";
import { pause } from "../platform/clock.ts";
import { renewedServerSession, serverSession } from "../smtp/server.ts";
import type { ServerEvent, ServerSession } from "../smtp/session.ts";
import { reply } from "../wire/reply.ts";
import { Acceptor, type Speaker } from "./accept.ts";
import { decideTurn, type Turn } from "./atrn.ts";
import { relayDoor } from "./doors.ts";
import { startDelivery } from "./etrn.ts";
import { audienceOf } from "./farewell.ts";
import { type Acquaintance, Identification } from "./identification.ts";
import { offerTo } from "./offer.ts";
import { receivePair } from "./pairing.ts";
import type { Book, DoorSettings, Relay } from "./relay.ts";
import { drain } from "./turn.ts";
import { awaitMail } from "./wait.ts";

const answers = {
  goAhead: reply(220, "2.0.0", "Ready to start TLS"),
  noTls: reply(454, "4.7.0", "TLS is not available now"),
  acrossTheTurn: reply(421, "4.7.0", "Nobody speaks across the turn"),
  stopping: reply(421, "4.3.2", "Going down, call again later"),
  anew: reply(421, "4.7.0", "Call again, and say again who you are"),
  notHere: reply(502, "5.5.1", "Command not available here"),
} as const;

/** A session to come: on which connection, and how it begins. */
interface Session {
  readonly connection: Connection;
  /** Who came to be known in an earlier session on this connection stays so. */
  readonly begins: "with a greeting" | "under TLS" | Acquaintance;
  /** Of this connection, under TLS too: an address is what it is. */
  readonly inspection: Inspection | undefined;
}

/** A line lives so long at most, in milliseconds: then its customer calls anew, and proves again who it is. */
const ACQUAINTED = 86_400_000;

/**
 * Serves one connection to its end and closes it. Trouble with the peer is logged, not thrown.
 * @param latest the relay as it is now, for another round on the same line: the book may be another by then; undefined: `relay`
 */
export async function receive(
  relay: Relay,
  door: DoorSettings,
  connection: Connection,
  latest?: () => Relay,
): Promise<void> {
  const audience = audienceOf(relay.stopping);
  // The one that is open now: STARTTLS puts another in its place.
  let line = connection;
  try {
    const inspection = relay.book.inspector?.meet(door.service, connection.peer.address);
    let session: Session | undefined = { connection, begins: "with a greeting", inspection };
    let now = relay;
    while (session !== undefined) {
      line = session.connection;
      const reception: Reception = new Reception(now, door, session, latest);
      audience.add(reception);
      try {
        await reception.welcome();
        // Here a silent session waits: what stands between this and the read is paid ten thousand times.
        session = await reception.follow(await reception.drive.run(reception));
      } finally {
        audience.delete(reception);
      }
      if (typeof session?.begins === "object") now = latest?.() ?? relay;
    }
  } catch (fault) {
    if (!(fault instanceof ConnectionError)) throw fault;
    relay.log.log("info", "connection lost", { peer: connection.peer.address, why: fault.message });
  } finally {
    relay.company?.leave(line);
    await line.close();
  }
}

class Reception {
  readonly drive: Drive;
  readonly #relay: Relay;
  readonly #door: DoorSettings;
  readonly #connection: Connection;
  readonly #session: ServerSession;
  readonly #begins: Session["begins"];
  readonly #inspection: Inspection | undefined;
  readonly #latest: (() => Relay) | undefined;
  #helo = "";
  #verb: "EHLO" | "HELO" | "LHLO" = "HELO";
  #next: "tls" | Turn | undefined;
  /** Made when mail comes, and when somebody says who it is. */
  #acceptor: Acceptor | undefined;
  #identification: Identification | undefined;

  constructor(
    relay: Relay,
    door: DoorSettings,
    { connection, begins, inspection }: Session,
    latest: (() => Relay) | undefined,
  ) {
    this.#relay = relay;
    this.#door = door;
    this.#connection = connection;
    this.#begins = begins;
    this.#inspection = inspection;
    this.#latest = latest;
    const { tls } = connection;
    const caller = { tls, known: typeof begins === "object", inspected: inspection !== undefined };
    const offer = offerTo(relay, door, caller);
    this.#session = begins === "under TLS" ? renewedServerSession(offer) : serverSession(offer);
    this.drive = new Drive(this.#session, connection, patienceUnder(relay.book));
  }

  /** Said by the relay that ends. */
  leave(): void {
    this.drive.stop(answers.stopping);
  }

  /** What is here already was said before our greeting: the session fails by it (RFC 5321 §4.3.1). */
  async welcome(): Promise<void> {
    if (this.#begins === "under TLS") return;
    const { clock, stopping } = this.#relay;
    const delay = this.#inspection?.greetingDelay ?? 0;
    if (delay > 0) await pause(clock, delay, stopping);
    if (this.#session.ended) return;
    const early = this.#connection.pending > 0 ? await this.#connection.read(patience.read) : undefined;
    if (early !== undefined) this.#session.feed(early);
    this.#session.greet(reply(220, undefined, `${this.#relay.hostname} ${greetingOf[this.#door.service]}`));
  }

  /** @returns the session that follows on this line, or undefined at its end. */
  async follow(ending: Ending): Promise<Session | undefined> {
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
    const now = this.#now.book;
    const same = now === book || now.credentials.agree(book.credentials, user);
    return same && !stopping.aborted && clock.steady() - since < ACQUAINTED;
  }

  get #acquaintance(): Acquaintance | undefined {
    return typeof this.#begins === "object" ? this.#begins : this.#identification?.found;
  }

  /** The relay as it is now. */
  get #now(): Relay {
    return this.#latest?.() ?? this.#relay;
  }

  get #user(): string | undefined {
    return this.#acquaintance?.user;
  }

  get #who(): Identification {
    this.#identification ??= new Identification({
      ...{
        relay: this.#relay,
        latest: () => this.#now,
        connection: this.#connection,
        session: this.#session,
      },
      log: (level, event, fields) => this.#log(level, event, fields),
    });
    return this.#identification;
  }

  get #mail(): Acceptor {
    if (this.#acceptor !== undefined) return this.#acceptor;
    const way = { ...relayDoor(this.#relay, () => this.#user), inspection: this.#inspection };
    const lmtp = this.#door.service === "lmtp" ? "lmtp" : undefined;
    this.#acceptor = new Acceptor(this.drive, way, this.#relay, () => this.#speaker(), lmtp);
    return this.#acceptor;
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

  answer(event: ServerEvent): Promise<void> | void {
    switch (event.type) {
      case "greeted":
        this.#helo = event.name;
        this.#verb = event.verb;
        return;
      case "auth":
        return this.#who.begin(event.mechanism, event.initial);
      case "response":
        return this.#who.respond(event.bytes);
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
        return this.#mail.answer(event);
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
    // Who said by then who it is has to say it again (RFC 3207 §4.2).
    this.#relay.company?.leave(this.#connection);
    const connection = await this.#connection.startTls(tls, patience.read);
    return { connection, begins: "under TLS", inspection: this.#inspection };
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
        : this.drive.stirring((this.#relay.book.wait ?? 0) + patience.read);
    const answer = await awaitMail(this.#relay, { user: this.#user!, domains, size, stirs });
    if (!this.#session.ended) this.#session.reply(answer);
  }

  async #pair(token: string, certificate: string): Promise<void> {
    const { address } = this.#connection.peer;
    const { reply, refused } = await receivePair(this.#relay, { token, certificate, address });
    if (this.#session.ended) return;
    this.#session.reply(reply);
    if (refused) this.#who.refused();
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

const patiences = new WeakMap<Book, Patience>();

/** How slow a peer may be under this book: one object for all. */
function patienceUnder(book: Book): Patience {
  const { minimumRate: rate } = book;
  if (rate === undefined) return patience;
  const known = patiences.get(book) ?? { ...patience, rate };
  patiences.set(book, known);
  return known;
}

/** What stands behind our name in each door's greeting. */
export const greetingOf = {
  odmr: "ESMTP ODMR",
  intake: "ESMTP",
  lmtp: "LMTP",
  submission: "ESMTP submission",
} as const;
