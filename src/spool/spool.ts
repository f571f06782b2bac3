/** The spool: where mail is held between being answered 250 and being answered 250. Read the table below first. */
// What was answered 250 is never lost: commit() resolves after the sync, never before.
//
// A recipient's states, and what a crash leaves of each:
//
//   state      body   due        after a crash
//   waiting    kept   its time   waiting
//   leased     kept   the lease's end; then it is claimable again: nobody has to tidy up after a dead process
//   held       kept   none       held: an operator's word outlives everything
//   delivered  -      none       delivered: the next hop has said 250 (it may be told twice if we died before noting it)
//   refused    -      none       refused
//   expired    -      none       expired
//   removed    -      none       removed
//
// "leased" is waiting with a holder and `due` set to the lease's end. The body goes when the last recipient has left.
// At any time: accepted = delivered + refused + expired + removed + waiting + leased + held.

import type { Outcome, Parcel } from "../delivery/delivery.ts";
import type { NoticedRecipient } from "../mail/bounce.ts";
import type { Envelope, Recipient } from "../mail/envelope.ts";
import type { Instant } from "../platform/clock.ts";
import type { Address } from "../wire/address.ts";

/** UUIDv7 in the usual text form; permanent, never reused, not even by a restored spool. */
export type MessageId = string;

/** Which way an entry goes: it waits for a customer's call, at home for its target, or to go out. */
export type Direction = "turn" | "local" | "outgoing";

export type RecipientState = "waiting" | "leased" | "held" | "delivered" | "refused" | "expired" | "removed";

/** Where a message came from. `auth` is the user that authenticated. */
export interface Source {
  /** As in a Received field: SMTP, ESMTP, ESMTPSA, LMTP, …; "file" for import and add, "HTTP" for both from afar. */
  readonly protocol: string;
  readonly peer: string;
  readonly auth?: string;
}

/** Entries of one lane wait for the same next hop: a customer's call, an account's local targets, the outside. */
export interface Lane {
  readonly direction: Direction;
  /** The customer's name (turn), the account's (local, outgoing from home). */
  readonly customer: string;
}

/** One entry to be made: the message as it concerns one lane. */
export interface Posting {
  readonly lane: Lane;
  readonly recipients: readonly Recipient[];
  readonly expires: Instant;
}

/** A message that is about to be accepted. One entry is made for each posting, all in one commit. */
export interface Acceptance {
  readonly envelope: Omit<Envelope, "recipients">;
  readonly postings: readonly Posting[];
  readonly source: Source;
  readonly arrived: Instant;
  /** The trace fields to put on top of one entry, CRLF-ended. */
  trace(id: MessageId, posting: Posting): string;
  /** Debts that this message pays, in the same commit. If others have paid all of them, it is not stored ("had"). */
  readonly pays?: Payment;
  /** XODMRID: with it each recipient goes through the ledger (spool, message, recipient), in the same commit. */
  readonly origin?: { readonly spool: string; readonly message: string };
  /** The same mail within a day (Message-ID, sender, recipient, body without trace fields) is not stored again. */
  readonly doubles?: "remove";
}

/** Notices that are no longer owed, and messages of whose expiry their owner was warned. */
export interface Payment {
  readonly notices?: readonly number[];
  readonly warned?: readonly MessageId[];
}

