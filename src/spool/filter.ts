/** A Filter as SQL: the one place where lists, counts and actions learn what fits. */
// Text of a user is always bound, never spliced; what is spliced is ours.
import type { Instant } from "../platform/clock.ts";
import type { Database, Value } from "../platform/sqlite.ts";
import type { Filter } from "./spool.ts";
import { code } from "./states.ts";
import type { Cursor } from "./store.ts";

/** A condition and the values for its question marks, in their order. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly Value[];
}

/** The FROM and WHERE of the entries (`m`) that fit; undefined: none can, there is no such lane. */
export function entriesThat(db: Database, filter: Filter, now: Instant): Condition | undefined {
  const lanes = lanesOf(db, filter);
  const where = fitting(filter, lanes, now);
  return (
    where && { sql: `FROM message m ${indexFor(filter, lanes)} WHERE ${where.sql}`, values: where.values }
  );
}

/** The WHERE alone, for whoever finds entries by their place. */
export function entryFits(db: Database, filter: Filter, now: Instant): Condition | undefined {
  return fitting(filter, lanesOf(db, filter), now);
}

function fitting(filter: Filter, lanes: readonly number[] | undefined, now: Instant): Condition | undefined {
  if (lanes !== undefined && lanes.length === 0) return undefined;
  return and([
    ...(filter.gone === true ? [] : [sql(filter.ids === undefined ? "m.gone IS NULL" : "+m.gone IS NULL")]),
    ...(lanes === undefined ? [] : [laneIn(lanes)]),
    ...(filter.ids === undefined ? [] : [idIn(filter.ids)]),
    ...(filter.sender === undefined ? [] : [like("m.sender", filter.sender === "<>" ? "" : filter.sender)]),
    ...comparisons.flatMap(([key, comparison]) => {
      const value = filter[key];
      return value === undefined ? [] : [sql(comparison, value)];
    }),
    ...aboutRecipients(filter, now),
  ]);
}

/** Which of an entry's recipients (`r`) fit. An action touches these alone. */
export function recipientsThat(filter: Filter, now: Instant): Condition {
  const conditions = [
    ...(filter.recipient === undefined ? [] : [like("r.address", filter.recipient)]),
    ...(filter.domain === undefined ? [] : [like("r.domain", filter.domain)]),
    ...(filter.state === undefined ? [] : [stateIs(filter.state, now)]),
  ];
  return and(conditions);
}

/** Whether a filter asks for nothing but lanes: then their counters know. */
export function onlyLanes(filter: Filter): boolean {
  const asked = Object.entries(filter).filter(([, value]) => value !== undefined && value !== false);
  return asked.every(([key]) => ["direction", "customer", "sort"].includes(key));
}

/** The lanes that fit; undefined: the filter does not say. */
export function lanesOf(db: Database, { direction, customer }: Filter): readonly number[] | undefined {
  if (direction === undefined && customer === undefined) return undefined;
  return db
    .all<{ id: number }>(
      "SELECT id FROM lane WHERE direction = coalesce(?, direction) AND customer = coalesce(?, customer)",
      direction ?? null,
      customer ?? null,
    )
    .map(({ id }) => id);
}

/** How each sorting orders, and what comes after a cursor. */
export const sortings: {
  readonly [S in NonNullable<Filter["sort"]>]: {
    readonly order: string;
    readonly after: (cursor: Cursor) => Condition;
  };
} = {
  oldest: { order: "m.seq", after: ({ seq }) => sql("m.seq > ?", seq) },
  newest: { order: "m.seq DESC", after: ({ seq }) => sql("m.seq < ?", seq) },
  largest: {
    order: "m.size DESC, m.seq",
    after: ({ seq, size }) => sql("(m.size, -m.seq) < (?, ?)", size, -seq),
  },
  smallest: { order: "m.size, m.seq", after: ({ seq, size }) => sql("(m.size, m.seq) > (?, ?)", size, seq) },
};

const comparisons = [
  ["arrivedBefore", "m.arrived < ?"],
  ["arrivedAfter", "m.arrived > ?"],
  ["largerThan", "m.size > ?"],
  ["smallerThan", "m.size < ?"],
] as const satisfies readonly (readonly [keyof Filter, string])[];

/** The planner is told, lest it sort a million rows for a page of a few hundred; ids ("+" above) have their own index. */
function indexFor(filter: Filter, lanes: readonly number[] | undefined): string {
  if (filter.gone === true || filter.ids !== undefined) return "";
  return lanes?.length === 1 ? "INDEXED BY message_lane" : "INDEXED BY message_here";
}

function laneIn(lanes: readonly number[]): Condition {
  if (lanes.length === 1) return sql("m.lane = ?", lanes[0] ?? 0);
  return sql("m.lane IN (SELECT value FROM json_each(?))", JSON.stringify(lanes));
}

function idIn(ids: readonly string[]): Condition {
  return sql("m.id IN (SELECT value FROM json_each(?))", JSON.stringify(ids.map((id) => id.toLowerCase())));
}

function aboutRecipients(filter: Filter, now: Instant): readonly Condition[] {
  const { sql: fits, values } = recipientsThat(filter, now);
  if (values.length === 0) return [];
  return [{ sql: `EXISTS (SELECT 1 FROM recipient r WHERE r.message = m.seq AND ${fits})`, values }];
}

/** A lease that has ended counts as waiting. */
function stateIs(state: NonNullable<Filter["state"]>, now: Instant): Condition {
  switch (state) {
    case "waiting":
      return sql("(r.state = 0 OR (r.state = 1 AND r.due <= ?))", now);
    case "leased":
      return sql("(r.state = 1 AND r.due > ?)", now);
    default:
      return sql("r.state = ?", code[state]);
  }
}

/** Globs as LIKE has them; LIKE takes no account of case. */
function like(column: string, glob: string): Condition {
  const pattern = glob
    .replace(/[\\%_]/g, "\\$&")
    .replace(/\*+/g, "%")
    .replaceAll("?", "_");
  return sql(`${column} LIKE ? ESCAPE '\\'`, pattern);
}

function sql(text: string, ...values: readonly Value[]): Condition {
  return { sql: text, values };
}

/** All of them; none asked is true of everything. */
export function and(conditions: readonly Condition[]): Condition {
  return {
    sql: conditions.map((condition) => condition.sql).join(" AND ") || "1",
    values: conditions.flatMap((condition) => condition.values),
  };
}
