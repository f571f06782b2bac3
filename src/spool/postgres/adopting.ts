/** Moving in: entries of another spool become rows here, in one transaction a page. */
// An entry that is here already is left alone, but for recipients that have left meanwhile where it comes from.
import type { Adopted, Books, KeptEntry, KeptNotice } from "../movable.ts";
import { needsBody } from "../moving.ts";
import type { MessageId } from "../spool.ts";
import { code } from "../states.ts";
import type { AdoptedMail, Input } from "../store.ts";
import { put } from "./actions.ts";
import { bodyColumns, domainOf, insertBodies, insertMessages, insertRecipients } from "./intake.ts";
import { keepLedger } from "./ledger.ts";
import { allThere } from "./pieces.ts";
import { list, Octets, rows } from "./rows.ts";
import { addHoldRules } from "./rules.ts";
import { allYoung } from "./sweep.ts";
import { HERE, type Transaction } from "./transaction.ts";
import { drop, forget, type Work } from "./work.ts";

export async function adopt(
  db: Transaction,
  { mail, now }: Input<"adopt">,
  work: Work,
): Promise<Omit<Adopted, "damaged">> {
  const sum = { adopted: 0, had: 0, left: 0 };
  const known = await seqsOf(
    db,
    mail.flatMap(({ entries }) => entries.map(({ id }) => id)),
  );
  const made = await insert(db, mail, known, work);
  for (const { entries } of mail)
    for (const entry of entries) {
      const row = known.get(entry.id);
      if (row === undefined) sum.adopted++;
      else {
        sum.had++;
        sum.left += await catchUp(db, { ...row, now }, entry, work);
      }
    }
  await keepNew(db, made);
  return sum;
}

export async function keepBooks(db: Transaction, { ledger, rules }: Books): Promise<void> {
  await keepLedger(db, ledger);
  await addHoldRules(db, rules);
}

interface Known {
  readonly seq: number;
  /** 0: it is not there any more. */
  readonly body: number;
}

async function seqsOf(db: Transaction, ids: readonly MessageId[]): Promise<ReadonlyMap<MessageId, Known>> {
  const found = await db.all<Known & { id: MessageId }>(
    `SELECT m.id, m.seq, coalesce(b.seq, 0) AS body FROM message m LEFT JOIN body b ON b.seq = m.body
     WHERE m.id = ANY($1::text::uuid[])`,
    list(ids),
  );
  return new Map(found.map(({ id, ...row }) => [id, row]));
}

/** An entry that was made, with the notices that it brings. */
interface Made extends Known {
  readonly notices: readonly KeptNotice[];
}

async function insert(
  db: Transaction,
  mail: readonly AdoptedMail[],
  known: ReadonlyMap<MessageId, Known>,
  work: Work,
): Promise<readonly Made[]> {
  const numbers = await db.numbers(mail.reduce((sum, { entries }) => sum + 1 + entries.length, 0));
  let used = 0;
  const next = (): number => numbers[used++] ?? 0;
  const [bodies, messages, recipients, unused]: [object[], object[], object[], string[]] = [[], [], [], []];
  const large: { readonly name: string; readonly octets: number }[] = [];
  const octets = new Octets();
  const made: Made[] = [];
  for (const { body, entries } of mail) {
    const fresh = entries.filter(({ id }) => !known.has(id));
    const row = body !== undefined && fresh.some(needsBody) ? next() : 0;
    if (body !== undefined && row === 0 && "file" in body.content) unused.push(body.content.file);
    if (body !== undefined && row > 0 && "file" in body.content)
      large.push({ name: body.content.file, octets: body.octets });
    if (body !== undefined && row > 0)
      bodies.push({
        seq: row,
        uses: fresh.filter(({ gone }) => gone === undefined).length,
        ...bodyColumns(body, octets),
      });
    for (const entry of fresh) {
      const seq = next();
      const lane = db.laneOf(entry.lane) ?? 0;
      messages.push({ seq, lane, body: needsBody(entry) ? row : 0, ...messageColumns(entry) });
      recipients.push(...recipientsOf(entry).map((recipient) => ({ message: seq, lane, ...recipient })));
      for (const { recipient, what, ...mark } of entry.events) work.keep(seq, recipient ?? null, what, mark);
      made.push({ seq, body: row, notices: entry.notices });
      const here = entry.gone === undefined;
      work.add(lane, here ? 1 : 0, here ? entry.size : 0, entry.recipients.length);
    }
  }
  await Promise.all([
    allThere(db, large),
    allYoung(
      db,
      large.map(({ name }) => name),
    ),
    db.all(insertBodies, rows(bodies), octets.all),
    db.all(insertMessages, rows(messages)),
    db.all(insertRecipients, rows(recipients)),
    forget(db, unused),
  ]);
  return made;
}

