/** Reading around damage: what the database still gives when some of its pages cannot be read. */
// Rows are found by key. Where a range of them cannot be read its halves are tried: only what lies on a bad page is lost.

import { type Database, SqliteError } from "../platform/sqlite.ts";
import { and, entryFits } from "./filter.ts";
import { type BodyRow, contentWhere, ENTRY, heldBody, idsOf, pageOf, withRecipients } from "./pages.ts";
import type { EntryRow } from "./rows.ts";
import type { Entry, MessageId } from "./spool.ts";
import type { Content, HeldBodies, Input, Page, PageWish, Unreadable } from "./store.ts";

/** Row numbers, both ends included. */
interface Range {
  readonly first: number;
  readonly last: number;
}

interface Found<Row> {
  readonly rows: readonly Row[];
  /** What could not be read. */
  readonly gaps: readonly Range[];
}

/** Pages are as long as others, and so are the ranges that are tried at once. */
const STRIDE = 500;

/** A page of entries; where the usual way meets damage, those that can be read, by their row numbers. */
export function page(db: Database, wish: PageWish): Page {
  return orElse(
    () => pageOf(db, wish),
    () => salvagedPage(db, wish),
  );
}

/** An entry's octets; where the index of ids is damaged, every row is looked at. */
export function content(db: Database, { id }: Input<"content">): Content | undefined {
  return orElse(
    () => contentWhere(db, "m.id = ?", id),
    () => {
      const range = { first: 1, last: lastOf(db, "message") };
      const [row] = around(range, ({ first, last }) =>
        db.all<{ seq: number }>(
          "SELECT seq FROM message NOT INDEXED WHERE seq BETWEEN ? AND ? AND id = ?",
          first,
          last,
          id,
        ),
      ).rows;
      return row && contentWhere(db, "m.seq = ?", row.seq);
    },
  );
}

/** Bodies from row `after` on, with what must be known to check them. */
export function bodies(db: Database, { after, limit }: Input<"bodies">): HeldBodies {
  const read = ({ first, last }: Range) =>
    db.all<BodyRow>(
      "SELECT seq, octets, sha256, file, bytes FROM body WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?",
      first,
      last,
      limit,
    );
  return orElse(
    () => {
      const rows = read({ first: after + 1, last: Number.MAX_SAFE_INTEGER });
      return {
        bodies: rows.map((row) => heldBody(row, idsOf(db, row.seq))),
        lost: [],
        next: rows.at(-1)?.seq,
      };
    },
    () => {
      const range = next(after, limit, lastOf(db, "body"));
      const { rows, gaps } = around(range, read);
      const lost = gaps.flatMap((gap) =>
        orElse(
          () => idsOfBodies(db, gap),
          () => [],
        ),
      );
      return {
        bodies: rows.map((row) =>
          heldBody(
            row,
            orElse(
              () => idsOf(db, row.seq),
              () => [],
            ),
          ),
        ),
        lost,
        next: ended(range) ? undefined : range.last,
      };
    },
  );
}

/** Entries from row `after` on of which something cannot be read. */
export function unreadable(db: Database, { after, limit }: Input<"unreadable">): Unreadable {
  const range = next(after, limit, lastOf(db, "message"));
  if (ended(range)) return { rows: 0, ids: [], next: undefined };
  const { gaps } = around(range, ({ first, last }) =>
    db.all(
      `SELECT sum(length(m.trace)), sum((SELECT sum(length(r.address)) FROM recipient r WHERE r.message = m.seq))
       FROM message m NOT INDEXED WHERE m.seq BETWEEN ? AND ?`,
      first,
      last,
    ),
  );
  return {
    rows: gaps.reduce((sum, gap) => sum + hereIn(db, gap), 0),
    ids: gaps.flatMap((gap) =>
      orElse(
        () => idsIn(db, gap),
        () => [],
      ),
    ),
    next: range.last,
  };
}

