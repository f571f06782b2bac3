/** The ledger: what other spools gave us, each recipient of a message once. */
// Asked before and entered behind a unique key: a row that another node entered meanwhile undoes the transaction.
import type { LedgerRow } from "../movable.ts";
import type { Acceptation, Input, PostedEntry } from "../store.ts";
import { base64, rows } from "./rows.ts";
import { Overtaken, type Transaction } from "./transaction.ts";

/** What each acceptance with an origin brings that is new; the others are not in it. */
export type Heard = ReadonlyMap<Acceptation, readonly PostedEntry[] | "conflict">;

const KEYS = "AS x(spool text, message text, recipient text, sha256 text, at bigint)";

export async function unheard(db: Transaction, inputs: readonly Acceptation[]): Promise<Heard> {
  const heard = new Map<Acceptation, readonly PostedEntry[] | "conflict">();
  const asked = inputs.filter(({ origin }) => origin !== undefined);
  if (asked.length === 0) return heard;
  const known = await db.all<LedgerRow>(
    `SELECT l.* FROM ledger l JOIN json_to_recordset($1::text::json) ${KEYS} USING (spool, message, recipient)`,
    rows(asked.flatMap((input) => keys(input, input.postings))),
  );
  const hashes = new Map(known.map((row) => [keyOf(row), base64(row.sha256)]));
  for (const input of asked) {
    const hash = base64(input.sha256);
    const had = (recipient: string) => hashes.get(keyOf({ ...input.origin!, recipient }));
    const all = input.postings.flatMap(({ recipients }) => recipients.map(({ address }) => had(address)));
    if (all.some((one) => one !== undefined && one !== hash)) heard.set(input, "conflict");
    else
      heard.set(
        input,
        input.postings
          .map((posting) => ({
            ...posting,
            recipients: posting.recipients.filter(({ address }) => had(address) === undefined),
          }))
          .filter(({ recipients }) => recipients.length > 0),
      );
  }
  return heard;
}

/** @throws Overtaken */
export async function enter(db: Transaction, heard: Heard): Promise<void> {
  const entries = [...heard].flatMap(([input, left]) => (left === "conflict" ? [] : keys(input, left)));
  if (entries.length === 0) return;
  // An address that stands in two postings enters once.
  const once = [...new Map(entries.map((entry) => [keyOf(entry), entry])).values()];
  const entered = await db.all(
    `INSERT INTO ledger SELECT spool, message, recipient, decode(sha256, 'base64'), at
     FROM json_to_recordset($1::text::json) ${KEYS} ORDER BY spool, message, recipient
     ON CONFLICT DO NOTHING RETURNING at`,
    rows(once),
  );
  if (entered.length < once.length) throw new Overtaken();
}

export async function ledger(
  db: Transaction,
  { after, limit }: Input<"ledger">,
): Promise<readonly LedgerRow[]> {
  const from = after ?? { spool: "", message: "", recipient: "" };
  return await db.all<LedgerRow>(
    `SELECT spool, message, recipient, sha256, at FROM ledger WHERE (spool, message, recipient) > ($1, $2, $3)
     ORDER BY spool, message, recipient LIMIT $4::bigint`,
    ...[from.spool, from.message, from.recipient, limit],
  );
}

export async function keepLedger(db: Transaction, entries: readonly LedgerRow[]): Promise<void> {
  if (entries.length === 0) return;
  await db.all(
    `INSERT INTO ledger SELECT spool, message, recipient, decode(sha256, 'base64'), at
     FROM json_to_recordset($1::text::json) ${KEYS} ORDER BY spool, message, recipient ON CONFLICT DO NOTHING`,
    rows(entries.map((row) => ({ ...row, sha256: base64(row.sha256) }))),
  );
}

function keys({ origin, sha256, now }: Acceptation, postings: readonly PostedEntry[]) {
  return postings.flatMap(({ recipients }) =>
    recipients.map(({ address }) => ({
      ...{ spool: origin?.spool ?? "", message: origin?.message ?? "", recipient: address },
      ...{ sha256: base64(sha256), at: now },
    })),
  );
}

function keyOf(row: {
  readonly spool: string;
  readonly message: string;
  readonly recipient: string;
}): string {
  return JSON.stringify([row.spool, row.message, row.recipient]);
}
