/** Looking: pages of entries and events, counts, contents. Changes nothing. */
// A page goes on where the last one ended (by key, not by offset): the millionth entry costs what the first did.

import type { Instant } from "../platform/clock.ts";
import type { Database } from "../platform/sqlite.ts";
import { contentOf } from "./columns.ts";
import { and, entriesThat, lanesOf, onlyLanes, sortings } from "./filter.ts";
import { cursorOf, type EntryRow, type EventRow, entryOf, eventOf, type RecipientRow } from "./rows.ts";
import type { Entry, MessageId, SpoolEvent } from "./spool.ts";
import type {
  Content,
  HeldBody,
  HistoryPage,
  HistoryWish,
  Input,
  NamedFile,
  Page,
  PageWish,
} from "./store.ts";

export const ENTRY = `m.seq, m.size, m.id, (SELECT direction FROM lane WHERE id = m.lane) AS direction,
  (SELECT customer FROM lane WHERE id = m.lane) AS customer,
  m.sender, m.arrived, m.expires, m.subject, m.protocol, m.peer, m.auth`;

export function pageOf(db: Database, wish: PageWish): Page {
  const rows = select<EntryRow>(db, ENTRY, wish);
  return { entries: withRecipients(db, rows, wish.now), next: cursorOf(rows, wish.limit) };
}

/** The rows of one page: those that fit, in the filter's order, after the cursor. */
export function select<Row>(db: Database, columns: string, wish: PageWish): readonly Row[] {
  const fits = entriesThat(db, wish.filter, wish.now);
  if (fits === undefined) return [];
  const { order, after } = sortings[wish.filter.sort ?? "oldest"];
  const { sql, values } = and([fits, ...(wish.after === undefined ? [] : [after(wish.after)])]);
  return db.all<Row>(`SELECT ${columns} ${sql} ORDER BY ${order} LIMIT ?`, ...values, wish.limit);
}

export function count(db: Database, { filter, now }: Input<"count">): number {
  if (onlyLanes(filter)) return countLanes(db, lanesOf(db, filter));
  const fits = entriesThat(db, filter, now);
  if (fits === undefined) return 0;
  const found = db.get<{ n: number }>(`SELECT count(*) AS n ${fits.sql}`, ...fits.values)?.n ?? 0;
  return Math.min(found, filter.limit ?? found);
}

const EVENT = `SELECT e.seq, e.at, m.id, e.recipient, e.what, e.actor, e.reason
  FROM event e JOIN message m ON m.seq = e.message`;

/** By the order in which they were noted, which the table keeps. */
export function latest(db: Database, { limit }: Input<"latest">): readonly SpoolEvent[] {
  return db.all<EventRow>(`${EVENT} ORDER BY e.seq DESC LIMIT ?`, limit).map(eventOf);
}

export function history(db: Database, { ids, after, limit }: HistoryWish): HistoryPage {
  const chosen =
    ids === undefined
      ? ""
      : `AND e.message IN (SELECT seq FROM message WHERE id IN (SELECT value FROM json_each(?)))`;
  const rows = db.all<EventRow>(
    `${EVENT}
     WHERE (e.at, e.seq) > (?, ?) ${chosen} ORDER BY e.at, e.seq LIMIT ?`,
    after.at,
    after.seq,
    ...(ids === undefined ? [] : [JSON.stringify(ids)]),
    limit,
  );
  const last = rows.at(-1);
  return {
    events: rows.map(eventOf),
    next: rows.length < limit || last === undefined ? undefined : { at: last.at, seq: last.seq },
  };
}

/** The octets of the one entry of which the condition is true. */
export function contentWhere(db: Database, condition: string, value: string | number): Content | undefined {
  const row = db.get<{ trace: string; file: string | null; bytes: Uint8Array | null }>(
    `SELECT m.trace, b.file, b.bytes FROM message m JOIN body b ON b.seq = m.body WHERE ${condition} AND m.gone IS NULL`,
    value,
  );
  return row && { trace: row.trace, content: contentOf(row) };
}

export interface BodyRow {
  readonly seq: number;
  readonly octets: number;
  readonly sha256: Uint8Array;
  readonly file: string | null;
  readonly bytes: Uint8Array | null;
}

export function heldBody({ seq, octets, sha256, ...row }: BodyRow, ids: readonly MessageId[]): HeldBody {
  return { seq, octets, sha256, content: contentOf(row), ids };
}

export function files(db: Database): readonly NamedFile[] {
  return db
    .all<{ seq: number; file: string }>("SELECT seq, file FROM body WHERE file IS NOT NULL")
    .map(({ seq, file }) => ({ file, ids: idsOf(db, seq) }));
}

/** The entries still here that a body is for. */
export function idsOf(db: Database, body: number): readonly MessageId[] {
  return db
    .all<{ id: MessageId }>("SELECT id FROM message WHERE body = ? AND gone IS NULL ORDER BY seq", body)
    .map(({ id }) => id);
}

function countLanes(db: Database, lanes: readonly number[] | undefined): number {
  const chosen = lanes === undefined ? "" : "WHERE id IN (SELECT value FROM json_each(?))";
  const values = lanes === undefined ? [] : [JSON.stringify(lanes)];
  return db.get<{ n: number | null }>(`SELECT sum(count) AS n FROM lane ${chosen}`, ...values)?.n ?? 0;
}

export function withRecipients(db: Database, rows: readonly EntryRow[], now: Instant): readonly Entry[] {
  const recipients = Map.groupBy(
    db.all<RecipientRow>(
      `SELECT message, address, state, attempts, due, reply FROM recipient
       WHERE message IN (SELECT value FROM json_each(?)) ORDER BY message, n`,
      JSON.stringify(rows.map(({ seq }) => seq)),
    ),
    ({ message }) => message,
  );
  return rows.map((row) => entryOf(row, recipients.get(row.seq) ?? [], now));
}
