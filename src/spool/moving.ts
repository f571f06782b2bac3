/** Moving house in SQL: whole entries out of the tables, and into them, as they are. */
// Nothing is made up here: ids, times, attempts and events are the other spool's. Only row numbers are our own.

import type { Instant } from "../platform/clock.ts";
import type { Database } from "../platform/sqlite.ts";
import { contentOf } from "./columns.ts";
import type { Adopted, Books, KeptEntry, KeptNotice, KeptRecipient, LedgerRow } from "./movable.ts";
import { type KeptRecipientRow, keptRecipientOf } from "./rows.ts";
import { addHoldRule, holdRules } from "./rules.ts";
import type { Direction, MessageId, SpoolEvent } from "./spool.ts";
import { code } from "./states.ts";
import type { AdoptedMail, Input, KeptPage, KeptRow, StoredBody } from "./store.ts";
import { HERE, laneFor, type Work } from "./work.ts";

/** Bodies with their entries, by row numbers; then what has left, the same way. */
export function kept(db: Database, { part, after, limit }: Input<"kept">): KeptPage {
  const mail = part === "here" ? here(db, after, limit) : gone(db, after, limit);
  return { mail, next: mail.at(-1)?.seq };
}

/** Those of the ids that are of no entry. */
export function lacking(db: Database, { ids }: Input<"lacking">): readonly MessageId[] {
  const list = JSON.stringify(ids);
  return db
    .all<{ id: MessageId }>(
      "SELECT value AS id FROM json_each(?) WHERE value NOT IN (SELECT id FROM message WHERE id IN (SELECT value FROM json_each(?)))",
      list,
      list,
    )
    .map(({ id }) => id);
}

/** A body's octets, by its row. */
export function bodyOf(db: Database, { seq }: Input<"bodyOf">): StoredBody | undefined {
  const row = db.get<Parameters<typeof contentOf>[0]>("SELECT file, bytes FROM body WHERE seq = ?", seq);
  return row && contentOf(row);
}

export function adopt(db: Database, { mail, now }: Input<"adopt">, work: Work): Omit<Adopted, "damaged"> {
  const sum = { adopted: 0, had: 0, left: 0 };
  for (const { body, entries } of mail) {
    const rows = entries.map((entry) => ({ entry, seq: seqOf(db, entry.id) }));
    const fresh = rows.filter(({ seq }) => seq === undefined).map(({ entry }) => entry);
    const row = bodyFor(db, body, fresh, work);
    for (const entry of fresh) insert(db, entry, row, work);
    for (const { entry, seq } of rows)
      if (seq !== undefined) sum.left += catchUp(db, { seq, now }, entry, work);
    sum.adopted += fresh.length;
    sum.had += rows.length - fresh.length;
  }
  return sum;
}

export function ledger(db: Database, { after, limit }: Input<"ledger">): readonly LedgerRow[] {
  const from = after ?? { spool: "", message: "", recipient: "" };
  return db.all<LedgerRow>(
    `SELECT spool, message, recipient, sha256, at FROM ledger WHERE (spool, message, recipient) > (?, ?, ?)
     ORDER BY spool, message, recipient LIMIT ?`,
    from.spool,
    from.message,
    from.recipient,
    limit,
  );
}

export function keepBooks(db: Database, books: Books): undefined {
  for (const { spool, message, recipient, sha256, at } of books.ledger)
    db.run("INSERT OR IGNORE INTO ledger VALUES (?, ?, ?, ?, ?)", spool, message, recipient, sha256, at);
  const known = new Set(holdRules(db).map(({ id }) => id));
  for (const rule of books.rules) if (!known.has(rule.id)) addHoldRule(db, rule);
}

interface EntryRow {
  readonly seq: number;
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
  readonly smtputf8: number;
  readonly ret: "FULL" | "HDRS" | null;
  readonly envid: string | null;
  readonly trace: string;
}

const ENTRY = `SELECT m.seq, m.id, l.direction, l.customer, m.gone, m.size, m.arrived, m.expires, m.sender, m.subject,
  m.protocol, m.peer, m.auth, m.mime, m.smtputf8, m.ret, m.envid, m.trace FROM message m JOIN lane l ON l.id = m.lane`;

