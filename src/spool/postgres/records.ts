import type { Bucket, Change, LaneSum, Totals, TurnRecord } from "../records.ts";
import { BACKLOG, bucketsOf, DEAD_AFTER, eventOf, type TurnRow, totalsOf, turnOf } from "../rows.ts";
import type { Direction, RecipientState, SpoolEvent } from "../spool.ts";
import { code } from "../states.ts";
import type { Audit, Changes, Input, Tally } from "../store.ts";
import { leastIdAt } from "../uuid.ts";
import { and, isId, numbered, sql } from "./filter.ts";
import { clean, rows } from "./rows.ts";
import { HERE, HORIZON, type Transaction, TX } from "./transaction.ts";
import type { Work } from "./work.ts";

/** Of several notes of one turn the last one counts. */
export async function noteTurns(
  db: Transaction,
  notes: readonly Input<"noteTurn">[],
  work: Work,
): Promise<void> {
  const last = new Map(notes.map((note) => [note.turn.id, note]));
  await db.all(
    `INSERT INTO turn SELECT id, side, customer, state, seen, ${TX}, started, ended, delivered, deferred, refused, octets,
       peer, why FROM json_to_recordset($1::text::json) AS x(id uuid, side text, customer text, state text, seen bigint,
       started bigint, ended bigint, delivered bigint, deferred bigint, refused bigint, octets bigint, peer text, why text)
     ON CONFLICT (id) DO UPDATE SET state = excluded.state, seen = excluded.seen, changed = excluded.changed,
       ended = excluded.ended, delivered = excluded.delivered, deferred = excluded.deferred,
       refused = excluded.refused, octets = excluded.octets, why = excluded.why`,
    rows(
      [...last.values()].map(({ turn, now }) => ({
        ...turn,
        seen: now,
        ...(turn.why !== undefined && { why: clean(turn.why) }),
      })),
    ),
  );
  for (const { turn } of last.values())
    if (turn.state !== "running") work.total(`${turn.side} ${turn.state}`, 1);
}

export async function turns(
  db: Transaction,
  { filter, now }: Input<"turns">,
): Promise<readonly TurnRecord[]> {
  const { customer, side, state, before, limit } = filter;
  const alive = now - DEAD_AFTER;
  const { sql: fits, values } = and([
    ...(customer === undefined ? [] : [sql("customer = ?", customer)]),
    ...(side === undefined ? [] : [sql("side = ?", side)]),
    ...(before === undefined ? [] : [isId(before) ? sql("id < ?::text::uuid", before) : sql("false")]),
    ...(state === "running" ? [sql("(state = 'running' AND seen > ?::bigint)", alive)] : []),
    ...(state === "done" ? [sql("state = 'done'")] : []),
    ...(state === "failed"
      ? [sql("(state = 'failed' OR (state = 'running' AND seen <= ?::bigint))", alive)]
      : []),
  ]);
  const found = await db.all<TurnRow>(
    numbered(`SELECT * FROM turn WHERE ${fits} ORDER BY id DESC LIMIT ?::bigint`),
    ...values,
    limit,
  );
  return found.map((row) => turnOf(row, now));
}

/** Forgets turns that began before, but for each customer's last. @returns how many */
export async function forgetTurns(db: Transaction, { before, limit }: Input<"prune">): Promise<number> {
  const forgotten = await db.all(
    `DELETE FROM turn WHERE id IN (SELECT id FROM turn t WHERE id < $1::text::uuid AND EXISTS
       (SELECT 1 FROM turn n WHERE n.side = t.side AND n.customer = t.customer AND n.id > t.id)
       ORDER BY id LIMIT $2::bigint FOR UPDATE SKIP LOCKED) RETURNING 1 AS x`,
    leastIdAt(before),
    limit,
  );
  return forgotten.length;
}

