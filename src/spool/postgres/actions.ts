/** What operators and time do with entries of a shared spool: hold, release, retry, remove, bounce, move; expiry, pruning. */
// Rows are locked before they are judged: what another node has done meanwhile is seen. Expiry skips what others have locked.

import type { Instant } from "../../platform/clock.ts";
import { cursorOf } from "../rows.ts";
import type { Action, MessageId, SpoolEvent } from "../spool.ts";
import { code, type StateCode } from "../states.ts";
import type { Acted, ActWish, Cursor, Input } from "../store.ts";
import { numbered, recipientsThat } from "./filter.ts";
import { type Due, owe } from "./notices.ts";
import { select } from "./pages.ts";
import { forgetTurns } from "./records.ts";
import { list, rows } from "./rows.ts";
import { HERE, type Transaction } from "./transaction.ts";
import { drop, type Mark, type Work } from "./work.ts";

interface EntryRow extends Cursor {
  readonly id: MessageId;
  readonly lane: number;
}

interface RecipientRow {
  readonly message: number;
  readonly n: number;
  readonly address: string;
  readonly due: Instant | null;
  readonly reply: string | null;
}

/** How an action changes each of some entries' recipients; the entries that it changes. */
type Change = (
  db: Transaction,
  found: readonly EntryRow[],
  wish: ActWish,
  work: Work,
) => Promise<ReadonlySet<number>>;

export async function act(db: Transaction, wish: ActWish, work: Work): Promise<Acted> {
  const { gone: _, ...filter } = wish.filter;
  const found = await select<EntryRow>(db, "m.seq, m.size, m.id, m.lane", { ...wish, filter });
  const change: Change = wish.action.type === "move" ? move : touch;
  // As many entries are looked at as may be changed, until so many were.
  const ids: MessageId[] = [];
  for (let from = 0; from < found.length; ) {
    const some = found.slice(from, from + wish.most - ids.length);
    from += some.length;
    const changed = await change(db, some, wish, work);
    for (const { seq, id } of some) if (changed.has(seq)) ids.push(id);
    const last = found[from - 1];
    if (ids.length === wish.most && last !== undefined)
      return { ids, next: { seq: last.seq, size: last.size } };
  }
  return { ids, next: cursorOf(found, wish.limit) };
}

/** Entries that have outlived their time; not what an operator holds, nor what is being delivered just now. */
export async function expire(
  db: Transaction,
  { now, limit }: Input<"expire">,
  work: Work,
): Promise<readonly MessageId[]> {
  const waiting = "(r.state = 0 OR (r.state = 1 AND r.due <= $1::bigint))";
  const found = await db.all<{ seq: number; id: MessageId }>(
    `SELECT m.seq, m.id FROM message m WHERE m.gone IS NULL AND m.expires <= $1::bigint
       AND EXISTS (SELECT 1 FROM recipient r WHERE r.message = m.seq AND ${waiting})
     ORDER BY m.expires LIMIT $2::bigint FOR UPDATE SKIP LOCKED`,
    now,
    limit,
  );
  if (found.length === 0) return [];
  const recipients = await db.all<RecipientRow>(
    `SELECT r.message, r.n, r.address, r.due, r.reply FROM recipient r
     WHERE r.message = ANY($2::text::bigint[]) AND ${waiting} ORDER BY r.message, r.n FOR UPDATE SKIP LOCKED`,
    now,
    list(found.map(({ seq }) => seq)),
  );
  await owe(
    db,
    recipients.map(({ message, n, reply }) => ({ message, n, kind: "expired", reply: reply ?? "" })),
  );
  await put(
    db,
    recipients.map(({ message, n }) => ({ message, n, state: code.expired, due: null, reply: null })),
  );
  const mark: Mark = { at: now, actor: "expiry", reason: "its time to be held is over" };
  for (const { message, address } of recipients) work.note(message, address, "expired", mark);
  await work.depart(
    db,
    recipients.map(({ message }) => ({ seq: message, left: 1, at: now })),
  );
  const left = new Set(recipients.map(({ message }) => message));
  return found.flatMap(({ seq, id }) => (left.has(seq) ? [id] : []));
}

