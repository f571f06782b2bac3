/** Hold rules of a shared spool: they hold for all nodes, from the next group that is taken in. */
// A rule fits when all that it gives fits; the oldest rule that fits is the one that the history names.
import type { HoldRule } from "../records.ts";
import type { Rule } from "../rules.ts";
import { list, rows } from "./rows.ts";
import type { Transaction } from "./transaction.ts";

type Row = Omit<Rule, "why">;

export async function rulesOf(db: Transaction): Promise<readonly Rule[]> {
  return (await all(db)).map((row) => ({ ...row, why: `rule ${row.id}${row.reason && `: ${row.reason}`}` }));
}

export async function holdRules(db: Transaction): Promise<readonly HoldRule[]> {
  return (await all(db)).map(
    ({ id, customer, sender, recipient, larger_than: most, reason, actor, made }) => ({
      id,
      ...(customer !== null && { customer }),
      ...(sender !== null && { sender }),
      ...(recipient !== null && { recipient }),
      ...(most !== null && { largerThan: most }),
      ...{ reason, actor, made },
    }),
  );
}

/** Those that are not there yet. */
export async function addHoldRules(db: Transaction, rules: readonly HoldRule[]): Promise<void> {
  if (rules.length === 0) return;
  await db.all(
    `INSERT INTO hold_rule SELECT * FROM json_to_recordset($1::text::json) AS x(id uuid, customer text, sender text,
       recipient text, "largerThan" bigint, reason text, actor text, made bigint) ON CONFLICT DO NOTHING`,
    rows(rules),
  );
}

export async function removeHoldRule(db: Transaction, id: string): Promise<boolean> {
  const removed = await db.all(
    "DELETE FROM hold_rule WHERE id::text = ANY($1::text::text[]) RETURNING id",
    list([id.toLowerCase()]),
  );
  return removed.length > 0;
}

function all(db: Transaction): Promise<readonly Row[]> {
  return db.all<Row>("SELECT * FROM hold_rule ORDER BY id");
}