function salvagedPage(db: Database, wish: PageWish): Page {
  const fits = entryFits(db, wish.filter, wish.now);
  const end = lastOf(db, "message");
  const down = wish.filter.sort === "newest";
  const range = down ? before(wish.after?.seq ?? end + 1) : next(wish.after?.seq ?? 0, STRIDE, end);
  if (fits === undefined || ended(range)) return { entries: [], next: undefined };
  const { sql, values } = and([{ sql: "m.seq BETWEEN ? AND ?", values: [] }, fits]);
  const { rows, gaps } = around(range, ({ first, last }) =>
    db.all<EntryRow>(
      `SELECT ${ENTRY} FROM message m NOT INDEXED WHERE ${sql} ORDER BY m.seq`,
      first,
      last,
      ...values,
    ),
  );
  const taken = (down ? rows.toReversed() : rows).slice(0, wish.limit);
  const last = taken.length < rows.length ? taken.at(-1)?.seq : undefined;
  const stop = last ?? (down ? range.first : range.last);
  return {
    entries: taken.map((row) => entryOf(db, row, wish.now)),
    next: { seq: stop, size: 0 },
    lost: last === undefined ? gaps.reduce((sum, gap) => sum + hereIn(db, gap), 0) : 0,
  };
}

/** An entry whose recipients cannot be read is worth having for its content. */
function entryOf(db: Database, row: EntryRow, now: number): Entry {
  const [entry] = orElse(
    () => withRecipients(db, [row], now),
    () => [],
  );
  const { direction, customer, id, sender, size, arrived, expires, subject, protocol, peer } = row;
  return (
    entry ?? {
      ...{ id, direction, customer, state: "held", sender, recipients: [] },
      ...{ size, arrived, expires, subject, source: { protocol, peer } },
    }
  );
}

function around<Row>(range: Range, read: (range: Range) => readonly Row[]): Found<Row> {
  if (ended(range)) return { rows: [], gaps: [] };
  return orElse<Found<Row>>(
    () => ({ rows: read(range), gaps: [] }),
    () => {
      const { first, last } = range;
      if (first === last) return { rows: [], gaps: [range] };
      const middle = Math.floor((first + last) / 2);
      const halves = [around({ first, last: middle }, read), around({ first: middle + 1, last }, read)];
      return { rows: halves.flatMap(({ rows }) => rows), gaps: halves.flatMap(({ gaps }) => gaps) };
    },
  );
}

const next = (after: number, count: number, end: number): Range => ({
  first: after + 1,
  last: Math.min(after + count, end),
});
const before = (seq: number): Range => ({ first: Math.max(1, seq - STRIDE), last: seq - 1 });
const ended = ({ first, last }: Range): boolean => last < first;

/** The highest row number that any table or index still tells of. */
function lastOf(db: Database, table: "message" | "body"): number {
  const tellers = {
    message: [
      "max(seq) AS n FROM message",
      "max(message) AS n FROM recipient",
      "max(message) AS n FROM event",
    ],
    body: ["max(seq) AS n FROM body", "max(body) AS n FROM message WHERE gone IS NULL"],
  };
  return Math.max(
    0,
    ...tellers[table].map((sql) =>
      orElse(
        () => db.get<{ n: number | null }>(`SELECT ${sql}`)?.n ?? 0,
        () => 0,
      ),
    ),
  );
}

/** How many entries of these rows were still here. Without an index that says so, each row may have been one. */
function hereIn(db: Database, { first, last }: Range): number {
  return orElse(
    () =>
      db.get<{ n: number }>(
        "SELECT count(*) AS n FROM message INDEXED BY message_here WHERE gone IS NULL AND seq BETWEEN ? AND ?",
        first,
        last,
      )?.n ?? 0,
    () => last - first + 1,
  );
}

/** The ids of rows, from the index of ids alone. */
function idsIn(db: Database, { first, last }: Range): readonly MessageId[] {
  return db
    .all<{ id: MessageId }>(
      `SELECT id FROM message INDEXED BY sqlite_autoindex_message_1 WHERE id > '' AND seq BETWEEN ? AND ?`,
      first,
      last,
    )
    .map(({ id }) => id);
}

function idsOfBodies(db: Database, { first, last }: Range): readonly MessageId[] {
  return db
    .all<{ id: MessageId }>(
      "SELECT id FROM message WHERE body BETWEEN ? AND ? AND gone IS NULL ORDER BY seq",
      first,
      last,
    )
    .map(({ id }) => id);
}

/** The second answer where the first meets a page, or a sector, that cannot be read. */
function orElse<T>(read: () => T, instead: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof SqliteError && (error.fault === "corrupt" || error.fault === "io")) return instead();
    throw error;
  }
}
