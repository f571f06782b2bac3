/** What operators and time do with entries: hold, release, retry, remove, bounce, move; expiry and pruning. */
// A delivery that is under way wins over an operator's hold: the holder stays noted, and its settlement counts.

import type { Instant } from "../platform/clock.ts";
import type { Database } from "../platform/sqlite.ts";
import { recipientsThat } from "./filter.ts";
import { forget, owe } from "./notices.ts";
import { select } from "./pages.ts";
import { cursorOf } from "./rows.ts";
import type { Action, MessageId, SpoolEvent } from "./spool.ts";
import { code, type StateCode } from "./states.ts";
import type { Acted, ActWish, Cursor, Input } from "./store.ts";
import { forgetTurns } from "./turns.ts";
import { HERE, laneFor, type Mark, type Work } from "./work.ts";

interface EntryRow extends Cursor {
  readonly id: MessageId;
  readonly lane: number;
}

interface RecipientRow {
  readonly n: number;
  readonly address: string;
  readonly due: Instant | null;
  readonly reply?: string | null;
}

export function act(db: Database, wish: ActWish, work: Work): Acted {
  const rows = select<EntryRow>(db, "m.seq, m.size, m.id, m.lane", { ...wish, filter: withoutGone(wish) });
  const change = wish.action.type === "move" ? move : touch;
  const ids: MessageId[] = [];
  for (const row of rows) {
    if (change(db, row, wish, work)) ids.push(row.id);
    if (ids.length === wish.most) return { ids, next: { seq: row.seq, size: row.size } };
  }
  return { ids, next: cursorOf(rows, wish.limit) };
}

/** Entries that have outlived their time; not what an operator holds, nor what is being delivered just now. */
export function expire(db: Database, { now, limit }: Input<"expire">, work: Work): readonly MessageId[] {
  const waiting = "(r.state = 0 OR (r.state = 1 AND r.due <= ?))";
  const rows = db.all<{ seq: number; id: MessageId }>(
    `SELECT m.seq, m.id FROM message m INDEXED BY message_expires WHERE m.gone IS NULL AND m.expires <= ?
       AND EXISTS (SELECT 1 FROM recipient r WHERE r.message = m.seq AND ${waiting}) ORDER BY m.expires LIMIT ?`,
    now,
    now,
    limit,
  );
  const mark: Mark = { at: now, actor: "expiry", reason: "its time to be held is over" };
  for (const { seq } of rows) {
    const recipients = db.all<RecipientRow>(
      `SELECT n, address, due, reply FROM recipient r WHERE r.message = ? AND ${waiting}`,
      seq,
      now,
    );
    for (const { n, address, reply } of recipients) {
      owe(db, seq, n, "expired", reply ?? "");
      work.leave(seq, n, code.expired, null);
      work.note(seq, address, "expired", mark);
    }
    work.depart(seq, recipients.length, now);
  }
  return rows.map(({ id }) => id);
}

/** Forgets the history of what left before `before`, and turns; and what the ledger noted before `ledger`. @returns rows */
export function prune(db: Database, wish: Input<"prune">, work: Work): number {
  const { before, ledger, limit } = wish;
  const rows = db.all<{ seq: number; lane: number }>(
    "SELECT seq, lane FROM message WHERE gone < ? ORDER BY gone LIMIT ?",
    before,
    limit,
  );
  for (const { seq, lane } of rows) {
    const { changes } = db.run("DELETE FROM recipient WHERE message = ?", seq);
    work.add(lane, 0, 0, -changes);
    forget(db, seq, work);
    db.run("DELETE FROM event WHERE message = ?", seq);
    db.run("DELETE FROM message WHERE seq = ?", seq);
  }
  const { changes } = db.run(
    `DELETE FROM ledger WHERE (spool, message, recipient) IN
       (SELECT spool, message, recipient FROM ledger WHERE at <= ? LIMIT ?)`,
    ledger,
    limit,
  );
  return rows.length + changes + forgetTurns(db, wish);
}

/** Pages that stay free for the mail to come, beside a quarter of those in use: giving them back and asking again costs twice. */
const SPARE = 256;

