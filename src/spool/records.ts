/** What the spool keeps and tells beside mail: turns, changes as they happen, sums, and rules that hold new mail. */
// None of it decides what becomes of a message but the rules, and these only within the commit that accepts it.
import type { Instant } from "../platform/clock.ts";
import type { Action, Actor, Entry, Filter, Lane, MessageId, Spool, SpoolEvent, Usage } from "./spool.ts";

/** A spool that keeps records: the embedded one. */
export interface RecordingSpool extends Spool {
  readonly records: Records;
}

export interface Records {
  /** Begins the record of a turn, or of a call. Trouble with it is logged and does not disturb the turn. */
  turn(facts: TurnFacts): RunningTurn;
  /** Turns, newest first. */
  turns(filter: TurnFilter): Promise<readonly TurnRecord[]>;
  /** Each customer's newest turn. */
  lastTurns(): Promise<readonly TurnRecord[]>;
  /**
   * Changes as they are committed: this process's at once, those of others within half a second.
   * Who reads slowly is not waited for: what was skipped is told as `missed`. Ends when the signal is aborted.
   * @param after the `seq` of the last event that was seen; undefined: from now on
   */
  watch(signal: AbortSignal, after?: number): AsyncIterable<Change>;
  /** How often each kind of event came, in buckets of `bucket` milliseconds; empty buckets are there too. */
  series(from: Instant, to: Instant, bucket: number): Promise<readonly Bucket[]>;
  /** Every lane that ever had an entry. */
  lanes(): Promise<readonly LaneSum[]>;
  /** Counters since the spool was made; they never go back. */
  totals(): Promise<Totals>;
  /** How long the commits of this process took. */
  commits(): CommitTimes;

  /** The programs at work on a shared spool; none where one machine has it. */
  nodes(): Promise<readonly NodeRecord[]>;

  holdRules(): Promise<readonly HoldRule[]>;
  addHoldRule(rule: Omit<HoldRule, "id" | "made">): Promise<HoldRule>;
  /** What it held stays held. @returns whether there was such a rule */
  removeHoldRule(id: string): Promise<boolean>;

  /** list(), act() and history() by the page, for those who come back later with a cursor. */
  page(filter: Filter, place: Place): Promise<PageOf<Entry>>;
  actPage(action: Action, filter: Filter, by: Actor, place: Place, dry?: "dry"): Promise<PageOf<MessageId>>;
  /** The last changes, newest first. */
  latest(limit: number): Promise<readonly SpoolEvent[]>;
  historyPage(ids: readonly MessageId[] | undefined, place: Place): Promise<PageOf<SpoolEvent>>;
}

/** At which side of the turned line we were: `provider`, a customer called us; `customer`, we called. */
export type Side = "provider" | "customer";

export interface TurnFacts {
  readonly side: Side;
  /** The customer's name, or the account's. */
  readonly customer: string;
  readonly peer: string;
}

/** Recipients by what became of them, and octets of messages that at least one recipient got. */
export interface TurnTally {
  readonly delivered: number;
  readonly deferred: number;
  readonly refused: number;
  readonly octets: number;
}

export interface TurnRecord extends TurnFacts, TurnTally {
  /** UUIDv7. */
  readonly id: string;
  readonly started: Instant;
  readonly ended?: Instant;
  readonly state: "running" | "done" | "failed";
  /** Why it failed. */
  readonly why?: string;
}

export interface RunningTurn {
  /** How far it is; noted at most once a second. */
  progress(tally: TurnTally): void;
  /** Resolves when it is noted. @param why it failed; undefined: it did not */
  end(why?: string): Promise<void>;
}

export interface TurnFilter {
  readonly customer?: string;
  readonly side?: Side;
  readonly state?: TurnRecord["state"];
  /** Only those that began before this one. */
  readonly before?: string;
  readonly limit: number;
}

export type Change =
  | { readonly type: "event"; readonly seq: number; readonly event: SpoolEvent }
  | { readonly type: "turn"; readonly turn: TurnRecord }
  | { readonly type: "missed"; readonly events: number };

export interface Bucket {
  /** Where it begins. */
  readonly at: Instant;
  readonly counts: Readonly<Partial<Record<SpoolEvent["what"], number>>>;
}

export interface LaneSum extends Lane, Usage {
  /** When the entry arrived that has been here longest. */
  readonly oldest?: Instant;
  /** Recipients. */
  readonly held: number;
  readonly leased: number;
}

export interface Totals {
  readonly events: Readonly<Partial<Record<SpoolEvent["what"], number>>>;
  /** Octets accepted. */
  readonly octets: number;
  /** Turns that ended. */
  readonly turns: Readonly<Record<Side, { readonly done: number; readonly failed: number }>>;
}

/** A program at work on a shared spool. */
export interface NodeRecord {
  /** UUIDv7. */
  readonly id: string;
  /** Its host's. */
  readonly name: string;
  /** `serve`, `pull`, … */
  readonly actor: string;
  /** Of odmr. */
  readonly version: string;
  readonly started: Instant;
  readonly seen: Instant;
  /** It was seen within a minute. */
  readonly alive: boolean;
  /** It is the one that answers. */
  readonly self: boolean;
}

/** A histogram: how many commits took at most so many seconds. */
export interface CommitTimes {
  readonly count: number;
  readonly seconds: number;
  readonly buckets: readonly { readonly most: number; readonly count: number }[];
}

/** New mail that fits all that is given is held. Addresses take globs; "<>" is the null sender. */
export interface HoldRule {
  /** UUIDv7. */
  readonly id: string;
  readonly customer?: string;
  readonly sender?: string;
  readonly recipient?: string;
  /** Octets. */
  readonly largerThan?: number;
  readonly reason: string;
  readonly actor: string;
  readonly made: Instant;
}

/** Where to begin, and how much at most. */
export interface Place {
  /** A cursor that an earlier page gave. */
  readonly after?: string;
  readonly limit: number;
}

export interface PageOf<T> {
  readonly items: readonly T[];
  /** undefined: it was the last page. */
  readonly next?: string;
}
