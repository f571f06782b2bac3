/** Notices that are owed: noted with what made them due, paid with the acceptance of the notice, by one node alone. */
// A debt is a row: whoever pays it first has locked it, and the second finds nothing to pay.
import type { NoticeKind } from "../../mail/bounce.ts";
import type { Direction, Payment } from "../spool.ts";
import type { AgeingMessage, Input, MailFacts, OwedMessage, OwedRecipient } from "../store.ts";
import { list, rows } from "./rows.ts";
import type { Transaction } from "./transaction.ts";
import { drop } from "./work.ts";

/** A notice that may be due: what was said of the nth recipient. */
export interface Due {
  readonly message: number;
  readonly n: number;
  readonly kind: NoticeKind;
  readonly reply: string;
}

/** By NOTIFY (RFC 3461 §5.2): what must be in it, and whether its absence means the same. At home only failures are told. */
const WANTED = `m.sender <> '' AND (x.kind IN ('refused', 'expired') OR l.direction <> 'local') AND CASE x.kind
    WHEN 'delayed' THEN r.notify = '' OR r.notify LIKE '%DELAY%'
    WHEN 'relayed' THEN r.notify LIKE '%SUCCESS%'
    ELSE r.notify = '' OR r.notify LIKE '%FAILURE%' END`;

/** Notes notices to senders, once for each recipient and kind. @returns which of them their senders want */
export async function owe(db: Transaction, dues: readonly Due[]): Promise<ReadonlySet<Due>> {
  if (dues.length === 0) return new Set();
  const wanted = await db.all<{ i: number }>(
    `WITH wanted AS (SELECT x.*, m.body FROM json_to_recordset($1::text::json)
           AS x(i int, message bigint, n int, kind text, reply text)
         JOIN recipient r ON r.message = x.message AND r.n = x.n
         JOIN message m ON m.seq = x.message JOIN lane l ON l.id = m.lane WHERE ${WANTED}),
       made AS (INSERT INTO notice (message, n, kind, reply, body)
         SELECT message, n, kind, reply, body FROM wanted ORDER BY i ON CONFLICT DO NOTHING RETURNING body),
       used AS (UPDATE body b SET uses = b.uses + c.n
         FROM (SELECT body, count(*)::int AS n FROM made GROUP BY body) c WHERE b.seq = c.body)
     SELECT i FROM wanted`,
    rows(dues.map((due, i) => ({ i, ...due }))),
  );
  return new Set(wanted.flatMap(({ i }) => dues[i] ?? []));
}

/** Whether this payment is still due; what it pays is paid from now on. */
export async function pay(db: Transaction, { notices = [], warned = [] }: Payment): Promise<boolean> {
  const [paid, told] = await Promise.all([
    db.all<{ body: number; message: number }>(
      `WITH due AS (SELECT seq, body FROM notice WHERE seq = ANY($1::text::bigint[]) AND body IS NOT NULL
         ORDER BY seq FOR UPDATE)
       UPDATE notice n SET body = NULL FROM due WHERE n.seq = due.seq RETURNING due.body, n.message`,
      list(notices),
    ),
    db.all(
      `INSERT INTO notice (message, n, kind, reply) SELECT seq, -1, 'warned', '' FROM message
       WHERE id = ANY($1::text::uuid[]) ORDER BY seq ON CONFLICT DO NOTHING RETURNING seq`,
      list(warned),
    ),
  ]);
  await drop(
    db,
    paid.map(({ body }) => body),
  );
  return paid.length + told.length > 0;
}

interface OwedRow extends Omit<OwedMessage, "mail" | "content" | "notices" | "recipients" | "lane"> {
  readonly message: number;
  readonly sender: string;
  readonly mime: MailFacts["body"];
  readonly smtputf8: boolean;
  readonly ret: MailFacts["ret"];
  readonly envid: string | null;
  readonly direction: Direction;
  readonly customer: string;
  readonly name: string | null;
  readonly bytes: Uint8Array | null;
}

/** Messages whose senders are owed a notice, oldest debt first; one notice is for all of a message's recipients. */
export async function owed(db: Transaction, { limit }: Input<"owed">): Promise<readonly OwedMessage[]> {
  const found = await db.all<OwedRow>(
    `SELECT m.seq AS message, m.id, m.sender, m.mime, m.smtputf8, m.ret, m.envid, m.arrived, m.expires, m.size, m.trace,
       l.direction, l.customer, b.name, b.bytes
     FROM (SELECT message, min(seq) AS first FROM notice WHERE body IS NOT NULL GROUP BY message) x
     JOIN message m ON m.seq = x.message JOIN lane l ON l.id = m.lane JOIN body b ON b.seq = m.body
     ORDER BY x.first LIMIT $1::bigint`,
    limit,
  );
  if (found.length === 0) return [];
  const debts = await db.all<OwedRecipient & { readonly seq: number; readonly message: number }>(
    `SELECT x.seq, x.message, x.kind, x.reply, r.address, r.orcpt
     FROM notice x JOIN recipient r ON r.message = x.message AND r.n = x.n
     WHERE x.message = ANY($1::text::bigint[]) AND x.body IS NOT NULL ORDER BY x.n, x.seq`,
    list(found.map(({ message }) => message)),
  );
  const of = Map.groupBy(debts, ({ message }) => message);
  return found.map((row) => {
    const { message, sender, mime, smtputf8, ret, envid, direction, customer, name, bytes, ...facts } = row;
    const own = of.get(message) ?? [];
    return {
      ...facts,
      mail: { from: sender, body: mime, smtputf8, ret, envid },
      lane: { direction, customer },
      content: contentOf({ name, bytes }),
      notices: own.map(({ seq }) => seq),
      recipients: own.map(({ seq: _, message: __, ...recipient }) => recipient),
    };
  });
}

/** Messages that wait for a customer's call and expire soon, and of which their owner was not warned. Our letters do not count. */
export async function ageing(
  db: Transaction,
  { before, limit }: Input<"ageing">,
): Promise<readonly AgeingMessage[]> {
  return await db.all<AgeingMessage>(
    `SELECT m.id, m.sender AS "from", m.subject, m.expires, l.customer
     FROM message m JOIN lane l ON l.id = m.lane
     WHERE m.gone IS NULL AND m.expires <= $1::bigint AND l.direction = 'turn' AND m.protocol <> 'notice'
       AND NOT EXISTS (SELECT 1 FROM notice x WHERE x.message = m.seq AND x.kind = 'warned')
     ORDER BY m.expires LIMIT $2::bigint`,
    before,
    limit,
  );
}

/** A body: in its row, or in pieces under a name. */
export function contentOf({
  name,
  bytes,
}: {
  readonly name: string | null;
  readonly bytes: Uint8Array | null;
}) {
  return name === null ? { bytes: bytes ?? new Uint8Array(0) } : { file: name };
}