/** From one customer to the next by the index: of all the turns there were, only these are read. */
export async function lastTurns(
  db: Transaction,
  { now }: Input<"lastTurns">,
): Promise<readonly TurnRecord[]> {
  const found = await db.all<TurnRow>(
    `WITH RECURSIVE last AS ((SELECT * FROM turn ORDER BY side DESC, customer DESC, id DESC LIMIT 1) UNION ALL
       SELECT n.* FROM last l CROSS JOIN LATERAL (SELECT * FROM turn t WHERE (t.side, t.customer) < (l.side, l.customer)
         ORDER BY t.side DESC, t.customer DESC, t.id DESC LIMIT 1) n)
     SELECT * FROM last ORDER BY side, customer`,
  );
  return found.map((row) => turnOf(row, now));
}

/** Events and turns that are new since `after`; without it nothing, but where new ones will come. */
export async function changes(db: Transaction, { after, limit, now }: Input<"changes">): Promise<Changes> {
  const end = (await db.get<{ tx: number }>(`SELECT ${HORIZON} - 1 AS tx`))?.tx ?? 0;
  if (after === undefined) return { changes: [], next: { event: end, turn: end } };
  const behind = await behindBy(db, after.event, end);
  const from = behind > BACKLOG || after.event > end ? end : after.event;
  const [events, found] = await Promise.all([
    db.all<Omit<SpoolEvent, "recipient"> & { recipient: string | null; seq: number; tx: number }>(
      `SELECT e.tx, e.seq, e.at, m.id, e.recipient, e.what, e.actor, e.reason
       FROM event e JOIN message m ON m.seq = e.message WHERE e.tx > $1::bigint AND e.tx <= $2::bigint
       ORDER BY e.tx FETCH FIRST ($3::bigint) ROWS WITH TIES`,
      ...[from, end, limit],
    ),
    db.all<TurnRow>(
      `SELECT * FROM turn WHERE changed > $1::bigint AND changed <= $2::bigint
       ORDER BY changed FETCH FIRST ($3::bigint) ROWS WITH TIES`,
      ...[after.turn ?? end, end, limit],
    ),
  ]);
  const more = events.length >= limit;
  return {
    changes: [
      ...(behind > BACKLOG ? [{ type: "missed", events: behind } as const] : []),
      ...eventChanges(events),
      ...found.map((row) => ({ type: "turn", turn: turnOf(row, now) }) as const),
    ],
    next: {
      event: more ? (events.at(-1)?.tx ?? end) : end,
      turn: found.length >= limit ? (found.at(-1)?.changed ?? end) : end,
    },
  };
}

async function behindBy(db: Transaction, after: number, end: number): Promise<number> {
  const found = await db.get<{ n: number }>(
    `SELECT count(*) AS n FROM (SELECT 1 FROM event WHERE tx > $1::bigint AND tx <= $2::bigint LIMIT ${BACKLOG + 1}) x`,
    after,
    end,
  );
  return found?.n ?? 0;
}

/** Who has seen a transaction's last event has seen it whole; who stops before is told all of it again. */
function eventChanges(
  events: readonly (Parameters<typeof eventOf>[0] & { readonly tx: number })[],
): readonly Change[] {
  const sorted = [...events].sort((a, b) => a.tx - b.tx || a.seq - b.seq);
  return sorted.map(({ tx, ...row }, i) => ({
    type: "event",
    seq: sorted[i + 1]?.tx === tx ? tx - 1 : tx,
    event: eventOf(row),
  }));
}

interface LaneRow {
  readonly direction: Direction;
  readonly customer: string;
  readonly count: number;
  readonly octets: number;
  readonly oldest: number | null;
  readonly held: number;
  readonly leased: number;
}

const COUNTS = `(SELECT lane, sum(count)::bigint AS count, sum(octets)::bigint AS octets FROM lane_count GROUP BY lane)`;

/** Oldest by the order of acceptance; what is held has no `due`. */
export async function lanes(db: Transaction, { now }: Input<"lanes">): Promise<readonly LaneSum[]> {
  const found = await db.all<LaneRow>(
    `SELECT direction, customer, coalesce(c.count, 0) AS count, coalesce(c.octets, 0) AS octets,
       (SELECT arrived FROM message WHERE lane = l.id AND gone IS NULL ORDER BY seq LIMIT 1) AS oldest,
       (SELECT count(*) FROM recipient WHERE lane = l.id AND due IS NULL AND ${HERE}) AS held,
       (SELECT count(*) FROM recipient WHERE lane = l.id AND state = 1 AND due > $1::bigint) AS leased
     FROM lane l JOIN ${COUNTS} c ON c.lane = l.id ORDER BY direction COLLATE "C", customer COLLATE "C"`,
    now,
  );
  return found.map(({ oldest, ...row }) => ({ ...row, ...(oldest !== null && { oldest }) }));
}