function here(db: Database, after: number, limit: number): readonly KeptRow[] {
  return db
    .all<{ seq: number; octets: number; sha256: Uint8Array }>(
      "SELECT seq, octets, sha256 FROM body WHERE seq > ? ORDER BY seq LIMIT ?",
      after,
      limit,
    )
    .map(({ seq, ...body }) => ({
      seq,
      body,
      entries: [
        ...db.all<EntryRow>(`${ENTRY} WHERE m.body = ? AND m.gone IS NULL ORDER BY m.seq`, seq),
        ...db.all<EntryRow>(
          `${ENTRY} WHERE m.seq IN (SELECT message FROM notice WHERE body = ?) AND +m.gone IS NOT NULL ORDER BY m.seq`,
          seq,
        ),
      ].map((row) => entryOf(db, row)),
    }));
}

function gone(db: Database, after: number, limit: number): readonly KeptRow[] {
  return db
    .all<EntryRow>(
      `${ENTRY} WHERE m.seq > ? AND +m.gone IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM notice x WHERE x.message = m.seq AND x.body IS NOT NULL) ORDER BY m.seq LIMIT ?`,
      after,
      limit,
    )
    .map((row) => ({ seq: row.seq, body: undefined, entries: [entryOf(db, row)] }));
}

function entryOf(db: Database, row: EntryRow): KeptEntry {
  const { id, size, arrived, expires, subject, trace } = row;
  return {
    ...{ id, size, arrived, expires, subject, trace },
    lane: { direction: row.direction, customer: row.customer },
    envelope: {
      from: row.sender,
      smtputf8: row.smtputf8 === 1,
      ...(row.mime !== null && { body: row.mime }),
      ...(row.ret !== null && { ret: row.ret }),
      ...(row.envid !== null && { envid: row.envid }),
    },
    source: { protocol: row.protocol, peer: row.peer, ...(row.auth !== null && { auth: row.auth }) },
    recipients: db
      .all<KeptRecipientRow>(
        "SELECT address, state, due, attempts, notify, orcpt, reply, done FROM recipient WHERE message = ? ORDER BY n",
        row.seq,
      )
      .map(keptRecipientOf),
    events: db
      .all<Omit<SpoolEvent, "id" | "recipient"> & { recipient: string | null }>(
        "SELECT at, recipient, what, actor, reason FROM event WHERE message = ? ORDER BY seq",
        row.seq,
      )
      .map(({ recipient, ...event }) => ({ ...event, ...(recipient !== null && { recipient }) })),
    notices: db
      .all<Omit<KeptNotice, "owed"> & { body: number | null }>(
        "SELECT n, kind, reply, body FROM notice WHERE message = ? ORDER BY seq",
        row.seq,
      )
      .map(({ body, ...notice }) => ({ ...notice, owed: body !== null })),
    ...(row.gone !== null && { gone: row.gone }),
  };
}

function seqOf(db: Database, id: MessageId): number | undefined {
  return db.get<{ seq: number }>("SELECT seq FROM message WHERE id = ?", id)?.seq;
}

/** Whether an entry still needs its body: it is here, or its sender is owed a notice. */
export function needsBody({ gone, notices }: KeptEntry): boolean {
  return gone === undefined || notices.some(({ owed }) => owed);
}

/** The row of the body for these new entries; 0: they need none, and a file that came with it is not kept. */
function bodyFor(db: Database, body: AdoptedMail["body"], fresh: readonly KeptEntry[], work: Work): number {
  if (body === undefined) return 0;
  const { octets, sha256, content } = body;
  const file = "file" in content ? content.file : null;
  if (!fresh.some(needsBody)) {
    if (file !== null) work.freed.push(file);
    return 0;
  }
  const uses = fresh.filter(({ gone }) => gone === undefined).length;
  const bytes = "bytes" in content ? content.bytes : null;
  return db.run(
    "INSERT INTO body (uses, octets, sha256, file, bytes) VALUES (?, ?, ?, ?, ?)",
    ...[uses, octets, sha256, file, bytes],
  ).row;
}

