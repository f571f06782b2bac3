/** Taking in: one acceptance becomes a body and its entries, through the ledger where it has an origin. */
// The ledger is asked and written in the transaction that stores the message: exactly once, or not at all.
import type { Recipient } from "../mail/envelope.ts";
import type { Database } from "../platform/sqlite.ts";
import { noteLikeness, once } from "./doubles.ts";
import { pay } from "./notices.ts";
import { type Rule, ruleFor, rulesOf } from "./rules.ts";
import type { Committed } from "./spool.ts";
import { code } from "./states.ts";
import type { Acceptation, PostedEntry, StoredBody } from "./store.ts";
import { laneFor, type Mark, type Work } from "./work.ts";

export function accept(db: Database, input: Acceptation, work: Work): Committed {
  const unheard = input.origin === undefined ? input.postings : unknown(db, input, input.origin);
  if (unheard === "conflict") return { type: "conflict" };
  if (unheard.length === 0) return { type: "had" };
  const { postings, doubled } = once(db, input, unheard, work);
  if (input.origin !== undefined) enter(db, input, input.origin, unheard);
  if (postings.length === 0) return { type: "had", doubled };
  if (input.pays !== undefined && !pay(db, input.pays, work)) return { type: "had" };
  const body = insertBody(db, input, postings.length);
  const rules = rulesOf(db);
  for (const posting of postings) insertEntry(db, input, { posting, body, rules }, work);
  return { type: "stored", ids: postings.map(({ id }) => id), ...(doubled.length > 0 && { doubled }) };
}

/** The postings less the recipients that the ledger knows. */
function unknown(
  db: Database,
  input: Acceptation,
  origin: NonNullable<Acceptation["origin"]>,
): readonly PostedEntry[] | "conflict" {
  let conflict = false;
  const isNew = ({ address }: Recipient): boolean => {
    const had = db.get<{ sha256: Uint8Array }>(
      "SELECT sha256 FROM ledger WHERE spool = ? AND message = ? AND recipient = ?",
      origin.spool,
      origin.message,
      address,
    );
    if (had !== undefined && !same(had.sha256, input.sha256)) conflict = true;
    return had === undefined;
  };
  const left = input.postings.map((posting) => ({
    ...posting,
    recipients: posting.recipients.filter(isNew),
  }));
  return conflict ? "conflict" : left.filter(({ recipients }) => recipients.length > 0);
}

/** An address that stands in two postings enters once. */
function enter(
  db: Database,
  { sha256, now }: Acceptation,
  origin: NonNullable<Acceptation["origin"]>,
  postings: readonly PostedEntry[],
): void {
  for (const { recipients } of postings)
    for (const { address } of recipients)
      db.run(
        "INSERT OR IGNORE INTO ledger VALUES (?, ?, ?, ?, ?)",
        origin.spool,
        origin.message,
        address,
        sha256,
        now,
      );
}

function insertBody(db: Database, input: Acceptation, uses: number): number {
  const { bytes, file } = columns(input.content);
  return db.run(
    "INSERT INTO body (uses, octets, sha256, file, bytes) VALUES (?, ?, ?, ?, ?)",
    uses,
    input.octets,
    input.sha256,
    file,
    bytes,
  ).row;
}

interface NewEntry {
  readonly posting: PostedEntry;
  readonly body: number;
  readonly rules: readonly Rule[];
}

function insertEntry(
  db: Database,
  input: Acceptation,
  { posting: entry, body, rules }: NewEntry,
  work: Work,
): void {
  const { mail, source, now, actor } = input;
  const lane = laneFor(db, entry.lane);
  const seq = db.run(
    `INSERT INTO message (id, lane, body, here, size, arrived, expires, sender, subject, protocol, peer, auth,
       mime, smtputf8, ret, envid, trace) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    entry.id,
    lane,
    body,
    entry.recipients.length,
    entry.size,
    input.arrived,
    entry.expires,
    mail.from,
    input.subject,
    source.protocol,
    source.peer,
    source.auth ?? null,
    mail.body,
    Number(mail.smtputf8),
    mail.ret,
    mail.envid,
    entry.trace,
  ).row;
  const mark: Mark = { at: now, actor, reason: `${source.protocol} from ${source.peer}` };
  work.note(seq, null, "accepted", mark);
  noteLikeness(db, input, seq, entry);
  entry.recipients.forEach((recipient, n) => {
    const rule = ruleFor(rules, mail.from, entry, recipient.address);
    insertRecipient(db, { seq, n, lane, due: rule === undefined ? now : null }, recipient);
    if (rule !== undefined)
      work.note(seq, recipient.address, "held", { at: now, actor: rule.actor, reason: rule.why });
  });
  work.add(lane, 1, entry.size, entry.recipients.length);
}

/** @param at due is null: it is held */
function insertRecipient(
  db: Database,
  at: { readonly seq: number; readonly n: number; readonly lane: number; readonly due: number | null },
  { address, notify, orcpt }: Recipient,
): void {
  db.run(
    `INSERT INTO recipient (message, n, lane, state, due, attempts, address, domain, notify, orcpt)
     VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?)`,
    at.seq,
    at.n,
    at.lane,
    at.due === null ? code.held : code.waiting,
    at.due,
    address,
    address.slice(address.lastIndexOf("@") + 1 || address.length),
    notify.join(","),
    orcpt ?? null,
  );
}

function columns(content: StoredBody): {
  readonly bytes: Uint8Array | null;
  readonly file: string | null;
} {
  return "file" in content ? { bytes: null, file: content.file } : { bytes: content.bytes, file: null };
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
