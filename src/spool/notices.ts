/** Notices that are owed: noted in the commit that made them due, paid in the commit that accepts the notice as mail. */
// So each is sent once, whatever dies when: no crash falls between the settlement and the debt, or the notice and its payment.
//
// A debt holds a use of its message's body until it is paid or forgiven. What NOTIFY asked for is decided here (RFC 3461
// §5.2), and so is that the null sender is told nothing (RFC 5321 §6.1): whoever changes a recipient need not know.
import type { NoticeKind } from "../mail/bounce.ts";
import type { Database } from "../platform/sqlite.ts";
import { contentOf } from "./columns.ts";
import type { Direction, Payment } from "./spool.ts";
import type { AgeingMessage, Input, MailFacts, OwedMessage, OwedRecipient, StoredBody } from "./store.ts";
import type { Work } from "./work.ts";

/** Whether NOTIFY asks for it; its absence asks for what went wrong and for what is late. */
const asked: Readonly<Record<NoticeKind, (notify: string) => boolean>> = {
  refused: (notify) => notify === "" || notify.includes("FAILURE"),
  expired: (notify) => notify === "" || notify.includes("FAILURE"),
  delayed: (notify) => notify === "" || notify.includes("DELAY"),
  relayed: (notify) => notify.includes("SUCCESS"),
};

/** At home mail is delivered for good: only that it was not is told from there. */
const fromHome: ReadonlySet<NoticeKind> = new Set<NoticeKind>(["refused", "expired"]);

/** Notes a notice to the sender, once for each recipient and kind. @returns whether the sender wants one */
export function owe(db: Database, message: number, n: number, kind: NoticeKind, said: string): boolean {
  const notify = db.get<{ notify: string }>(
    "SELECT notify FROM recipient WHERE message = ? AND n = ?",
    message,
    n,
  )?.notify;
  if (notify === undefined || !asked[kind](notify)) return false;
  const about = db.get<{ body: number; sender: string; lane: number }>(
    "SELECT body, sender, lane FROM message WHERE seq = ?",
    message,
  );
  if (about === undefined || about.sender === "") return false;
  if (!fromHome.has(kind) && isLocal(db, about.lane)) return false;
  const { body } = about;
  const { changes } = db.run(
    "INSERT OR IGNORE INTO notice (message, n, kind, reply, body) VALUES (?, ?, ?, ?, ?)",
    message,
    n,
    kind,
    said,
    body,
  );
  if (changes > 0) db.run("UPDATE body SET uses = uses + 1 WHERE seq = ?", body);
  return true;
}

function isLocal(db: Database, lane: number): boolean {
  return (
    db.get<{ direction: Direction }>("SELECT direction FROM lane WHERE id = ?", lane)?.direction === "local"
  );
}

/** Whether this payment is still due; what it pays is paid from now on. */
export function pay(db: Database, { notices = [], warned = [] }: Payment, work: Work): boolean {
  let due = 0;
  for (const seq of notices) {
    const body = db.get<{ body: number }>(
      "SELECT body FROM notice WHERE seq = ? AND body IS NOT NULL",
      seq,
    )?.body;
    if (body === undefined) continue;
    db.run("UPDATE notice SET body = NULL WHERE seq = ?", seq);
    work.drop(body);
    due++;
  }
  for (const id of warned)
    due += db.run(
      "INSERT OR IGNORE INTO notice (message, n, kind, reply) SELECT seq, -1, 'warned', '' FROM message WHERE id = ?",
      id,
    ).changes;
  return due > 0;
}

export function forgive(db: Database, payment: Input<"forgive">, work: Work): undefined {
  pay(db, payment, work);
}

/** Forgets what was noted of a message that is forgotten itself. */
export function forget(db: Database, message: number, work: Work): void {
  const open = db.all<{ body: number }>(
    "SELECT body FROM notice WHERE message = ? AND body IS NOT NULL",
    message,
  );
  for (const { body } of open) work.drop(body);
  db.run("DELETE FROM notice WHERE message = ?", message);
}

interface OwedRow extends Omit<OwedMessage, "mail" | "content" | "notices" | "recipients" | "lane"> {
  readonly message: number;
  readonly sender: string;
  readonly mime: MailFacts["body"];
  readonly smtputf8: number;
  readonly ret: MailFacts["ret"];
  readonly envid: string | null;
  readonly direction: Direction;
  readonly customer: string;
  readonly file: string | null;
  readonly bytes: Uint8Array | null;
}

/** Messages whose senders are owed a notice, oldest debt first; one notice is for all of a message's recipients. */
export function owed(db: Database, { limit }: Input<"owed">): readonly OwedMessage[] {
  const rows = db.all<OwedRow>(
    `SELECT m.seq AS message, m.id, m.sender, m.mime, m.smtputf8, m.ret, m.envid, m.arrived, m.expires, m.size, m.trace,
       l.direction, l.customer, b.file, b.bytes
     FROM (SELECT message, min(seq) AS first FROM notice WHERE body IS NOT NULL GROUP BY message) x
     JOIN message m ON m.seq = x.message JOIN lane l ON l.id = m.lane JOIN body b ON b.seq = m.body
     ORDER BY x.first LIMIT ?`,
    limit,
  );
  return rows.map((row) => {
    const { message, sender, mime, smtputf8, ret, envid, direction, customer, file, bytes, ...facts } = row;
    const debts = db.all<OwedRecipient & { readonly seq: number }>(
      `SELECT x.seq, x.kind, x.reply, r.address, r.orcpt FROM notice x JOIN recipient r ON r.message = x.message AND r.n = x.n
       WHERE x.message = ? AND x.body IS NOT NULL ORDER BY x.n, x.seq`,
      message,
    );
    const content: StoredBody = contentOf({ file, bytes });
    return {
      ...facts,
      mail: { from: sender, body: mime, smtputf8: smtputf8 === 1, ret, envid },
      lane: { direction, customer },
      content,
      notices: debts.map(({ seq }) => seq),
      recipients: debts.map(({ seq: _, ...recipient }) => recipient),
    };
  });
}

/** Messages that wait for a customer's call and expire soon, and of which their owner was not warned. Letters of ours do not count. */
export function ageing(db: Database, { before, limit }: Input<"ageing">): readonly AgeingMessage[] {
  return db.all<AgeingMessage>(
    `SELECT m.id, m.sender AS "from", m.subject, m.expires, l.customer
     FROM message m INDEXED BY message_expires JOIN lane l ON l.id = m.lane
     WHERE m.gone IS NULL AND m.expires <= ? AND l.direction = 'turn' AND m.protocol <> 'notice'
       AND NOT EXISTS (SELECT 1 FROM notice x WHERE x.message = m.seq AND x.kind = 'warned')
     ORDER BY m.expires LIMIT ?`,
    before,
    limit,
  );
}