/** Gives free pages back to the disk, so that a queue that was long once does not fill it for ever. */
export function shrink(db: Database, { pages }: Input<"shrink">): number {
  const free = freePages(db);
  const all = db.get<{ page_count: number }>("PRAGMA page_count")?.page_count ?? 0;
  const over = free - SPARE - Math.floor((all - free) / 4);
  if (over <= 0) return 0;
  db.all(`PRAGMA incremental_vacuum(${Math.min(pages, over)})`);
  return free - freePages(db);
}

function freePages(db: Database): number {
  return db.get<{ freelist_count: number }>("PRAGMA freelist_count")?.freelist_count ?? 0;
}

/** What an action does to each recipient of a state that it is `from`. */
const acts: {
  readonly [T in Exclude<Action["type"], "move">]: {
    readonly from: readonly StateCode[];
    readonly what: SpoolEvent["what"];
    readonly to: StateCode;
  };
} = {
  hold: { from: [code.waiting, code.leased], what: "held", to: code.held },
  release: { from: [code.held], what: "released", to: code.waiting },
  retry: { from: [code.waiting], what: "retried", to: code.waiting },
  remove: { from: [code.waiting, code.leased, code.held], what: "removed", to: code.removed },
  bounce: { from: [code.waiting, code.leased, code.held], what: "refused", to: code.refused },
};

/** @returns whether any recipient changed (or, dry, would) */
function touch(db: Database, { seq }: EntryRow, wish: ActWish, work: Work): boolean {
  if (wish.action.type === "move") return false;
  const { from, what, to } = acts[wish.action.type];
  const fits = recipientsThat(wish.filter, wish.now);
  const recipients = db.all<RecipientRow>(
    `SELECT r.n, r.address, r.due FROM recipient r
     WHERE r.message = ? AND r.state IN (${from.join(", ")}) AND ${fits.sql} ORDER BY r.n`,
    seq,
    ...fits.values,
  );
  if (wish.dry || recipients.length === 0) return recipients.length > 0;
  const mark = markOf(wish);
  for (const { n, address, due } of recipients) {
    if (what === "refused") owe(db, seq, n, "refused", bounceReply(wish));
    if (to > code.held) work.leave(seq, n, to, what === "refused" ? bounceReply(wish) : null);
    else put(db, seq, n, to, to === code.held ? null : Math.min(due ?? wish.now, wish.now));
    work.note(seq, address, what, mark);
  }
  if (to > code.held) work.depart(seq, recipients.length, wish.now);
  return true;
}

function put(db: Database, seq: number, n: number, state: StateCode, due: Instant | null): void {
  db.run("UPDATE recipient SET state = ?, due = ? WHERE message = ? AND n = ?", state, due, seq, n);
}

/** A whole entry goes to another customer's lane, unless one of its recipients is being delivered just now. */
function move(db: Database, row: EntryRow, wish: ActWish, work: Work): boolean {
  if (wish.action.type !== "move") return false;
  const leased = "SELECT 1 FROM recipient WHERE message = ? AND state = 1 AND due > ?";
  if (db.get(leased, row.seq, wish.now) !== undefined) return false;
  const lane = laneFor(db, { direction: "turn", customer: wish.action.customer });
  if (lane === row.lane) return false;
  if (wish.dry) return true;
  db.run("UPDATE message SET lane = ? WHERE seq = ?", lane, row.seq);
  db.run(`UPDATE recipient SET lane = ? WHERE message = ? AND ${HERE}`, lane, row.seq);
  work.add(row.lane, -1, -row.size);
  work.add(lane, 1, row.size);
  work.note(row.seq, null, "moved", markOf(wish));
  return true;
}

function markOf({ by, now }: ActWish): Mark {
  return { at: now, actor: by.name, reason: by.reason };
}

/** As if the next hop had refused it (RFC 3463: 5.0.0, other status). */
function bounceReply({ by }: ActWish): string {
  return `550 5.0.0 ${by.reason === "" ? "returned to its sender by the postmaster" : by.reason}`;
}

/** Only what is still here can be changed. */
function withoutGone({ filter }: ActWish): ActWish["filter"] {
  const { gone: _, ...rest } = filter;
  return rest;
}
