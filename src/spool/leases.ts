/** Leases: who may deliver what, until when, and what became of it. */
// The holder is the fence: a settlement counts only while nobody else has leased the recipient since.
//
// What is done for each message are statements on one table by its key. A join or an ORDER BY among them is planned anew by
// SQLite each time that its values change: 5 to 13 µs each, where the statement itself takes less than one.
import type { Notify } from "../mail/envelope.ts";
import type { Instant } from "../platform/clock.ts";
import type { Database, Value } from "../platform/sqlite.ts";
import { contentOf } from "./columns.ts";
import { owe } from "./notices.ts";
import type { SpoolEvent } from "./spool.ts";
import { code, type StateCode } from "./states.ts";
import type {
  Input,
  Leased,
  LeasedMessage,
  LeasedRecipient,
  LeaseWish,
  MailFacts,
  Settling,
} from "./store.ts";
import { HERE, laneOf, type Work } from "./work.ts";

/** With "small", the smallest of so many that are due longest: the whole of a long queue is not sorted for each batch. */
const WINDOW = 10_000;

export function lease(db: Database, wish: LeaseWish): Leased {
  const lane = laneOf(db, wish.lane);
  if (lane === undefined) return { messages: [], busy: false };
  const rows = wish.order === "small" ? smallest(db, lane, wish) : due(db, lane, wish, wish.messages * 2);
  const messages: LeasedMessage[] = [];
  let octets = 0;
  for (const seq of new Set(rows.map(({ message }) => message))) {
    if (messages.length >= wish.messages || octets >= wish.octets) break;
    const message = take(db, seq, wish);
    messages.push(message);
    if ("bytes" in message.content) octets += message.content.bytes.length;
  }
  return { messages, busy: messages.length === 0 && othersHold(db, lane, wish) };
}

/** More time for what this holder has leased. @returns how many recipients that is */
export function renew(db: Database, { lane, holder, until }: Input<"renew">): number {
  return db.run(
    `UPDATE recipient SET due = ? WHERE lane = ? AND holder = ? AND state = 1`,
    until,
    laneOf(db, lane) ?? 0,
    holder,
  ).changes;
}

/** Gives leases back as they were before. */
export function unlease(db: Database, { holder, messages }: Input<"unlease">): undefined {
  for (const { seq, recipients } of messages)
    for (const { n, due } of recipients) giveBack(db, seq, n, holder, due);
}

export function settle(db: Database, { seq, holder, now, actor, outcomes }: Settling, work: Work): undefined {
  let left = 0;
  for (const { n, result, reply, due, notice, done } of outcomes) {
    if (result === "unanswered" || result === "postponed") {
      giveBack(db, seq, n, holder, due);
      continue;
    }
    const { state, what } = settled[result];
    const to = heldBy(db, seq, n, holder);
    if (to === undefined) continue;
    tried(db, seq, n, state, due, reply);
    if (done !== undefined) remember(db, seq, n, done);
    const told = result !== "refused" || owe(db, seq, n, "refused", reply);
    work.note(seq, to, what, { at: now, actor, reason: told ? reply : `${reply} (nobody is told)` });
    if (notice !== undefined) owe(db, seq, n, notice, reply);
    if (state >= code.delivered) left++;
  }
  if (left > 0) work.depart(seq, left, now);
}

/** What each result makes of a recipient. */
const settled: {
  readonly [R in "delivered" | "deferred" | "refused" | "held"]: {
    state: StateCode;
    what: SpoolEvent["what"];
  };
} = {
  delivered: { state: code.delivered, what: "delivered" },
  refused: { state: code.refused, what: "refused" },
  deferred: { state: code.waiting, what: "deferred" },
  held: { state: code.held, what: "held" },
};

/** The address of a recipient that is still this holder's; undefined: it is fenced off. */
function heldBy(db: Database, seq: number, n: number, holder: string): string | undefined {
  return db.get<{ address: string }>(
    `SELECT address FROM recipient WHERE message = ? AND n = ? AND holder = ? AND ${HERE}`,
    seq,
    n,
    holder,
  )?.address;
}

/** A deferred recipient that an operator has held meanwhile stays held. */
function tried(db: Database, seq: number, n: number, state: StateCode, due: Instant, reply: string): void {
  const stays = state === code.waiting;
  db.run(
    `UPDATE recipient SET attempts = attempts + 1, reply = ?, holder = NULL, ${
      stays
        ? "due = CASE state WHEN 2 THEN NULL ELSE ? END, state = CASE state WHEN 2 THEN 2 ELSE ? END"
        : "due = ?, state = ?"
    } WHERE message = ? AND n = ?`,
    reply,
    stays ? due : null,
    state,
    seq,
    n,
  );
}

function remember(db: Database, seq: number, n: number, done: readonly string[]): void {
  db.run("UPDATE recipient SET done = ? WHERE message = ? AND n = ?", JSON.stringify(done), seq, n);
}

function giveBack(db: Database, seq: number, n: number, holder: string, due: Instant): void {
  db.run(
    `UPDATE recipient SET holder = NULL, due = CASE state WHEN 1 THEN ? ELSE due END,
       state = CASE state WHEN 1 THEN 0 ELSE state END
     WHERE message = ? AND n = ? AND holder = ? AND ${HERE}`,
    due,
    seq,
    n,
    holder,
  );
}

interface DueRow {
  readonly message: number;
  readonly due: Instant;
}

