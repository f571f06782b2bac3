/** Taking mail in: what a door lets through becomes a draft in the spool, and 250 is said when it is safe there. */
// The same at every door: intake, LMTP, the customer's own line, and the customer's house after the turn.
import { HeaderGlance } from "../mail/glance.ts";
import { protocolOf, received, type SessionKind } from "../mail/trace.ts";
import type { Drive } from "../net/drive.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { BodyToken, ServerEvent } from "../smtp/session.ts";
import {
  type Acceptance,
  type Committed,
  type Draft,
  type Lane,
  type Posting,
  type Spool,
  SpoolError,
} from "../spool/spool.ts";
import type { Address } from "../wire/address.ts";
import type { MailParameters, RcptParameters } from "../wire/command.ts";
import { type Reply, reply, replyLine } from "../wire/reply.ts";

/** Where a recipient's mail is held, and for how long in milliseconds. */
export interface Place {
  readonly lane: Lane;
  readonly hold: number;
  /** The recipient that it is held for, where that is another than was named. */
  readonly to?: Address;
}

/** What a door lets in. A Reply refuses. */
export interface Door {
  sender(from: Address, parameters: MailParameters): Reply | undefined;
  recipient(to: Address): Place | Reply;
  /** What came by another way already is not wanted again. */
  readonly doubles?: "remove";
  /** What is larger, in octets, is asked to come at another time; undefined: nothing is. The announced SIZE knows nothing of it. */
  readonly largest?: number;
}

/** Who is speaking, for the Received field and the log. */
export interface Speaker {
  readonly helo: string;
  readonly verb: SessionKind["verb"];
  readonly address: string;
  readonly user?: string;
  readonly tls?: { readonly protocol: string; readonly cipher: string };
}

export interface Tools {
  readonly hostname: string;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly log: Log;
}

interface Recipient {
  readonly address: Address;
  readonly parameters: RcptParameters;
  readonly place: Place;
}

/** What goes into the Received field of one entry. */
interface Stamp {
  readonly id: string;
  readonly posting: Posting;
  readonly speaker: Speaker;
  readonly protocol: string;
  readonly at: number;
}

interface Transaction {
  readonly from: Address;
  readonly parameters: MailParameters;
  readonly recipients: Recipient[];
}

/** RFC 5321 §6.3. */
const HOPS = 100;

const answers = {
  sender: reply(250, "2.1.0", "Sender OK"),
  recipient: reply(250, "2.1.5", "Recipient OK"),
  had: reply(250, "2.0.0", "Had it already"),
  conflict: reply(451, "4.3.0", "This id came before with another body; kept neither"),
  full: reply(452, "4.3.1", "No room, try again later"),
  largeNow: reply(452, "4.3.1", "Too large at this time of day, try again later"),
  trouble: reply(451, "4.3.0", "Cannot store it now, try again later"),
  loop: reply(554, "5.4.6", "Too many hops: this message runs in a circle"),
} as const;

/** The part of a server's events that is about mail. */
type MailEvent = Extract<ServerEvent, { type: "mail" | "rcpt" | "body" | "octets" | "complete" | "reset" }>;

/** Answers the mail events of one session. */
export class Acceptor {
  readonly #drive: Drive;
  readonly #door: Door;
  readonly #tools: Tools;
  readonly #speaker: () => Speaker;
  readonly #perRecipient: boolean;
  #transaction: Transaction | undefined;
  #draft: Draft | undefined;
  /** Of the body that is coming: a silent session keeps none. */
  #glance: HeaderGlance | undefined;
  #octets = 0;
  /** Messages that were accepted for good. */
  taken = 0;

  /** @param lmtp one final reply a recipient (RFC 2033 §4.2) */
  constructor(drive: Drive, door: Door, tools: Tools, speaker: () => Speaker, lmtp?: "lmtp") {
    this.#drive = drive;
    this.#door = door;
    this.#tools = tools;
    this.#speaker = speaker;
    this.#perRecipient = lmtp === "lmtp";
  }

