/** Hold rules: new mail that fits one is held from its first moment, in the commit that accepts it. */
// A rule fits when all that it gives fits; the oldest rule that fits is the one that the history names.
import type { Database } from "../platform/sqlite.ts";
import { type Address, matchesGlob } from "../wire/address.ts";
import type { HoldRule } from "./records.ts";
import type { PostedEntry } from "./store.ts";

interface Row {
  readonly id: string;
  readonly customer: string | null;
  readonly sender: string | null;
  readonly recipient: string | null;
  readonly larger_than: number | null;
  readonly reason: string;
  readonly actor: string;
  readonly made: number;
}

export interface Rule extends Row {
  /** What the history says of it. */
  readonly why: string;
}

export function rulesOf(db: Database): readonly Rule[] {
  return rows(db).map((row) => ({ ...row, why: `rule ${row.id}${row.reason && `: ${row.reason}`}` }));
}

/** The rule that holds this recipient of a new entry, if one does. */
export function ruleFor(
  rules: readonly Rule[],
  from: Address,
  { lane, size }: PostedEntry,
  to: Address,
): Rule | undefined {
  return rules.find(
    ({ customer, sender, recipient, larger_than: most }) =>
      (customer === null || customer === lane.customer) &&
      (sender === null || matchesGlob(sender === "<>" ? "" : sender, from)) &&
      (recipient === null || matchesGlob(recipient, to)) &&
      (most === null || size > most),
  );
}

export function holdRules(db: Database): readonly HoldRule[] {
  return rows(db).map(({ id, customer, sender, recipient, larger_than: most, reason, actor, made }) => ({
    id,
    ...(customer !== null && { customer }),
    ...(sender !== null && { sender }),
    ...(recipient !== null && { recipient }),
    ...(most !== null && { largerThan: most }),
    ...{ reason, actor, made },
  }));
}

export function addHoldRule(db: Database, rule: HoldRule): undefined {
  db.run(
    "INSERT INTO hold_rule VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    rule.id,
    rule.customer ?? null,
    rule.sender ?? null,
    rule.recipient ?? null,
    rule.largerThan ?? null,
    rule.reason,
    rule.actor,
    rule.made,
  );
}

export function removeHoldRule(db: Database, { id }: { readonly id: string }): boolean {
  return db.run("DELETE FROM hold_rule WHERE id = ?", id.toLowerCase()).changes > 0;
}

function rows(db: Database): readonly Row[] {
  return db.all<Row>("SELECT * FROM hold_rule ORDER BY id");
}
