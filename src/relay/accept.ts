/** Taking mail in: what a door lets through becomes a draft in the spool, and 250 is said when it is safe there. */
// The same at every door: intake, LMTP, the customer's own line, and the customer's house after the turn.
import type { Inspection } from "../checks/check.ts";
import { HeaderGlance } from "../mail/glance.ts";
import { protocolOf, received, type SessionKind } from "../mail/trace.ts";
import type { Drive } from "../net/drive.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { BodyToken, ServerEvent } from "../smtp/session.ts";
import { type Addressee, postingsOf } from "../spool/postings.ts";
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
import { Examination } from "./examination.ts";

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
  /** What is looked at before it is let in; undefined: nothing is. */
  readonly inspection?: Inspection | undefined;
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
  #examination: Examination | undefined;
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
        return this.#rcpt(event.to, event.parameters);
      case "body":
        this.#begin(this.#transaction!);
        this.#glance = new HeaderGlance();
        this.#octets = 0;
        return session.proceed();
      case "octets":
        this.#octets += event.bytes.length;
        if (this.#tooLarge(this.#octets)) return this.#draft?.discard();
        this.#glance?.write(event.bytes);
        return (this.#examination ?? this.#draft)?.write(event.bytes);
      case "complete":
        return this.#complete(event.token);
      case "reset":
        return this.#drop();
      default:
        event satisfies never;
    }
  }

  #rcpt(to: Address, parameters: RcptParameters): Promise<void> | void {
    const { session } = this.#drive;
    const place = this.#door.recipient(to);
    const inspected = "code" in place ? undefined : this.#door.inspection?.recipient(to, this.#speaker());
    if (inspected === undefined) return session.reply(this.#recipient(to, parameters, place));
    return inspected.then((refusal) => {
      // The line may have been shut while we looked.
      if (!session.ended) session.reply(this.#recipient(to, parameters, refusal ?? place));
    });
  }

  #recipient(to: Address, parameters: RcptParameters, place: Place | Reply): Reply {
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

  #begin(transaction: Transaction): void {
    const { spool, hostname } = this.#tools;
    const { from, recipients } = transaction;
    const { inspection } = this.#door;
    let examination: Examination | undefined;
    const draft = spool.begin(this.#acceptance(transaction, () => examination?.fields ?? ""));
    if (inspection !== undefined) {
      const brought = {
        from,
        recipients: recipients.map(({ address }) => address),
        visitor: this.#speaker(),
      };
      examination = new Examination(inspection, draft, brought, hostname);
    }
    this.#draft = draft;
    this.#examination = examination;
  }

  /** @param fields what the checks put on top, asked for when the message is stored */
  #acceptance({ from, parameters, recipients }: Transaction, fields: () => string): Acceptance {
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
      postings: postingsOf(recipients.map(addressee), arrived),
      source: {
        protocol,
        peer: speaker.address,
        ...(speaker.user !== undefined && { auth: speaker.user }),
      },
      arrived,
      trace: (id, posting) => fields() + this.#trace({ id, posting, speaker, protocol, at: arrived }),
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
    const examination = this.#examination;
    const transaction = this.#transaction!;
    this.#draft = undefined;
    this.#examination = undefined;
    this.#transaction = undefined;
    const { received: hops, subject } = this.#glance!;
    this.#glance = undefined;
    const refusal = hops > HOPS ? answers.loop : this.#tooLarge(this.#octets) ? answers.largeNow : undefined;
    const facts = subject === undefined ? {} : { subject };
    const store = () => draft.commit(facts).then((committed) => this.#stored(committed, transaction));
    const refuse = (why: Reply) => draft.discard().then(() => why);
    const stored =
      refusal !== undefined
        ? refuse(refusal)
        : examination === undefined
          ? store()
          : this.#verdict(examination, transaction).then((bad) =>
              bad === undefined ? store() : refuse(bad),
            );
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

  async #verdict(examination: Examination, { from, recipients }: Transaction): Promise<Reply | undefined> {
    const refusal = await examination.verdict();
    const { why } = examination;
    const about = { from, to: recipients.map(({ address }) => address), peer: this.#speaker().address, why };
    if (refusal !== undefined)
      this.#tools.log.log("info", "message refused", { ...about, reply: replyLine(refusal) });
    else if (why !== undefined) this.#tools.log.log("warn", "message not looked at", about);
    return refusal;
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
    this.#examination = undefined;
    this.#transaction = undefined;
    await draft?.discard();
  }
}

function addressee({ address, parameters, place: { lane, hold } }: Recipient): Addressee {
  const { notify = [], orcpt } = parameters;
  return { lane, hold, recipient: { address, notify, ...(orcpt !== undefined && { orcpt }) } };
}
