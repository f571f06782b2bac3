/** A claim: leases taken in batches, handed out one by one, renewed while they are used, given back at the end. */
// What is not settled when the claim is released is waiting again, in its old place.
import type { Envelope } from "../mail/envelope.ts";
import type { Clock, Instant, Timer } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import { replyLine } from "../wire/reply.ts";
import type { Committer } from "./committer.ts";
import type { Shelf } from "./shelf.ts";
import type { Claim, Claimable, Held, Holder, MessageId, Owed, Settlement } from "./spool.ts";
import type {
  Leased,
  LeasedMessage,
  LeasedRecipient,
  OwedMessage,
  Settling,
  StoredBody,
  Unleased,
} from "./store.ts";

/** What claims need of their spool. */
export interface Counter {
  readonly committer: Committer;
  readonly bodies: Shelf;
  readonly clock: Clock;
  readonly log: Log;
  readonly actor: string;
  /** Told when a claim is released. */
  ended(claim: SpoolClaim): void;
}

/** One batch. So few are left when the next is fetched that the consumer does not notice. */
const MESSAGES = 128;
const OCTETS = 4 * 1024 * 1024;
const FEW = 48;

/** When a deferred recipient is due again, where the settlement does not say. */
const LATER = 5 * 60_000;

export class SpoolClaim implements Claim {
  readonly #claimable: Claimable;
  readonly #holder: Holder;
  readonly #counter: Counter;
  #ready: LeasedMessage[] = [];
  readonly #out = new Map<MessageId, LeasedMessage>();
  #fetching: Promise<Leased> | undefined;
  #more = true;
  #largest: number | undefined;
  #released = false;
  #timer: Timer | undefined;

  constructor(claimable: Claimable, holder: Holder, counter: Counter) {
    this.#claimable = claimable;
    this.#holder = holder;
    this.#counter = counter;
  }

  /** Takes the first batch. @returns whether there was any, and if not, whether others have it */
  async open(): Promise<"leased" | "busy" | "empty"> {
    const { messages, busy } = await this.#fetch();
    return messages.length > 0 ? "leased" : busy ? "busy" : "empty";
  }

  async next(): Promise<Held | undefined> {
    while (!this.#released) {
      const message = this.#ready.shift();
      if (message !== undefined) {
        this.#out.set(message.id, message);
        if (this.#more && this.#ready.length < FEW) this.#fetch().catch(() => {}); // told by the next fetch
        return heldOf(message, this.#counter.bodies);
      }
      if ((await this.#fetch()).messages.length === 0 && this.#ready.length === 0) return undefined;
    }
    return undefined;
  }

  async limit(octets: number): Promise<void> {
    this.#largest = octets;
    await this.#fetching?.catch(() => {}); // it was asked for without the limit
    const over = this.#ready.filter(({ size }) => size > octets);
    this.#ready = this.#ready.filter(({ size }) => size <= octets);
    await this.#giveBack(over);
  }

  async settle(held: Held, settlements: readonly Settlement[]): Promise<void> {
    const message = this.#out.get(held.id);
    if (message === undefined) return;
    const outcomes = settlements.flatMap((settlement) => this.#outcome(message, settlement));
    const left = message.recipients.filter(({ n }) => !outcomes.some((outcome) => outcome.n === n));
    if (left.length === 0) this.#out.delete(held.id);
    else this.#out.set(held.id, { ...message, recipients: left });
    const { committer, clock, actor } = this.#counter;
    await committer.submit("settle", {
      seq: message.seq,
      holder: this.#holder,
      now: clock.now(),
      actor,
      outcomes,
    });
  }

  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    this.#timer?.stop();
    this.#counter.ended(this);
    await this.#fetching?.catch(() => {}); // what it leased, if anything, is in #ready
    const messages = [...this.#ready, ...this.#out.values()];
    this.#ready = [];
    this.#out.clear();
    await this.#giveBack(messages);
  }

  async #giveBack(leased: readonly LeasedMessage[]): Promise<void> {
    const messages = leased.map(unleased);
    if (messages.length > 0)
      await this.#counter.committer.submit("unlease", { holder: this.#holder, messages });
  }

  /** Another batch; those who ask meanwhile share it. */
  #fetch(): Promise<Leased> {
    this.#fetching ??= this.#lease().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #lease(): Promise<Leased> {
    const { lane, domains, order, lease } = this.#claimable;
    const now = this.#counter.clock.now();
    const leased = await this.#counter.committer.submit("lease", {
      lane: { direction: lane.direction, customer: lane.customer },
      domains,
      order: order ?? "oldest",
      largest: this.#largest,
      holder: this.#holder,
      now,
      until: now + lease,
      messages: MESSAGES,
      octets: OCTETS,
    });
    this.#ready.push(...leased.messages);
    this.#more = leased.messages.length > 0;
    this.#watch();
    return leased;
  }

  /** Renews well before the end, again and again, while anything is leased. */
  #watch(): void {
    if (this.#timer !== undefined || this.#released) return;
    if (this.#ready.length === 0 && this.#out.size === 0) return;
    this.#timer = this.#counter.clock.after(this.#claimable.lease / 3, () => {
      this.#timer = undefined;
      this.#renew().catch((error: Error) => {
        this.#counter.log.log("warn", "lease not renewed", { holder: this.#holder, error: error.message });
      });
    });
  }

  async #renew(): Promise<void> {
    if (this.#ready.length === 0 && this.#out.size === 0) return;
    const { lane, lease } = this.#claimable;
    try {
      await this.#counter.committer.submit("renew", {
        lane: { direction: lane.direction, customer: lane.customer },
        holder: this.#holder,
        until: this.#counter.clock.now() + lease,
      });
    } finally {
      this.#watch();
    }
  }

  #outcome(
    message: LeasedMessage,
    { to, result, reply, due, notice, done }: Settlement,
  ): Settling["outcomes"] {
    const recipient = message.recipients.find(({ address }) => address === to);
    if (recipient === undefined) return [];
    return [
      {
        n: recipient.n,
        result,
        reply: replyLine(reply),
        due: dueAgain(result, due, recipient, this.#counter),
        notice,
        done,
      },
    ];
  }
}