/** A message whose sender is owed a notice (see notices.ts), as the notice needs it. */
export interface Owed {
  readonly id: MessageId;
  readonly lane: Lane;
  readonly envelope: Pick<Envelope, "from" | "ret" | "envid">;
  readonly arrived: Instant;
  readonly expires: Instant;
  readonly size: number;
  readonly recipients: readonly NoticedRecipient[];
  readonly notices: readonly number[];
  content(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** A message that waits for a customer's call and will expire. */
export interface Ageing {
  readonly id: MessageId;
  readonly customer: string;
  readonly from: Address;
  readonly subject: string;
  readonly expires: Instant;
}

/**
 * A message on its way in. `full`: the disk has no room (452 4.3.1). `had`: the ledger knew every recipient, nothing was
 * stored (250). `conflict`: the ledger knows a recipient with another body (451). Recipients that the ledger knew are left out,
 * and so are those who are `doubled`: they have the same mail by another way.
 */
export type Committed =
  | { readonly type: "stored"; readonly ids: readonly MessageId[]; readonly doubled?: readonly Address[] }
  | { readonly type: "had"; readonly doubled?: readonly Address[] }
  | { readonly type: "conflict" }
  | { readonly type: "full" };

export interface Draft {
  /** The ids that the entries will have, one a posting. */
  readonly ids: readonly MessageId[];
  /**
   * Adds canonical octets, which are not to be changed afterwards. A whole piece that the network lent (platform/memory) is
   * the draft's own: its memory goes once it is written. Awaiting it is the back-pressure; undefined: go on at once.
   */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** What was written so far, to look at before commit(); the pieces are not to be changed. @throws what the disk said */
  content(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Resolves after the sync of the group that carries it. @throws SpoolError if it could not be stored (answer 451) */
  commit(facts: { readonly subject?: string }): Promise<Committed>;
  /** Forgets it. Never throws. */
  discard(): Promise<void>;
}

/** Who holds a lease; unique for each claim: `<process>/<turn>`. */
export type Holder = string;

export interface Claimable {
  readonly lane: Lane;
  /** Only recipients of these domains; undefined: all. */
  readonly domains?: readonly string[];
  readonly order?: "oldest" | "small";
  /** How long a lease lasts without a settle, in milliseconds; it is renewed while the claim is used. */
  readonly lease: number;
}

/** What a claim hands out: a parcel, and how often each of its recipients was tried before (same order). */
export interface Held extends Parcel {
  readonly attempts: readonly number[];
  readonly expires: Instant;
}

/** What happened to a recipient, and for a deferred one when it is due again. `held`: refused, but kept for an operator. */
export interface Settlement extends Omit<Outcome, "result"> {
  readonly result: Outcome["result"] | "held";
  readonly due?: Instant;
  /** What its sender is to be told beside a refusal, if NOTIFY asks for it: once, however often it is said. */
  readonly notice?: "delayed" | "relayed";
}

/** Mail that somebody waits for. */
export interface Awaited {
  readonly lane: Lane;
  /** Only recipients of these domains; undefined: all. */
  readonly domains?: readonly string[] | undefined;
  /** Only messages of at most so many octets; undefined: any. */
  readonly largest?: number | undefined;
}

/** A lease over a lane, for one turn or one delivery run. */
export interface Claim {
  /** The next message that is due and not leased; undefined: none is left now (ask again later for what arrived since). */
  next(): Promise<Held | undefined>;
  /**
   * From now on only messages of at most so many octets are handed out; what is larger stays as it was, due and untried.
   * For a next hop that says so only when it is spoken to.
   */
  limit(octets: number): Promise<void>;
  /**
   * Notes what became of it. Resolves after the sync of its group. Settlements of a lease that somebody else took over
   * meanwhile are dropped. `unanswered` recipients become waiting at once, with no attempt counted.
   */
  settle(held: Held, settlements: readonly Settlement[]): Promise<void>;
  /** Gives back whatever is leased and not settled. */
  release(): Promise<void>;
}

/** What lists, counts and actions choose by; all that is given must fit. Addresses take globs (`*`, `?`). */
export interface Filter {
  readonly ids?: readonly MessageId[];
  readonly direction?: Direction;
  readonly customer?: string;
  readonly state?: RecipientState;
  readonly sender?: string;
  readonly recipient?: string;
  /** A recipient's domain. */
  readonly domain?: string;
  readonly arrivedBefore?: Instant;
  readonly arrivedAfter?: Instant;
  readonly largerThan?: number;
  readonly smallerThan?: number;
  readonly limit?: number;
  readonly sort?: "oldest" | "newest" | "largest" | "smallest";
  /** Also entries that have left (all recipients delivered, refused, expired or removed); otherwise only those still here. */
  readonly gone?: boolean;
}

export interface EntryRecipient {
  readonly address: Address;
  readonly state: RecipientState;
  readonly attempts: number;
  readonly nextAttempt?: Instant;
  /** The last reply, on one line. */
  readonly reply?: string;
}

/** One entry of the queue, as `queue` and the admin interface show it. */
export interface Entry {
  readonly id: MessageId;
  readonly direction: Direction;
  readonly customer: string;
  /** The recipients' state where it is the same for all that are still here; else the liveliest (leased, waiting, held). */
  readonly state: RecipientState;
  readonly sender: Address;
  readonly recipients: readonly EntryRecipient[];
  readonly size: number;
  readonly arrived: Instant;
  readonly expires: Instant;
  readonly subject: string;
  readonly source: Source;
}

/** One line of the log that the spool keeps: every change of a recipient's state, with who and why. */
export interface SpoolEvent {
  readonly at: Instant;
  readonly id: MessageId;
  readonly recipient?: Address;
  readonly what:
    | "accepted"
    | "delivered"
    | "deferred"
    | "refused"
    | "expired"
    | "held"
    | "released"
    | "retried"
    | "removed"
    | "moved"
    /** The same mail came again, and was removed: told of the one that stayed. */
    | "doubled";
  /** `serve`, `pull`, `expiry`, or an operator: `cli:root`, `api:…`. */
  readonly actor: string;
  readonly reason: string;
}

export interface Usage {
  /** Entries and octets that are still here. */
  readonly count: number;
  readonly octets: number;
}

/** What an operator can do with entries; only recipients that are still here change. */
export type Action =
  | { readonly type: "hold" | "release" | "retry" | "remove" }
  | { readonly type: "bounce" }
  | { readonly type: "move"; readonly customer: string };

export interface Actor {
  readonly name: string;
  readonly reason: string;
}

/** What can be asked about: by whom, since when, how much. */
export interface HistoryFilter {
  readonly ids?: readonly MessageId[];
  readonly after?: Instant;
  readonly limit?: number;
}

/** What an operator sees of a spool and does with it; at hand, or from afar over the admin interface. */
export interface Queue {
  /** Of a damaged spool all that can be read comes first. @throws SpoolError "corrupt" in the end, if that is not all */
  list(filter: Filter): AsyncIterable<Entry>;
  count(filter: Filter): Promise<number>;
  /** One entry's octets, trace fields first; undefined if there is no such entry or its body has left. */
  content(id: MessageId): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** The entries that an action changed (or with `dry` would change). One commit for each batch of them. */
  act(action: Action, filter: Filter, by: Actor, dry?: "dry"): AsyncIterable<MessageId>;
  /** Changes, oldest first. */
  history(filter: HistoryFilter): AsyncIterable<SpoolEvent>;
  /** Waits for commits under way, gives up leases, closes files. */
  close(): Promise<void>;
}

export interface Spool extends Queue {
  /** UUID of this spool, made with it. */
  readonly id: string;
  /** Begins a message. Touches no disk before there is something to write. */
  begin(acceptance: Acceptance): Draft;
  /** "empty": nothing is due. "busy": something is, and others have leased all of it. */
  claim(claimable: Claimable, holder: Holder): Promise<Claim | "empty" | "busy">;
  /** When the first of it is due, or was: in the past, it can be claimed now. undefined: none waits. */
  soonest(awaited: Awaited): Promise<Instant | undefined>;
  /**
   * Tells of lanes in which something changed; undefined: in any. Changes of other processes are seen within a second.
   * @returns ends it
   */
  onChange(tell: (lane: Lane | undefined) => void): () => void;
  /** What a lane holds, as of the last commit that this process saw; a moment old at most. For quotas: no wait. */
  usage(lane: Lane): Usage;
  /** Moves what has outlived its `expires` to expired (not what is held or leased). */
  expire(now: Instant): Promise<readonly MessageId[]>;
  /**
   * Forgets what left before `before`, with its events, and ledger rows that no peer will ask for again; gives the room
   * of what is gone back to the disk, a little at a time.
   */
  prune(before: Instant): Promise<void>;
  /** Lanes of a direction with entries in them, as fresh as usage(). */
  lanes(direction: Direction): readonly Lane[];
  /** Messages whose senders are owed a notice: pay by an acceptance with `pays`, or forgive. At most so many. */
  owed(limit: number): Promise<readonly Owed[]>;
  /** Messages that expire before that and of which their owner was not warned. */
  ageing(before: Instant, limit: number): Promise<readonly Ageing[]>;
  /** There is nobody to tell. */
  forgive(payment: Payment): Promise<void>;
}

/** For so long it is known what became of a message that left, in milliseconds. */
export const HISTORY = 90 * 86_400_000;

/** The last four are of a spool from afar: nobody there, not allowed, not understood there, not understood here. */
export type SpoolFault =
  | ("full" | "busy" | "corrupt" | "io" | "version" | "closed")
  | ("unreachable" | "denied" | "request" | "protocol");

/** The spool could not do it. Nothing that was committed before is affected. */
export class SpoolError extends Error {
  override readonly name = "SpoolError";
  readonly fault: SpoolFault;
  constructor(fault: SpoolFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}
