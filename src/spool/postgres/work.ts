/** One transaction's side of the books: counters, events, entries and bodies that leave; written together at its end. */
// Rows that several nodes change are changed in the order of their numbers, so that they rarely wait for each other in a ring.
import type { Instant } from "../../platform/clock.ts";
import { isObject } from "../objects/objects.ts";
import type { SpoolEvent } from "../spool.ts";
import type { LaneUsage } from "../store.ts";
import { list, rows } from "./rows.ts";
import { type Transaction, TX } from "./transaction.ts";

/** Who changes something, when and why. */
export interface Mark {
  readonly at: Instant;
  readonly actor: string;
  readonly reason: string;
}

/** Recipients of one entry that left. */
export interface Departure {
  readonly seq: number;
  readonly left: number;
  readonly at: Instant;
}

interface Delta {
  count: number;
  octets: number;
  accepted: number;
}

export class Work {
  readonly #lanes = new Map<number, Delta>();
  readonly #totals = new Map<string, number>();
  readonly #events: object[] = [];
  /** Somebody on another node may have waited for this. */
  news = false;

  /** Adds to a lane's counters: entries, octets, and recipients accepted. */
  add(lane: number, count: number, octets: number, accepted = 0): void {
    if (accepted > 0) this.total("octets", octets);
    if (count > 0) this.news = true;
    const delta = this.#lanes.get(lane);
    if (delta === undefined) this.#lanes.set(lane, { count, octets, accepted });
    else {
      delta.count += count;
      delta.octets += octets;
      delta.accepted += accepted;
    }
  }

  /** Something in a lane may be due now, though its counters stay: other nodes' waiting customers are told. */
  touch(lane: number): void {
    this.news = true;
    this.add(lane, 0, 0);
  }

  /** Adds to a counter that never goes back. */
  total(what: string, count: number): void {
    this.#totals.set(what, (this.#totals.get(what) ?? 0) + count);
  }

  note(message: number, recipient: string | null, what: SpoolEvent["what"], mark: Mark): void {
    this.total(what, 1);
    this.keep(message, recipient, what, mark);
  }

  /** An event of another spool: noted as it is, and not counted. */
  keep(
    message: number,
    recipient: string | null,
    what: SpoolEvent["what"],
    { at, actor, reason }: Mark,
  ): void {
    this.#events.push({ i: this.#events.length, at, message, recipient, what, actor, reason });
  }

  /** Takes recipients that left off their entries' counts; with an entry's last one it goes, and with its last use the body. */
  async depart(db: Transaction, departures: readonly Departure[]): Promise<void> {
    if (departures.length === 0) return;
    const left = await db.all<{ lane: number; body: number; size: number }>(
      `WITH x AS (SELECT * FROM json_to_recordset($1::text::json) AS x(seq bigint, "left" int, at bigint)),
         found AS (SELECT m.seq FROM message m JOIN x USING (seq) ORDER BY m.seq FOR UPDATE OF m),
         changed AS (UPDATE message m SET here = here - x."left", gone = CASE WHEN here <= x."left" THEN x.at END
           FROM x, found WHERE m.seq = x.seq AND found.seq = m.seq RETURNING m.here, m.lane, m.body, m.size)
       SELECT lane, body, size FROM changed WHERE here <= 0`,
      rows(merged(departures)),
    );
    for (const { lane, size } of left) this.add(lane, -1, -size);
    await drop(
      db,
      left.map(({ body }) => body),
    );
  }

