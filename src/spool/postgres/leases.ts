/** Leases in a shared spool: nodes that ask at once are given different mail, and none waits for another. */
// The holder is the fence: a settlement counts only while nobody else has leased the recipient since. Rows that another
// node is leasing just now are skipped, and that lane is busy.
import type { Notify } from "../../mail/envelope.ts";
import type { Instant } from "../../platform/clock.ts";
import type { Input, Leased, LeasedMessage, LeasedRecipient, LeaseWish, MailFacts } from "../store.ts";
import { contentOf } from "./notices.ts";
import { list, rows, type Value } from "./rows.ts";
import { HERE, type Transaction } from "./transaction.ts";
import type { Work } from "./work.ts";

/** With "small", the smallest of so many that are due longest: the whole of a long queue is not sorted for each batch. */
const WINDOW = 10_000;

export async function lease(db: Transaction, wish: LeaseWish): Promise<Leased> {
  const lane = db.laneOf(wish.lane);
  if (lane === undefined) return { messages: [], busy: false };
  const { sql, values } = chosen(lane, wish);
  const candidates = await db.all<{ message: number; octets: number }>(sql, ...values);
  const seqs = bounded(candidates, wish);
  if (seqs.length === 0) return { messages: [], busy: await othersHold(db, lane, wish) };
  const [recipients, messages] = await Promise.all([take(db, seqs, wish), read(db, seqs)]);
  const of = Map.groupBy(recipients, ({ message }) => message);
  const leased = seqs.flatMap((seq) => leasedOf(messages.get(seq), of.get(seq) ?? []));
  return { messages: leased, busy: leased.length === 0 };
}

/** More time for what this holder has leased. @returns how many recipients that is */
export async function renew(db: Transaction, { lane, holder, until }: Input<"renew">): Promise<number> {
  const renewed = await db.all(
    "UPDATE recipient SET due = $1::bigint WHERE lane = $2::int AND holder = $3 AND state = 1 RETURNING n",
    ...[until, db.laneOf(lane) ?? 0, db.holder(holder)],
  );
  return renewed.length;
}

/** Gives leases back as they were before. */
export async function unlease(
  db: Transaction,
  inputs: readonly Input<"unlease">[],
  work: Work,
): Promise<void> {
  const given = inputs.flatMap(({ holder, messages }) =>
    messages.flatMap(({ seq, recipients }) =>
      recipients.map(({ n, due }) => ({ message: seq, n, holder: db.holder(holder), due })),
    ),
  );
  await giveBack(db, given, work);
}

export interface Given {
  readonly message: number;
  readonly n: number;
  readonly holder: string;
  readonly due: Instant;
}

/** What nobody else has leased since is as it was before, and others may have it. */
export async function giveBack(db: Transaction, given: readonly Given[], work: Work): Promise<void> {
  if (given.length === 0) return;
  const back = await db.all<{ lane: number }>(
    `UPDATE recipient r SET holder = NULL, due = CASE r.state WHEN 1 THEN x.due ELSE r.due END,
       state = CASE r.state WHEN 1 THEN 0 ELSE r.state END
     FROM json_to_recordset($1::text::json) AS x(message bigint, n int, holder text, due bigint)
     WHERE r.message = x.message AND r.n = x.n AND r.holder = x.holder AND r.${HERE} RETURNING r.lane`,
    rows(given),
  );
  for (const { lane } of back) work.touch(lane);
}

/** When the first of what fits is due, or was; a lease is due at its end. undefined: nothing waits. */
export async function soonest(
  db: Transaction,
  { lane: of, domains, largest }: Input<"soonest">,
): Promise<Instant | undefined> {
  const lane = db.laneOf(of);
  if (lane === undefined) return undefined;
  const first = (where: string) => `SELECT due FROM recipient r WHERE r.lane = $1::int AND ${where} r.due > 0
    AND r.${HERE} ${notOver("$3")} ORDER BY due LIMIT 1`;
  const sql =
    domains === undefined
      ? `SELECT due FROM (${first("$2::text IS NOT NULL AND")}) x`
      : `SELECT min(x.due) AS due FROM unnest($2::text::text[]) d
           CROSS JOIN LATERAL (${first("r.domain = d AND")}) x`;
  const found = await db.get<{ due: Instant | null }>(sql, lane, list(domains ?? []), largest ?? null);
  return found?.due ?? undefined;
}

/** More to ask of a recipient where only messages up to a size are wanted; null: any. */
function notOver(largest: string): string {
  return `AND (${largest}::bigint IS NULL OR (SELECT size FROM message WHERE seq = r.message) <= ${largest}::bigint)`;
}