/** Forgets the history of what left before `before`, and turns; and what the ledger noted before `ledger`. @returns rows */
export async function prune(db: Transaction, wish: Input<"prune">, work: Work): Promise<number> {
  const { before, ledger, limit } = wish;
  const found = await db.all<{ seq: number; lane: number }>(
    `SELECT seq, lane FROM message WHERE gone < $1::bigint ORDER BY gone LIMIT $2::bigint FOR UPDATE SKIP LOCKED`,
    before,
    limit,
  );
  const lanes = new Map(found.map(({ seq, lane }) => [seq, lane]));
  const seqs = list(lanes.keys());
  const within = "= ANY($1::text::bigint[])";
  const [recipients, owed] = await Promise.all([
    db.all<{ message: number }>(`DELETE FROM recipient WHERE message ${within} RETURNING message`, seqs),
    db.all<{ body: number | null }>(`DELETE FROM notice WHERE message ${within} RETURNING body`, seqs),
    db.all(`DELETE FROM event WHERE message ${within}`, seqs),
    db.all(`DELETE FROM message WHERE seq ${within}`, seqs),
  ]);
  for (const { message } of recipients) work.add(lanes.get(message) ?? 0, 0, 0, -1);
  await drop(
    db,
    owed.flatMap(({ body }) => body ?? []),
  );
  const forgotten = await db.all(
    `DELETE FROM ledger WHERE (spool, message, recipient) IN
       (SELECT spool, message, recipient FROM ledger WHERE at < $1::bigint LIMIT $2::bigint FOR UPDATE SKIP LOCKED)
     RETURNING at`,
    ledger,
    limit,
  );
  return found.length + forgotten.length + (await forgetTurns(db, wish));
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

const touch: Change = async (db, found, wish, work) => {
  if (wish.action.type === "move") return new Set();
  const { from, what, to } = acts[wish.action.type];
  const fits = recipientsThat(wish.filter, wish.now);
  const recipients = await db.all<RecipientRow>(
    numbered(`SELECT r.message, r.n, r.address, r.due, r.reply FROM recipient r
      WHERE r.message = ANY(?::text::bigint[]) AND r.state IN (${from.join(", ")}) AND ${fits.sql}
      ORDER BY r.message, r.n ${wish.dry ? "" : "FOR UPDATE"}`),
    list(found.map(({ seq }) => seq)),
    ...fits.values,
  );
  const changed = new Set(recipients.map(({ message }) => message));
  if (wish.dry || recipients.length === 0) return changed;
  const bounced = what === "refused" ? bounceReply(wish) : null;
  if (bounced !== null)
    await owe(
      db,
      recipients.map(({ message, n }): Due => ({ message, n, kind: "refused", reply: bounced })),
    );
  const due = (row: RecipientRow) => (to >= code.held ? null : Math.min(row.due ?? wish.now, wish.now));
  await put(
    db,
    recipients.map((row) => ({ message: row.message, n: row.n, state: to, due: due(row), reply: bounced })),
  );
  for (const { message, address } of recipients) work.note(message, address, what, markOf(wish));
  for (const { seq, lane } of found) if (changed.has(seq)) work.touch(lane);
  if (to > code.held)
    await work.depart(
      db,
      recipients.map(({ message }) => ({ seq: message, left: 1, at: wish.now })),
    );
  return changed;
};

interface Placed {
  readonly message: number;
  readonly n: number;
  readonly state: StateCode;
  readonly due: Instant | null;
  readonly reply: string | null;
}

/** Who leaves for good has no holder any more; whoever stays keeps his, whose settlement counts. */
export async function put(db: Transaction, placed: readonly Placed[]): Promise<void> {
  if (placed.length === 0) return;
  await db.all(
    `UPDATE recipient r SET state = x.state, due = x.due, reply = coalesce(x.reply, r.reply),
       holder = CASE WHEN x.state < ${code.delivered} THEN r.holder END
     FROM json_to_recordset($1::text::json) AS x(message bigint, n int, state int, due bigint, reply text)
     WHERE r.message = x.message AND r.n = x.n`,
    rows(placed),
  );
}

/** Whole entries go to another customer's lane, unless one of their recipients is being delivered just now. */
const move: Change = async (db, found, wish, work) => {
  if (wish.action.type !== "move") return new Set();
  const lane = db.laneOf({ direction: "turn", customer: wish.action.customer });
  const moving = found.filter((row) => row.lane !== lane);
  const recipients = await db.all<{ message: number; leased: boolean }>(
    `SELECT message, state = 1 AND due > $2::bigint AS leased FROM recipient
     WHERE message = ANY($1::text::bigint[]) AND ${HERE} ORDER BY message, n ${wish.dry ? "" : "FOR UPDATE"}`,
    list(moving.map(({ seq }) => seq)),
    wish.now,
  );
  const busy = new Set(recipients.flatMap(({ message, leased }) => (leased ? [message] : [])));
  const free = moving.filter(({ seq }) => !busy.has(seq));
  if (wish.dry || free.length === 0) return new Set(free.map(({ seq }) => seq));
  const moved = await db.all<{ seq: number }>(
    `UPDATE message m SET lane = $1::int FROM json_to_recordset($2::text::json) AS x(seq bigint, lane int)
     WHERE m.seq = x.seq AND m.lane = x.lane AND m.gone IS NULL RETURNING m.seq`,
    lane ?? 0,
    rows(free.map(({ seq, lane }) => ({ seq, lane }))),
  );
  await db.all(
    `UPDATE recipient SET lane = $1::int WHERE message = ANY($2::text::bigint[]) AND ${HERE}`,
    lane ?? 0,
    list(moved.map(({ seq }) => seq)),
  );
  const changed = new Set(moved.map(({ seq }) => seq));
  for (const row of free) {
    if (!changed.has(row.seq)) continue;
    work.add(row.lane, -1, -row.size);
    work.add(lane ?? 0, 1, row.size);
    work.note(row.seq, null, "moved", markOf(wish));
  }
  return changed;
};

function markOf({ by, now }: ActWish): Mark {
  return { at: now, actor: by.name, reason: by.reason };
}

/** As if the next hop had refused it (RFC 3463: 5.0.0, other status). */
function bounceReply({ by }: ActWish): string {
  return `550 5.0.0 ${by.reason === "" ? "returned to its sender by the postmaster" : by.reason}`;
}