  /** Writes all of it. @returns how the lanes stand now, as far as this transaction sees */
  async post(db: Transaction): Promise<readonly LaneUsage[]> {
    const lanes = [...this.#lanes]
      .map(([lane, delta]) => ({ lane, ...delta }))
      .sort((a, b) => a.lane - b.lane);
    const totals = [...this.#totals]
      .map(([what, n]) => ({ what, n }))
      .sort((a, b) => (a.what < b.what ? -1 : 1));
    const [usage] = await Promise.all([
      lanes.length === 0 ? [] : count(db, lanes),
      this.#events.length === 0 ? undefined : db.all(insertEvents, rows(this.#events)),
      totals.length === 0 ? undefined : db.all(addTotals, rows(totals), db.slot),
    ]);
    return usage;
  }
}

const insertEvents = `INSERT INTO event (tx, at, message, recipient, what, actor, reason)
  SELECT ${TX}, at, message, recipient, what, actor, reason FROM json_to_recordset($1::text::json)
    AS x(i int, at bigint, message bigint, recipient text, what text, actor text, reason text) ORDER BY i`;

const addTotals = `INSERT INTO total (what, slot, n)
  SELECT what, $2::int, n FROM json_to_recordset($1::text::json) AS x(what text, n bigint)
  ON CONFLICT (what, slot) DO UPDATE SET n = total.n + excluded.n`;

const addCounts = `INSERT INTO lane_count (lane, slot, count, octets, accepted, changed)
  SELECT lane, $2::int, count, octets, accepted, ${TX}
  FROM json_to_recordset($1::text::json) AS x(lane int, count bigint, octets bigint, accepted bigint)
  ON CONFLICT (lane, slot) DO UPDATE SET count = lane_count.count + excluded.count,
    octets = lane_count.octets + excluded.octets, accepted = lane_count.accepted + excluded.accepted,
    changed = excluded.changed`;

/** Sums over all slots, of some lanes. */
export const usageOf = `SELECT l.direction, l.customer, sum(c.count)::bigint AS count, sum(c.octets)::bigint AS octets
  FROM lane_count c JOIN lane l ON l.id = c.lane WHERE c.lane = ANY($1::text::int[]) GROUP BY l.id`;

async function count(db: Transaction, lanes: readonly { readonly lane: number }[]) {
  const [, usage] = await Promise.all([
    db.all(addCounts, rows(lanes), db.slot),
    db.all<LaneUsage>(usageOf, list(lanes.map(({ lane }) => lane))),
  ]);
  return usage;
}

/** One use less of each of these bodies; with the last one it goes, and its pieces. Most have one: that takes one statement. */
export async function drop(db: Transaction, bodies: readonly number[]): Promise<void> {
  if (bodies.length === 0) return;
  const uses = Map.groupBy(bodies, (seq) => seq);
  const wanted = rows(
    [...uses].map(([seq, { length }]) => ({ seq, uses: length })).sort((a, b) => a.seq - b.seq),
  );
  const fits = "json_to_recordset($1::text::json) AS x(seq bigint, uses int)";
  const gone = [
    ...(await db.all<{ seq: number; name: string | null }>(
      `DELETE FROM body b USING ${fits} WHERE b.seq = x.seq AND b.uses <= x.uses RETURNING b.seq, b.name`,
      wanted,
    )),
  ];
  if (gone.length < uses.size) {
    const known = new Set(gone.map(({ seq }) => seq));
    const rest = [...uses].flatMap(([seq, { length }]) => (known.has(seq) ? [] : [{ seq, uses: length }]));
    const used = await db.all<{ seq: number; uses: number }>(
      `UPDATE body b SET uses = b.uses - x.uses FROM ${fits} WHERE b.seq = x.seq RETURNING b.seq, b.uses`,
      rows(rest),
    );
    // Another node has taken the other use between the two statements.
    const last = used.filter((row) => row.uses <= 0).map(({ seq }) => seq);
    if (last.length > 0)
      gone.push(
        ...(await db.all<{ seq: number; name: string | null }>(
          "DELETE FROM body WHERE seq = ANY($1::text::bigint[]) AND uses <= 0 RETURNING seq, name",
          list(last),
        )),
      );
  }
  await forget(
    db,
    gone.flatMap(({ name }) => (name === null ? [] : [name])),
  );
}

/** What lies under these names goes: pieces with this transaction, objects after it. */
export async function forget(db: Transaction, names: readonly string[]): Promise<void> {
  for (const name of names.filter(isObject)) db.free(name);
  const inPieces = names.filter((name) => !isObject(name));
  if (inPieces.length > 0)
    await db.all("DELETE FROM piece WHERE name = ANY($1::text::text[])", list(inPieces));
}

/** One row an entry: a statement changes a row once. */
function merged(departures: readonly Departure[]): readonly Departure[] {
  const by = Map.groupBy(departures, ({ seq }) => seq);
  return [...by]
    .map(([seq, all]) => ({
      seq,
      left: all.reduce((sum, { left }) => sum + left, 0),
      at: Math.max(...all.map(({ at }) => at)),
    }))
    .sort((a, b) => a.seq - b.seq);
}