function dueAgain(
  result: Settlement["result"],
  due: Instant | undefined,
  recipient: LeasedRecipient,
  { clock }: Counter,
): Instant {
  return result === "unanswered" ? recipient.due : (due ?? clock.now() + LATER);
}

function unleased({ seq, recipients }: LeasedMessage): Unleased {
  return { seq, recipients: recipients.map(({ n, due }) => ({ n, due })) };
}

function heldOf(message: LeasedMessage, bodies: Shelf): Held {
  const { id, size, arrived, expires, recipients, trace, content } = message;
  const done = recipients.flatMap(({ address, done }) => (done ? [[address, done] as const] : []));
  return {
    id,
    envelope: envelopeOf(message),
    size,
    arrived,
    expires,
    attempts: recipients.map(({ attempts }) => attempts),
    ...(done.length > 0 && { done: new Map(done) }),
    content: () => octetsOf(trace, content, bodies),
  };
}

function envelopeOf({ mail, recipients }: LeasedMessage): Envelope {
  return {
    from: mail.from,
    recipients: recipients.map(({ address, notify, orcpt }) => ({
      address,
      notify,
      ...(orcpt !== null && { orcpt }),
    })),
    ...(mail.body !== null && { body: mail.body }),
    smtputf8: mail.smtputf8,
    ...(mail.ret !== null && { ret: mail.ret }),
    ...(mail.envid !== null && { envid: mail.envid }),
  };
}

/** What is to be told of a message that may have left: its body is kept until it is told. */
export function owedOf({ mail, content, trace, recipients, ...facts }: OwedMessage, bodies: Shelf): Owed {
  return {
    ...facts,
    envelope: {
      from: mail.from,
      ...(mail.ret !== null && { ret: mail.ret }),
      ...(mail.envid !== null && { envid: mail.envid }),
    },
    recipients: recipients.map(({ orcpt, ...recipient }) => ({
      ...recipient,
      ...(orcpt !== null && { orcpt }),
    })),
    content: () => octetsOf(trace, content, bodies),
  };
}

/** Trace fields, then a body from memory. */
export function piecesOf(trace: string, bytes: Uint8Array): readonly Uint8Array[] {
  return trace === "" ? [bytes] : [new TextEncoder().encode(trace), bytes];
}

/** Trace fields, then a body from its file. */
export async function* fileOf(trace: string, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (trace !== "") yield new TextEncoder().encode(trace);
  yield* body;
}

function octetsOf(trace: string, content: StoredBody, bodies: Shelf) {
  return "bytes" in content ? piecesOf(trace, content.bytes) : fileOf(trace, bodies.read(content.file));
}