  answer(event: MailEvent): Promise<void> | void {
    const { session } = this.#drive;
    switch (event.type) {
      case "mail": {
        const refusal = this.#tooLarge(event.parameters.size)
          ? answers.largeNow
          : this.#door.sender(event.from, event.parameters);
        this.#transaction = { from: event.from, parameters: event.parameters, recipients: [] };
        return session.reply(refusal ?? answers.sender);
      }
      case "rcpt":
        return session.reply(this.#recipient(event.to, event.parameters));
      case "body":
        this.#draft = this.#tools.spool.begin(this.#acceptance(this.#transaction!));
        this.#glance = new HeaderGlance();
        this.#octets = 0;
        return session.proceed();
      case "octets":
        this.#octets += event.bytes.length;
        if (this.#tooLarge(this.#octets)) return this.#draft?.discard();
        this.#glance?.write(event.bytes);
        return this.#draft?.write(event.bytes);
      case "complete":
        return this.#complete(event.token);
      case "reset":
        return this.#drop();
      default:
        event satisfies never;
    }
  }

  #recipient(to: Address, parameters: RcptParameters): Reply {
    const place = this.#door.recipient(to);
    if ("code" in place) {
      const { from } = this.#transaction!;
      const { address, helo } = this.#speaker();
      this.#tools.log.log("info", "recipient refused", {
        from,
        to,
        peer: address,
        helo,
        reply: replyLine(place),
      });
      return place;
    }
    this.#transaction!.recipients.push({ address: place.to ?? to, parameters, place });
    return answers.recipient;
  }

  #acceptance({ from, parameters, recipients }: Transaction): Acceptance {
    const speaker = this.#speaker();
    const arrived = this.#tools.clock.now();
    const protocol = protocolOf({
      verb: speaker.verb,
      secure: speaker.tls !== undefined,
      authenticated: speaker.user !== undefined,
      utf8: parameters.smtputf8 === true,
    });
    return {
      envelope: {
        from,
        smtputf8: parameters.smtputf8 === true,
        ...(parameters.body && { body: parameters.body }),
        ...(parameters.ret && { ret: parameters.ret }),
        ...(parameters.envid !== undefined && { envid: parameters.envid }),
      },
      postings: postings(recipients, arrived),
      source: {
        protocol,
        peer: speaker.address,
        ...(speaker.user !== undefined && { auth: speaker.user }),
      },
      arrived,
      trace: (id, posting) => this.#trace({ id, posting, speaker, protocol, at: arrived }),
      ...(parameters.origin && { origin: parameters.origin }),
      ...(this.#door.doubles && { doubles: this.#door.doubles }),
    };
  }

  #trace({ id, posting, speaker, protocol, at }: Stamp): string {
    const [only, ...others] = posting.recipients;
    return received({
      from: speaker.helo,
      address: speaker.address,
      by: this.#tools.hostname,
      protocol,
      id,
      at,
      ...(speaker.tls !== undefined && { tls: speaker.tls }),
      ...(only !== undefined && others.length === 0 && { for: only.address }),
    });
  }

  /** Commits without waiting: the session reads on, and the final reply follows the sync. */
  #complete(token: BodyToken): void {
    const draft = this.#draft!;
    const transaction = this.#transaction!;
    this.#draft = undefined;
    this.#transaction = undefined;
    const { received: hops, subject } = this.#glance!;
    this.#glance = undefined;
    const refusal = hops > HOPS ? answers.loop : this.#tooLarge(this.#octets) ? answers.largeNow : undefined;
    const stored =
      refusal !== undefined
        ? draft.discard().then(() => refusal)
        : draft
            .commit(subject === undefined ? {} : { subject })
            .then((committed) => this.#stored(committed, transaction));
    void stored
      .catch((fault: unknown) => this.#trouble(fault))
      .then((final) => {
        this.#drive.session.settle(
          token,
          this.#perRecipient ? transaction.recipients.map(() => final) : [final],
        );
        this.#drive.wake();
      });
  }

  #stored(committed: Committed, { from, recipients, parameters }: Transaction): Reply {
    const { log } = this.#tools;
    if ("doubled" in committed && committed.doubled.length > 0)
      log.log("info", "double removed", { from, to: committed.doubled, origin: parameters.origin?.message });
    switch (committed.type) {
      case "stored": {
        this.taken++;
        const to = recipients.map(({ address }) => address);
        for (const id of committed.ids)
          log.log("info", "accepted", { id, from, to, peer: this.#speaker().address });
        return reply(250, "2.0.0", `Stored as ${committed.ids.join(", ")}`);
      }
      case "had":
        log.log("info", "had already", { from, origin: parameters.origin?.message });
        return answers.had;
      case "conflict":
        log.log("error", "same id with another body", {
          from,
          origin: parameters.origin?.message,
          spool: parameters.origin?.spool,
        });
        return answers.conflict;
      case "full":
        log.log("error", "spool full", { from });
        return answers.full;
      default:
        return committed satisfies never;
    }
  }

  #trouble(fault: unknown): Reply {
    this.#tools.log.log("error", "not stored", {
      why: fault instanceof Error ? fault.message : String(fault),
    });
    return fault instanceof SpoolError && fault.fault === "full" ? answers.full : answers.trouble;
  }

  #tooLarge(octets = 0): boolean {
    return octets > (this.#door.largest ?? Number.POSITIVE_INFINITY);
  }

  async #drop(): Promise<void> {
    const draft = this.#draft;
    this.#draft = undefined;
    this.#transaction = undefined;
    await draft?.discard();
  }
}

/** One posting for each lane, in the order in which the lanes were met. */
function postings(recipients: readonly Recipient[], arrived: number): readonly Posting[] {
  const byLane = new Map<
    string,
    { lane: Lane; expires: number; recipients: Posting["recipients"][number][] }
  >();
  for (const { address, parameters, place } of recipients) {
    const key = `${place.lane.direction}/${place.lane.customer}`;
    const posting = byLane.get(key) ?? { lane: place.lane, expires: arrived + place.hold, recipients: [] };
    byLane.set(key, posting);
    posting.recipients.push({
      address,
      notify: parameters.notify ?? [],
      ...(parameters.orcpt !== undefined && { orcpt: parameters.orcpt }),
    });
  }
  return [...byLane.values()];
}
