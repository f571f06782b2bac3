/** Doubles in a shared spool: the same mail by two relays within a day counts once, where its account asks for that. */
// The key is unique: of two nodes that take the same mail in at once, one does it again, and finds it a double.
import type { Address } from "../../wire/address.ts";
import type { Acceptation, PostedEntry } from "../store.ts";
import { base64, rows } from "./rows.ts";
import { Overtaken, type Transaction } from "./transaction.ts";
import type { Work } from "./work.ts";

const DAY = 86_400_000;

/** The postings less the recipients that have this mail already; that they have it is noted with the mail that they have. */
export async function fresh(
  db: Transaction,
  { likeness, now, actor, source, origin }: Acceptation,
  postings: readonly PostedEntry[],
  work: Work,
): Promise<{ readonly postings: readonly PostedEntry[]; readonly doubled: readonly Address[] }> {
  if (likeness === undefined) return { postings, doubled: [] };
  const [, found] = await Promise.all([
    db.all("DELETE FROM double WHERE at <= $1::bigint", now - DAY),
    db.all<{ recipient: string; message: number }>(
      "SELECT recipient, message FROM double WHERE likeness = decode($1, 'base64')",
      base64(likeness),
    ),
  ]);
  const first = new Map(found.map(({ recipient, message }) => [recipient, message]));
  const by = origin === undefined ? "" : `, as ${origin.message}`;
  const reason = `it came again by ${source.peer}${by}, and the double was removed`;
  const doubled: Address[] = [];
  const isNew = ({ address }: { readonly address: Address }): boolean => {
    const message = first.get(address);
    if (message === undefined) return true;
    doubled.push(address);
    work.note(message, address, "doubled", { at: now, actor, reason });
    return false;
  };
  const left = postings.map((posting) => ({ ...posting, recipients: posting.recipients.filter(isNew) }));
  return { postings: left.filter(({ recipients }) => recipients.length > 0), doubled };
}

/** Notes that entries' recipients have this mail now. @throws Overtaken */
export async function noteLikeness(
  db: Transaction,
  entries: { readonly input: Acceptation; readonly seq: number; readonly posting: PostedEntry }[],
): Promise<void> {
  const notes = entries.flatMap(({ input, seq, posting }) =>
    posting.recipients.map(({ address }) => ({
      ...{ likeness: base64(input.likeness ?? new Uint8Array()), recipient: address },
      ...{ message: seq, at: input.now },
    })),
  );
  if (notes.length === 0) return;
  // An address that stands in two postings is noted with the last of them.
  const once = [...new Map(notes.map((note) => [`${note.likeness} ${note.recipient}`, note])).values()];
  const noted = await db.all(
    `INSERT INTO double SELECT decode(likeness, 'base64'), recipient, message, at
     FROM json_to_recordset($1::text::json) AS x(likeness text, recipient text, message bigint, at bigint)
     ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING at`,
    rows(once),
  );
  if (noted.length < once.length) throw new Overtaken();
}