function messageColumns(entry: KeptEntry) {
  const { id, gone, size, arrived, expires, subject, trace, envelope, source, recipients } = entry;
  const here = recipients.filter(({ state }) => code[state] < code.delivered).length;
  return {
    ...{ id, here, gone: gone ?? null, size, arrived, expires, subject, trace },
    ...{ sender: envelope.from, mime: envelope.body ?? null, smtputf8: envelope.smtputf8 },
    ...{ ret: envelope.ret ?? null, envid: envelope.envid ?? null },
    ...{ protocol: source.protocol, peer: source.peer, auth: source.auth ?? null },
  };
}

function recipientsOf({ recipients }: KeptEntry) {
  return recipients.map(({ address, state, due, attempts, notify, orcpt, reply, done }, n) => ({
    ...{ n, state: code[state], due: due ?? null, attempts, address, domain: domainOf(address) },
    ...{ notify: notify.join(","), orcpt: orcpt ?? null, reply: reply ?? null },
    done: done === undefined ? null : JSON.stringify(done),
  }));
}

/** Recipients that are here still and have left there: they leave. Notices are owed and paid as there. @returns how many left */
async function catchUp(
  db: Transaction,
  { seq, body, now }: Known & { readonly now: number },
  { recipients, events, notices }: KeptEntry,
  work: Work,
): Promise<number> {
  if (notices.length > 0) await keepNotices(db, { seq, body }, notices);
  const gone = recipients.filter(({ state }) => code[state] >= code.delivered);
  if (gone.length === 0) return 0;
  const found = await db.all<{ n: number; address: string }>(
    `SELECT n, address FROM recipient WHERE message = $1::bigint AND address = ANY($2::text::text[]) AND ${HERE}
     ORDER BY n FOR UPDATE`,
    seq,
    list(gone.map(({ address }) => address)),
  );
  const by = new Map(gone.map((recipient) => [recipient.address, recipient]));
  await put(
    db,
    found.flatMap(({ n, address }) => {
      const left = by.get(address);
      return left === undefined
        ? []
        : [{ message: seq, n, state: code[left.state], due: null, reply: left.reply ?? null }];
    }),
  );
  for (const { address } of found) {
    const last = events.findLast(({ recipient }) => recipient === address);
    if (last !== undefined) work.note(seq, address, last.what, last);
  }
  await work.depart(
    db,
    found.map(() => ({ seq, left: 1, at: now })),
  );
  return found.length;
}

/** The notices of entries that are new here. */
async function keepNew(db: Transaction, made: readonly Made[]): Promise<void> {
  const owing = made.flatMap(({ seq, body, notices }) =>
    notices.map(({ n, kind, reply, owed }) => ({
      ...{ message: seq, n, kind, reply, body: owed && body > 0 ? body : null },
    })),
  );
  if (owing.length === 0) return;
  await db.all(insertNotices, rows(owing));
}

/** A debt holds a use of its body. */
const insertNotices = `WITH made AS (INSERT INTO notice (message, n, kind, reply, body)
    SELECT message, n, kind, reply, body FROM json_to_recordset($1::text::json)
      AS x(message bigint, n int, kind text, reply text, body bigint) ON CONFLICT DO NOTHING RETURNING body)
  UPDATE body b SET uses = b.uses + c.n
  FROM (SELECT body, count(*)::int AS n FROM made WHERE body IS NOT NULL GROUP BY body) c WHERE b.seq = c.body`;

/** Those that are new, and those that were paid there and are owed here. */
async function keepNotices(
  db: Transaction,
  { seq, body }: Known,
  notices: readonly KeptNotice[],
): Promise<void> {
  await keepNew(db, [{ seq, body, notices }]);
  const paid = await db.all<{ body: number }>(
    `WITH paid AS (SELECT o.seq, o.body FROM notice o JOIN json_to_recordset($2::text::json) AS x(n int, kind text)
         ON o.n = x.n AND o.kind = x.kind WHERE o.message = $1::bigint AND o.body IS NOT NULL FOR UPDATE OF o)
     UPDATE notice o SET body = NULL FROM paid WHERE o.seq = paid.seq RETURNING paid.body`,
    seq,
    rows(notices.filter(({ owed }) => !owed).map(({ n, kind }) => ({ n, kind }))),
  );
  await drop(
    db,
    paid.map(({ body: paidFor }) => paidFor),
  );
}