/** The messages of what is due, longest first, locked; a lease that has ended is due again. */
function chosen(lane: number, wish: LeaseWish): { readonly sql: string; readonly values: readonly Value[] } {
  const values = [
    lane,
    wish.now,
    wish.largest ?? null,
    list([...new Set(wish.domains ?? [])]),
    wish.messages,
  ];
  const due = (where: string, limit: string) => `SELECT r.message, r.due FROM recipient r
    WHERE r.lane = $1::int AND ${where} r.due <= $2::bigint AND r.${HERE} ${notOver("$3")}
    ORDER BY r.due, r.message LIMIT ${limit}`;
  const all = (limit: string, lock: string) =>
    wish.domains === undefined
      ? `SELECT message, due FROM (${due("$4::text IS NOT NULL AND", limit)} ${lock}) x`
      : `SELECT x.message, x.due FROM unnest($4::text::text[]) d
           CROSS JOIN LATERAL (${due("r.domain = d AND", limit)} ${lock}) x`;
  const sized = (from: string, order: string) =>
    `SELECT x.message, m.size, coalesce(length(b.bytes), 0) AS octets FROM (${from}) x
     JOIN message m ON m.seq = x.message JOIN body b ON b.seq = m.body ORDER BY ${order} LIMIT $5::bigint`;
  if (wish.order === "oldest")
    return { sql: sized(all("$5::bigint", "FOR UPDATE SKIP LOCKED"), "x.due, x.message"), values };
  const window = `SELECT message FROM (${all(String(WINDOW), "")}) w ORDER BY due, message LIMIT ${WINDOW}`;
  return {
    sql: sized(
      `SELECT r.message, r.n, m.size FROM recipient r JOIN message m ON m.seq = r.message
       WHERE r.message IN (${window}) AND r.lane = $1::int AND r.due <= $2::bigint AND r.${HERE}
       ORDER BY m.size, m.seq LIMIT $5::bigint FOR UPDATE OF r SKIP LOCKED`,
      "m.size, x.message",
    ),
    values,
  };
}

/** So many that their bodies fit into one answer. */
function bounded(
  candidates: readonly { readonly message: number; readonly octets: number }[],
  wish: LeaseWish,
): readonly number[] {
  const seqs = new Set<number>();
  let octets = 0;
  for (const row of candidates) {
    if (seqs.has(row.message)) continue;
    if (seqs.size >= wish.messages || octets >= wish.octets) break;
    seqs.add(row.message);
    octets += row.octets;
  }
  return [...seqs];
}

/** Whether something of it is leased, or is being leased just now. */
async function othersHold(
  db: Transaction,
  lane: number,
  { domains, now, largest }: LeaseWish,
): Promise<boolean> {
  const found = await db.get(
    `SELECT 1 AS x FROM recipient r WHERE r.lane = $1::int AND ((r.state = 1 AND r.due > $2::bigint)
       OR (r.due <= $2::bigint AND r.${HERE} ${notOver("$4")}))
     AND ($3::text IS NULL OR r.domain = ANY($3::text::text[])) LIMIT 1`,
    ...[lane, now, domains === undefined ? null : list(domains), largest ?? null],
  );
  return found !== undefined;
}

interface TakenRow extends Omit<LeasedRecipient, "notify" | "done"> {
  readonly message: number;
  readonly notify: string;
  readonly done: string | null;
}

function take(db: Transaction, seqs: readonly number[], wish: LeaseWish): Promise<readonly TakenRow[]> {
  return db.all<TakenRow>(
    `UPDATE recipient r SET state = 1, holder = $1, due = $2::bigint
     FROM (SELECT message, n, due FROM recipient WHERE message = ANY($3::text::bigint[]) AND due <= $4::bigint AND ${HERE}
         AND ($5::text IS NULL OR domain = ANY($5::text::text[])) ORDER BY message, n FOR UPDATE SKIP LOCKED) o
     WHERE r.message = o.message AND r.n = o.n
     RETURNING r.message, r.n, r.address, r.notify, r.orcpt, r.attempts, o.due, r.done`,
    ...[db.holder(wish.holder), wish.until, list(seqs), wish.now],
    wish.domains === undefined ? null : list(wish.domains),
  );
}

interface MessageRow {
  readonly seq: number;
  readonly id: string;
  readonly sender: string;
  readonly mime: MailFacts["body"];
  readonly smtputf8: boolean;
  readonly ret: MailFacts["ret"];
  readonly envid: string | null;
  readonly arrived: Instant;
  readonly expires: Instant;
  readonly size: number;
  readonly trace: string;
  readonly name: string | null;
  readonly bytes: Uint8Array | null;
}

async function read(db: Transaction, seqs: readonly number[]): Promise<ReadonlyMap<number, MessageRow>> {
  const found = await db.all<MessageRow>(
    `SELECT m.seq, m.id, m.sender, m.mime, m.smtputf8, m.ret, m.envid, m.arrived, m.expires, m.size, m.trace,
       b.name, b.bytes FROM message m JOIN body b ON b.seq = m.body WHERE m.seq = ANY($1::text::bigint[])`,
    list(seqs),
  );
  return new Map(found.map((row) => [row.seq, row]));
}

function leasedOf(row: MessageRow | undefined, taken: readonly TakenRow[]): readonly LeasedMessage[] {
  if (row === undefined || taken.length === 0) return [];
  const { sender, mime, smtputf8, ret, envid, name, bytes, ...facts } = row;
  return [
    {
      ...facts,
      mail: { from: sender, body: mime, smtputf8, ret, envid },
      content: contentOf({ name, bytes }),
      recipients: [...taken]
        .sort((a, b) => a.n - b.n)
        .map(({ message: _, notify, done, ...recipient }) => ({
          ...recipient,
          ...(done !== null && { done: JSON.parse(done) as readonly string[] }),
          notify: notify === "" ? [] : (notify.split(",") as Notify[]),
        })),
    },
  ];
}