function insert(db: Database, entry: KeptEntry, body: number, work: Work): void {
  const { envelope, source, recipients } = entry;
  const lane = laneFor(db, entry.lane);
  const left = recipients.filter(({ state }) => code[state] >= code.delivered).length;
  const seq = db.run(
    `INSERT INTO message (id, lane, body, here, gone, size, arrived, expires, sender, subject, protocol, peer, auth,
       mime, smtputf8, ret, envid, trace) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ...[entry.id, lane, needsBody(entry) ? body : 0, recipients.length - left, entry.gone ?? null],
    ...[entry.size, entry.arrived, entry.expires, envelope.from, entry.subject, source.protocol, source.peer],
    ...[source.auth ?? null, envelope.body ?? null, Number(envelope.smtputf8), envelope.ret ?? null],
    ...[envelope.envid ?? null, entry.trace],
  ).row;
  recipients.forEach((recipient, n) => {
    insertRecipient(db, { seq, n, lane }, recipient);
  });
  for (const { at, recipient, what, actor, reason } of entry.events)
    db.run(
      "INSERT INTO event (at, message, recipient, what, actor, reason) VALUES (?, ?, ?, ?, ?, ?)",
      ...[at, seq, recipient ?? null, what, actor, reason],
    );
  for (const notice of entry.notices) keepNotice(db, { seq, body }, notice, work);
  const here = entry.gone === undefined;
  work.add(lane, here ? 1 : 0, here ? entry.size : 0, recipients.length);
}

function insertRecipient(
  db: Database,
  { seq, n, lane }: { readonly seq: number; readonly n: number; readonly lane: number },
  { address, state, due, attempts, notify, orcpt, reply, done }: KeptRecipient,
): void {
  db.run(
    `INSERT INTO recipient (message, n, lane, state, due, attempts, address, domain, notify, orcpt, reply, done)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ...[seq, n, lane, code[state], due ?? null, attempts, address, domainOf(address)],
    ...[notify.join(","), orcpt ?? null, reply ?? null, done === undefined ? null : JSON.stringify(done)],
  );
}

/** Recipients that are here still and have left there: they leave. Notices are owed and paid as there. @returns how many left */
function catchUp(
  db: Database,
  { seq, now }: { readonly seq: number; readonly now: Instant },
  { recipients, events, notices }: KeptEntry,
  work: Work,
): number {
  const body = db.get<{ seq: number }>(
    "SELECT b.seq FROM message m JOIN body b ON b.seq = m.body WHERE m.seq = ?",
    seq,
  )?.seq;
  for (const notice of notices) keepNotice(db, { seq, body }, notice, work);
  let left = 0;
  for (const { address, state, reply } of recipients) {
    if (code[state] < code.delivered) continue;
    const row = db.get<{ n: number }>(
      `SELECT n FROM recipient WHERE message = ? AND address = ? AND ${HERE}`,
      seq,
      address,
    );
    if (row === undefined) continue;
    work.leave(seq, row.n, code[state], reply ?? null);
    const last = events.findLast(({ recipient }) => recipient === address);
    if (last !== undefined) work.note(seq, address, last.what, last);
    left++;
  }
  if (left > 0) work.depart(seq, left, now);
  return left;
}

/** A debt holds a use of the body; paid there is paid here. */
function keepNotice(
  db: Database,
  { seq, body }: { readonly seq: number; readonly body: number | undefined },
  { n, kind, reply, owed }: KeptNotice,
  work: Work,
): void {
  const had = db.get<{ body: number | null }>(
    "SELECT body FROM notice WHERE message = ? AND n = ? AND kind = ?",
    ...[seq, n, kind],
  );
  if (had === undefined) {
    const holds = owed ? (body ?? null) : null;
    db.run(
      "INSERT INTO notice (message, n, kind, reply, body) VALUES (?, ?, ?, ?, ?)",
      ...[seq, n, kind, reply, holds],
    );
    if (holds !== null) db.run("UPDATE body SET uses = uses + 1 WHERE seq = ?", holds);
  } else if (!owed && had.body !== null) {
    db.run("UPDATE notice SET body = NULL WHERE message = ? AND n = ? AND kind = ?", ...[seq, n, kind]);
    work.drop(had.body);
  }
}

/** What is behind the "@"; all of what has none. */
function domainOf(address: string): string {
  return address.slice(address.lastIndexOf("@") + 1 || address.length);
}