/** When the first of what fits is due, or was; a lease is due at its end. undefined: nothing waits. */
export function soonest(db: Database, { lane: of, domains, largest }: Input<"soonest">): Instant | undefined {
  const lane = laneOf(db, of);
  if (lane === undefined) return undefined;
  const fits = notOver(largest);
  const first = (index: string, where: string, ...values: readonly Value[]) =>
    db.get<{ due: Instant }>(
      `SELECT due FROM recipient INDEXED BY ${index}
       WHERE lane = ? AND ${where} due > 0 AND ${HERE} ${fits.sql} ORDER BY due LIMIT 1`,
      lane,
      ...values,
      ...fits.values,
    )?.due;
  const dues =
    domains === undefined
      ? [first("recipient_due", "")]
      : domains.map((domain) => first("recipient_domain", "domain = ? AND", domain));
  return dues.reduce((a, b) => (a === undefined ? b : b === undefined ? a : Math.min(a, b)), undefined);
}

/** More to ask of a recipient where only messages up to a size are wanted. */
function notOver(largest: number | undefined): { readonly sql: string; readonly values: readonly Value[] } {
  if (largest === undefined) return { sql: "", values: [] };
  return { sql: "AND (SELECT size FROM message WHERE seq = recipient.message) <= ?", values: [largest] };
}

/** What is due, longest first; a lease that has ended is due again. Each further domain needs only what is older. */
function due(db: Database, lane: number, wish: LeaseWish, limit: number): readonly DueRow[] {
  const fits = notOver(wish.largest);
  if (wish.domains === undefined)
    return db.all<DueRow>(
      `SELECT message, due FROM recipient INDEXED BY recipient_due
       WHERE lane = ? AND due <= ? AND ${HERE} ${fits.sql} ORDER BY due, message LIMIT ?`,
      lane,
      wish.now,
      ...fits.values,
      limit,
    );
  let rows: DueRow[] = [];
  for (const domain of new Set(wish.domains)) {
    const last = rows.length < limit ? wish.now : (rows.at(-1)?.due ?? wish.now);
    const more = db.all<DueRow>(
      `SELECT message, due FROM recipient INDEXED BY recipient_domain
       WHERE lane = ? AND domain = ? AND due <= ? AND ${HERE} ${fits.sql} ORDER BY due, message LIMIT ?`,
      lane,
      domain,
      last,
      ...fits.values,
      limit,
    );
    if (more.length > 0)
      rows = [...rows, ...more].sort((a, b) => a.due - b.due || a.message - b.message).slice(0, limit);
  }
  return rows;
}

function smallest(db: Database, lane: number, wish: LeaseWish): readonly Pick<DueRow, "message">[] {
  const oldest = due(db, lane, wish, WINDOW).map(({ message }) => message);
  return db.all(
    `SELECT seq AS message FROM message WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY size, seq LIMIT ?`,
    JSON.stringify(oldest),
    wish.messages,
  );
}

function othersHold(db: Database, lane: number, { domains, now }: LeaseWish): boolean {
  const held = db.all<{ domain: string }>(
    "SELECT DISTINCT domain FROM recipient WHERE lane = ? AND state = 1 AND due > ?",
    lane,
    now,
  );
  return held.some(({ domain }) => domains?.includes(domain) ?? true);
}

interface MessageRow {
  readonly seq: number;
  readonly id: string;
  readonly sender: string;
  readonly mime: MailFacts["body"];
  readonly smtputf8: number;
  readonly ret: MailFacts["ret"];
  readonly envid: string | null;
  readonly arrived: Instant;
  readonly expires: Instant;
  readonly size: number;
  readonly trace: string;
  readonly body: number;
}

interface BodyRow {
  readonly file: string | null;
  readonly bytes: Uint8Array | null;
}

interface RecipientRow extends Omit<LeasedRecipient, "notify" | "done"> {
  readonly domain: string;
  readonly notify: string;
  readonly done: string | null;
}

function take(db: Database, seq: number, wish: LeaseWish): LeasedMessage {
  const row = db.get<MessageRow>(
    `SELECT seq, id, sender, mime, smtputf8, ret, envid, arrived, expires, size, trace, body FROM message WHERE seq = ?`,
    seq,
  );
  const body = row && db.get<BodyRow>("SELECT file, bytes FROM body WHERE seq = ?", row.body);
  if (row === undefined || body === undefined) throw new Error(`entry ${seq} is here without a body row`);
  const recipients = db
    .all<RecipientRow>(
      `SELECT n, address, domain, notify, orcpt, attempts, due, done FROM recipient
       WHERE message = ? AND +due <= ? AND ${HERE}`, // "+": by the primary key, not by an index on due
      seq,
      wish.now,
    )
    .filter(({ domain }) => wish.domains?.includes(domain) ?? true)
    .sort((a, b) => a.n - b.n);
  for (const { n } of recipients)
    db.run(
      "UPDATE recipient SET state = 1, holder = ?, due = ? WHERE message = ? AND n = ?",
      wish.holder,
      wish.until,
      seq,
      n,
    );
  return {
    seq,
    id: row.id,
    mail: mailOf(row),
    arrived: row.arrived,
    expires: row.expires,
    size: row.size,
    trace: row.trace,
    content: contentOf(body),
    recipients: recipients.map(({ domain: _, notify, done, ...recipient }) => ({
      ...recipient,
      ...(done !== null && { done: JSON.parse(done) as readonly string[] }),
      notify: notify === "" ? [] : (notify.split(",") as Notify[]),
    })),
  };
}

function mailOf({ sender, mime, smtputf8, ret, envid }: MessageRow): MailFacts {
  return { from: sender, body: mime, smtputf8: smtputf8 === 1, ret, envid };
}
