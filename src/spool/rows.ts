/** What rows become, whichever database they lie in: entries, events, turns, sums. */
// Nothing here asks a database; the statements are each spool's own.
import type { Notify } from "../mail/envelope.ts";
import type { Instant } from "../platform/clock.ts";
import type { KeptRecipient } from "./movable.ts";
import type { Bucket, Side, Totals, TurnRecord } from "./records.ts";
import type { Direction, Entry, EntryRecipient, SpoolEvent } from "./spool.ts";
import { liveliestOf, stateOf } from "./states.ts";
import type { Cursor, Input } from "./store.ts";

export interface EntryRow extends Cursor {
  readonly id: string;
  readonly direction: Direction;
  readonly customer: string;
  readonly sender: string;
  readonly arrived: Instant;
  readonly expires: Instant;
  readonly subject: string;
  readonly protocol: string;
  readonly peer: string;
  readonly auth: string | null;
}

export interface RecipientRow {
  readonly message: number;
  readonly address: string;
  readonly state: number;
  readonly attempts: number;
  readonly due: Instant | null;
  readonly reply: string | null;
}

export function entryOf(row: EntryRow, recipients: readonly RecipientRow[], now: Instant): Entry {
  const shown = recipients.map((recipient) => recipientOf(recipient, now));
  return {
    id: row.id,
    direction: row.direction,
    customer: row.customer,
    state: liveliestOf(shown.map(({ state }) => state)),
    sender: row.sender,
    recipients: shown,
    size: row.size,
    arrived: row.arrived,
    expires: row.expires,
    subject: row.subject,
    source: { protocol: row.protocol, peer: row.peer, ...(row.auth !== null && { auth: row.auth }) },
  };
}

function recipientOf({ address, state, attempts, due, reply }: RecipientRow, now: Instant): EntryRecipient {
  const name = stateOf(state, due, now);
  return {
    address,
    state: name,
    attempts,
    ...(name === "waiting" && due !== null && { nextAttempt: due }),
    ...(reply !== null && { reply }),
  };
}

/** Where to go on; a page that is not full was the last. */
export function cursorOf(rows: readonly Cursor[], limit: number): Cursor | undefined {
  const last = rows.at(-1);
  return rows.length < limit || last === undefined ? undefined : { seq: last.seq, size: last.size };
}

export interface EventRow extends Omit<SpoolEvent, "recipient"> {
  readonly seq: number;
  readonly recipient: string | null;
}

export function eventOf({ seq: _, recipient, ...event }: EventRow): SpoolEvent {
  return { ...event, ...(recipient !== null && { recipient }) };
}

export interface TurnRow {
  readonly id: string;
  readonly side: Side;
  readonly customer: string;
  readonly state: TurnRecord["state"];
  readonly seen: Instant;
  readonly changed: number;
  readonly started: Instant;
  readonly ended: Instant | null;
  readonly delivered: number;
  readonly deferred: number;
  readonly refused: number;
  readonly octets: number;
  readonly peer: string;
  readonly why: string | null;
}

/** How often a running turn is noted although nothing changed, in milliseconds; and after how long it counts as dead. */
export const SEEN_EVERY = 60_000;
export const DEAD_AFTER = 4 * SEEN_EVERY;

export function turnOf(row: TurnRow, now: Instant): TurnRecord {
  const { seen, changed: _, ended, why, ...rest } = row;
  if (row.state === "running" && seen <= now - DEAD_AFTER)
    return { ...rest, state: "failed", ended: seen, why: "its process ended" };
  return { ...rest, ...(ended !== null && { ended }), ...(why !== null && { why }) };
}

/** A backlog beyond this is skipped: whoever watches wants to know what happens now. */
export const BACKLOG = 5000;

/** What was counted since the spool was made. @param of counts by name */
export function totalsOf(of: ReadonlyMap<string, number>): Totals {
  const ended = (side: Side) => ({
    done: of.get(`${side} done`) ?? 0,
    failed: of.get(`${side} failed`) ?? 0,
  });
  const events = Object.fromEntries([...of].filter(([what]) => what !== "octets" && !what.includes(" ")));
  return {
    events,
    octets: of.get("octets") ?? 0,
    turns: { provider: ended("provider"), customer: ended("customer") },
  };
}

interface Counted {
  readonly n: number;
  readonly what: SpoolEvent["what"];
  readonly count: number;
}

/** Every span of time from `from`, those too in which nothing was counted. */
export function bucketsOf(
  counted: readonly Counted[],
  { from, to, bucket }: Input<"series">,
): readonly Bucket[] {
  const counts = Array.from(
    { length: Math.ceil((to - from) / bucket) },
    () => ({}) as Record<string, number>,
  );
  for (const { n, what, count } of counted) {
    const of = counts[n];
    if (of !== undefined) of[what] = count;
  }
  return counts.map((each, n) => ({ at: from + n * bucket, counts: each }));
}

export interface KeptRecipientRow {
  readonly address: string;
  readonly state: number;
  readonly due: Instant | null;
  readonly attempts: number;
  readonly notify: string;
  readonly orcpt: string | null;
  readonly reply: string | null;
  readonly done: string | null;
}

/** A lease is of a process, and stays behind: here the recipient waits until the lease ends. */
export function keptRecipientOf({
  address,
  state,
  due,
  attempts,
  notify,
  orcpt,
  reply,
  done,
}: KeptRecipientRow): KeptRecipient {
  return {
    address,
    state: stateOf(state, due, Number.POSITIVE_INFINITY),
    attempts,
    notify: notify === "" ? [] : (notify.split(",") as Notify[]),
    ...(orcpt !== null && { orcpt }),
    ...(due !== null && { due }),
    ...(reply !== null && { reply }),
    ...(done !== null && { done: JSON.parse(done) as readonly string[] }),
  };
}
