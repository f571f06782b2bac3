/** Looking into a shared spool: pages of entries and events, counts, contents. Changes nothing. */
// A page goes on where the last one ended (by key, not by offset): the millionth entry costs what the first did.

import { cursorOf, type EntryRow, type EventRow, entryOf, eventOf, type RecipientRow } from "../rows.ts";
import type { MessageId, SpoolEvent } from "../spool.ts";
import type {
  Content,
  HeldBodies,
  HistoryPage,
  HistoryWish,
  Input,
  NamedFile,
  Page,
  PageWish,
} from "../store.ts";
import { and, entriesThat, isId, lanesOf, numbered, onlyLanes, sortings } from "./filter.ts";
import { contentOf } from "./notices.ts";
import { list } from "./rows.ts";
import type { Transaction } from "./transaction.ts";

const ENTRY = `m.seq, m.size, m.id, (SELECT direction FROM lane WHERE id = m.lane) AS direction,
  (SELECT customer FROM lane WHERE id = m.lane) AS customer,
  m.sender, m.arrived, m.expires, m.subject, m.protocol, m.peer, m.auth`;

export async function page(db: Transaction, wish: PageWish): Promise<Page> {
  const found = await select<EntryRow>(db, ENTRY, wish);
  const recipients = Map.groupBy(
    found.length === 0
      ? []
      : await db.all<RecipientRow>(
          `SELECT message, address, state, attempts, due, reply FROM recipient
           WHERE message = ANY($1::text::bigint[]) ORDER BY message, n`,
          list(found.map(({ seq }) => seq)),
        ),
    ({ message }) => message,
  );
  return {
    entries: found.map((row) => entryOf(row, recipients.get(row.seq) ?? [], wish.now)),
    next: cursorOf(found, wish.limit),
  };
}

/** The rows of one page: those that fit, in the filter's order, after the cursor. */
export async function select<Row extends object>(
  db: Transaction,
  columns: string,
  wish: PageWish,
): Promise<readonly Row[]> {
  const fits = entriesThat(db.lanes(), wish.filter, wish.now);
  if (fits === undefined) return [];
  const { order, after } = sortings[wish.filter.sort ?? "oldest"];
  const { sql, values } = and([fits, ...(wish.after === undefined ? [] : [after(wish.after)])]);
  return await db.all<Row>(
    numbered(`SELECT ${columns} FROM message m WHERE ${sql} ORDER BY ${order} LIMIT ?::bigint`),
    ...values,
    wish.limit,
  );
}

export async function count(db: Transaction, { filter, now }: Input<"count">): Promise<number> {
  const lanes = lanesOf(db.lanes(), filter);
  if (onlyLanes(filter)) {
    const sum = await db.get<{ n: number }>(
      `SELECT coalesce(sum(count), 0)::bigint AS n FROM lane_count WHERE $1::text IS NULL OR lane = ANY($1::text::int[])`,
      lanes === undefined ? null : list(lanes),
    );
    return sum?.n ?? 0;
  }
  const fits = entriesThat(db.lanes(), filter, now);
  if (fits === undefined) return 0;
  const { sql, values } = fits;
  const found = await db.get<{ n: number }>(
    numbered(`SELECT count(*) AS n FROM message m WHERE ${sql}`),
    ...values,
  );
  return Math.min(found?.n ?? 0, filter.limit ?? Number.POSITIVE_INFINITY);
}

const EVENT = `SELECT e.seq, e.at, m.id, e.recipient, e.what, e.actor, e.reason
  FROM event e JOIN message m ON m.seq = e.message`;

export async function latest(db: Transaction, { limit }: Input<"latest">): Promise<readonly SpoolEvent[]> {
  const found = await db.all<EventRow>(`${EVENT} ORDER BY e.at DESC, e.seq DESC LIMIT $1::bigint`, limit);
  return found.map(eventOf);
}

export async function history(db: Transaction, { ids, after, limit }: HistoryWish): Promise<HistoryPage> {
  const chosen = `AND e.message IN (SELECT seq FROM message WHERE id = ANY($4::text::uuid[]))`;
  const found = await db.all<EventRow>(
    `${EVENT} WHERE (e.at, e.seq) > ($1::bigint, $2::bigint) ${ids === undefined ? "" : chosen}
     ORDER BY e.at, e.seq LIMIT $3::bigint`,
    ...[after.at, after.seq, limit],
    ...(ids === undefined ? [] : [list(ids.filter(isId))]),
  );
  const last = found.at(-1);
  return {
    events: found.map(eventOf),
    next: found.length < limit || last === undefined ? undefined : { at: last.at, seq: last.seq },
  };
}

/** The octets of an entry that is still here. */
export async function content(db: Transaction, { id }: Input<"content">): Promise<Content | undefined> {
  const row = await db.get<{ trace: string; name: string | null; bytes: Uint8Array | null }>(
    `SELECT m.trace, b.name, b.bytes FROM message m JOIN body b ON b.seq = m.body
     WHERE m.id = ANY($1::text::uuid[]) AND m.gone IS NULL`,
    list([id].filter(isId)),
  );
  return row && { trace: row.trace, content: contentOf(row) };
}

interface BodyRow {
  readonly seq: number;
  readonly octets: number;
  readonly sha256: Uint8Array;
  readonly name: string | null;
  readonly bytes: Uint8Array | null;
  readonly ids: string;
}

const IDS = `coalesce((SELECT string_agg(id::text, ' ' ORDER BY seq) FROM message m
  WHERE m.body = b.seq AND m.gone IS NULL), '') AS ids`;
const idsIn = (ids: string): readonly MessageId[] => (ids === "" ? [] : ids.split(" "));

/** Bodies from row `after` on, with what must be known to check them. */
export async function bodies(db: Transaction, { after, limit }: Input<"bodies">): Promise<HeldBodies> {
  const found = await db.all<BodyRow>(
    `SELECT b.seq, b.octets, b.sha256, b.name, b.bytes, ${IDS} FROM body b
     WHERE b.seq > $1::bigint ORDER BY b.seq LIMIT $2::bigint`,
    after,
    limit,
  );
  return {
    bodies: found.map(({ ids, name, bytes, ...row }) => ({
      ...row,
      ...{ content: contentOf({ name, bytes }), ids: idsIn(ids) },
    })),
    lost: [],
    next: found.at(-1)?.seq,
  };
}

/** The bodies that lie in pieces, by their names. */
export async function files(db: Transaction): Promise<readonly NamedFile[]> {
  const found = await db.all<{ name: string; ids: string }>(
    `SELECT b.name, ${IDS} FROM body b WHERE b.name IS NOT NULL ORDER BY b.seq`,
  );
  return found.map(({ name, ids }) => ({ file: name, ids: idsIn(ids) }));
}