export async function totals(db: Transaction): Promise<Totals> {
  const found = await db.all<{ what: string; n: number }>(
    "SELECT what, sum(n)::bigint AS n FROM total GROUP BY what ORDER BY what",
  );
  const of = new Map(found.map(({ what, n }) => [what, n]));
  return totalsOf(of);
}

export async function series(
  db: Transaction,
  { from, to, bucket }: Input<"series">,
): Promise<readonly Bucket[]> {
  const found = await db.all<{ n: number; what: SpoolEvent["what"]; count: number }>(
    `SELECT (at - $1::bigint) / $3::bigint AS n, what, count(*) AS count FROM event
     WHERE at >= $1::bigint AND at < $2::bigint GROUP BY 1, 2`,
    ...[from, to, bucket],
  );
  return bucketsOf(found, { from, to, bucket });
}

/** How many recipients were accepted, and how many are in each state. */
export async function tally(db: Transaction): Promise<Tally> {
  const [found, accepted] = await Promise.all([
    db.all<{ state: number; n: number }>("SELECT state, count(*) AS n FROM recipient GROUP BY state"),
    db.get<{ n: number }>("SELECT coalesce(sum(accepted), 0)::bigint AS n FROM lane_count"),
  ]);
  const states = Object.fromEntries(
    Object.entries(code).map(([name, state]) => [name, found.find((row) => row.state === state)?.n ?? 0]),
  ) as Record<RecipientState, number>;
  return { accepted: accepted?.n ?? 0, states };
}

/** What the counters say, against what is there. */
export async function audit(db: Transaction): Promise<Audit> {
  const [held, wrong, entries, bodies, bodiless] = await Promise.all([
    db.get<{ bodies: number; octets: number }>(
      "SELECT count(*) AS bodies, coalesce(sum(octets), 0)::bigint AS octets FROM body",
    ),
    db.all<{
      direction: Direction;
      customer: string;
      count: number;
      octets: number;
      n: number;
      size: number;
    }>(
      `SELECT l.direction, l.customer, coalesce(c.count, 0) AS count, coalesce(c.octets, 0) AS octets,
         coalesce(m.n, 0) AS n, coalesce(m.size, 0) AS size
       FROM lane l LEFT JOIN ${COUNTS} c ON c.lane = l.id
       LEFT JOIN (SELECT lane, count(*) AS n, sum(size)::bigint AS size FROM message WHERE gone IS NULL GROUP BY lane) m
         ON m.lane = l.id
       WHERE (coalesce(c.count, 0), coalesce(c.octets, 0)) <> (coalesce(m.n, 0), coalesce(m.size, 0))`,
    ),
    db.all<{ id: string }>(
      `SELECT id FROM message m WHERE (here = 0) <> (gone IS NOT NULL)
         OR here <> (SELECT count(*) FROM recipient r WHERE r.message = m.seq AND r.${HERE})`,
    ),
    db.all<{ id: string }>(
      `SELECT m.id FROM body b JOIN message m ON m.body = b.seq AND m.gone IS NULL
       WHERE b.uses <> (SELECT count(*) FROM message n WHERE n.body = b.seq AND n.gone IS NULL)
         + (SELECT count(*) FROM notice x WHERE x.body = b.seq)`,
    ),
    db.all<{ id: string }>(
      "SELECT id FROM message m WHERE gone IS NULL AND NOT EXISTS (SELECT 1 FROM body b WHERE b.seq = m.body)",
    ),
  ]);
  return {
    bodies: held?.bodies ?? 0,
    octets: held?.octets ?? 0,
    lanes: wrong.map(({ direction, customer, count, octets, n, size }) => ({
      ...{ direction, customer, counted: { count, octets }, found: { count: n, octets: size } },
    })),
    entries: [...entries, ...bodies].map(({ id }) => id),
    bodiless: bodiless.map(({ id }) => id),
  };
}
