/** Moving house in a shared spool: whole entries out of the tables, and into them, as they are. */
// Nothing is made up here: ids, times, attempts and events are the other spool's. Only row numbers are our own.

import type { Instant } from "../../platform/clock.ts";
import type { KeptEntry, KeptNotice } from "../movable.ts";
import { type KeptRecipientRow, keptRecipientOf } from "../rows.ts";
import type { Direction, MessageId, SpoolEvent } from "../spool.ts";
import type { Input, KeptPage, StoredBody } from "../store.ts";
import { contentOf } from "./notices.ts";
import { list } from "./rows.ts";
import type { Transaction } from "./transaction.ts";

/** Bodies with their entries, by row numbers; then what has left, the same way. */
export async function kept(db: Transaction, { part, after, limit }: Input<"kept">): Promise<KeptPage> {
  const mail = part === "here" ? await here(db, after, limit) : await gone(db, after, limit);
  return { mail, next: mail.at(-1)?.seq };
}

/** Those of the ids that are of no entry. */
export async function lacking(db: Transaction, { ids }: Input<"lacking">): Promise<readonly MessageId[]> {
  const found = await db.all<{ id: MessageId }>(
    "SELECT id FROM unnest($1::text::uuid[]) id WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.id = id.id)",
    list(ids),
  );
  return found.map(({ id }) => id);
}

/** A body's octets, by its row. */
export async function bodyOf(db: Transaction, { seq }: Input<"bodyOf">): Promise<StoredBody | undefined> {
  const row = await db.get<Parameters<typeof contentOf>[0]>(
    "SELECT name, bytes FROM body WHERE seq = $1::bigint",
    seq,
  );
  return row && contentOf(row);
}

interface EntryRow {
  readonly seq: number;
  readonly body: number;
  readonly id: MessageId;
  readonly direction: Direction;
  readonly customer: string;
  readonly gone: Instant | null;
  readonly size: number;
  readonly arrived: Instant;
  readonly expires: Instant;
  readonly sender: string;
  readonly subject: string;
  readonly protocol: string;
  readonly peer: string;
  readonly auth: string | null;
  readonly mime: "7BIT" | "8BITMIME" | null;
  readonly smtputf8: boolean;
  readonly ret: "FULL" | "HDRS" | null;
  readonly envid: string | null;
  readonly trace: string;
}

const ENTRY = `SELECT m.seq, m.body, m.id, l.direction, l.customer, m.gone, m.size, m.arrived, m.expires, m.sender,
  m.subject, m.protocol, m.peer, m.auth, m.mime, m.smtputf8, m.ret, m.envid, m.trace
  FROM message m JOIN lane l ON l.id = m.lane`;

const OWED = "EXISTS (SELECT 1 FROM notice x WHERE x.message = m.seq AND x.body IS NOT NULL)";

async function here(db: Transaction, after: number, limit: number): Promise<KeptPage["mail"]> {
  const found = await db.all<{ seq: number; octets: number; sha256: Uint8Array }>(
    "SELECT seq, octets, sha256 FROM body WHERE seq > $1::bigint ORDER BY seq LIMIT $2::bigint",
    after,
    limit,
  );
  if (found.length === 0) return [];
  const bodies = list(found.map(({ seq }) => seq));
  const entries = await db.all<EntryRow>(
    `${ENTRY} WHERE (m.body = ANY($1::text::bigint[]) AND m.gone IS NULL)
       OR (m.gone IS NOT NULL AND m.seq IN (SELECT message FROM notice WHERE body = ANY($1::text::bigint[])))
     ORDER BY m.gone IS NOT NULL, m.seq`,
    bodies,
  );
  const whole = Map.groupBy(await wholeOf(db, entries), ({ body }) => body);
  return found.map(({ seq, ...body }) => ({
    ...{ seq, body, entries: (whole.get(seq) ?? []).map(({ entry }) => entry) },
  }));
}

async function gone(db: Transaction, after: number, limit: number): Promise<KeptPage["mail"]> {
  const entries = await db.all<EntryRow>(
    `${ENTRY} WHERE m.seq > $1::bigint AND m.gone IS NOT NULL AND NOT ${OWED} ORDER BY m.seq LIMIT $2::bigint`,
    after,
    limit,
  );
  return (await wholeOf(db, entries)).map(({ seq, entry }) => ({ seq, body: undefined, entries: [entry] }));
}

async function wholeOf(db: Transaction, entries: readonly EntryRow[]) {
  if (entries.length === 0) return [];
  const seqs = list(entries.map(({ seq }) => seq));
  const [recipients, events, notices] = await Promise.all([
    db.all<KeptRecipientRow & { readonly message: number }>(
      `SELECT message, address, state, due, attempts, notify, orcpt, reply, done FROM recipient
       WHERE message = ANY($1::text::bigint[]) ORDER BY message, n`,
      seqs,
    ),
    db.all<Omit<SpoolEvent, "id" | "recipient"> & { recipient: string | null; message: number }>(
      `SELECT message, at, recipient, what, actor, reason FROM event
       WHERE message = ANY($1::text::bigint[]) ORDER BY seq`,
      seqs,
    ),
    db.all<Omit<KeptNotice, "owed"> & { body: number | null; message: number }>(
      "SELECT message, n, kind, reply, body FROM notice WHERE message = ANY($1::text::bigint[]) ORDER BY seq",
      seqs,
    ),
  ]);
  const of = <Row extends { readonly message: number }>(all: readonly Row[]) =>
    Map.groupBy(all, ({ message }) => message);
  const [told, happened, due] = [of(recipients), of(events), of(notices)];
  return entries.map((row) => ({
    seq: row.seq,
    body: row.body,
    entry: entryOf(row, {
      recipients: (told.get(row.seq) ?? []).map(keptRecipientOf),
      events: (happened.get(row.seq) ?? []).map(({ message: _, recipient, ...event }) => ({
        ...event,
        ...(recipient !== null && { recipient }),
      })),
      notices: (due.get(row.seq) ?? []).map(({ message: _, body, ...notice }) => ({
        ...notice,
        owed: body !== null,
      })),
    }),
  }));
}

function entryOf(row: EntryRow, with_: Pick<KeptEntry, "recipients" | "events" | "notices">): KeptEntry {
  const { id, size, arrived, expires, subject, trace } = row;
  return {
    ...{ id, size, arrived, expires, subject, trace },
    lane: { direction: row.direction, customer: row.customer },
    envelope: {
      from: row.sender,
      smtputf8: row.smtputf8,
      ...(row.mime !== null && { body: row.mime }),
      ...(row.ret !== null && { ret: row.ret }),
      ...(row.envid !== null && { envid: row.envid }),
    },
    source: { protocol: row.protocol, peer: row.peer, ...(row.auth !== null && { auth: row.auth }) },
    ...with_,
    ...(row.gone !== null && { gone: row.gone }),
  };
}
