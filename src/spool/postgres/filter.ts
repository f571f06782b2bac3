/** A Filter as PostgreSQL asks it: the one place where lists, counts and actions learn what fits. */
// Text of a user is always a value, never part of a statement.
import type { Instant } from "../../platform/clock.ts";
import type { Filter, Lane } from "../spool.ts";
import { code } from "../states.ts";
import type { Cursor } from "../store.ts";
import { clean, list, type Value } from "./rows.ts";

/** A condition with "?" for each of its values, in their order. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly Value[];
}

/** The entries (`m`) that fit; undefined: none can, there is no such lane. */
export function entriesThat(
  lanes: ReadonlyMap<number, Lane>,
  filter: Filter,
  now: Instant,
): Condition | undefined {
  const within = lanesOf(lanes, filter);
  if (within !== undefined && within.length === 0) return undefined;
  return and([
    ...(filter.gone === true ? [] : [sql("m.gone IS NULL")]),
    ...(within === undefined ? [] : [laneIn(within)]),
    ...(filter.ids === undefined ? [] : [sql("m.id = ANY(?::text::uuid[])", list(filter.ids.filter(isId)))]),
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
  return and([
    ...(filter.recipient === undefined ? [] : [like("r.address", filter.recipient)]),
    ...(filter.domain === undefined ? [] : [like("r.domain", filter.domain)]),
    ...(filter.state === undefined ? [] : [stateIs(filter.state, now)]),
  ]);
}

/** Whether a filter asks for nothing but lanes: then their counters know. */
export function onlyLanes(filter: Filter): boolean {
  const asked = Object.entries(filter).filter(([, value]) => value !== undefined && value !== false);
  return asked.every(([key]) => ["direction", "customer", "sort"].includes(key));
}

/** The lanes that fit; undefined: the filter does not say. */
export function lanesOf(
  lanes: ReadonlyMap<number, Lane>,
  { direction, customer }: Filter,
): readonly number[] | undefined {
  if (direction === undefined && customer === undefined) return undefined;
  return [...lanes].flatMap(([id, lane]) =>
    lane.direction === (direction ?? lane.direction) && lane.customer === (customer ?? lane.customer)
      ? [id]
      : [],
  );
}

/** How each sorting orders, and what comes after a cursor. */
export const sortings: {
  readonly [S in NonNullable<Filter["sort"]>]: {
    readonly order: string;
    readonly after: (cursor: Cursor) => Condition;
  };
} = {
  oldest: { order: "m.seq", after: ({ seq }) => sql("m.seq > ?::bigint", seq) },
  newest: { order: "m.seq DESC", after: ({ seq }) => sql("m.seq < ?::bigint", seq) },
  largest: {
    order: "m.size DESC, m.seq",
    after: ({ seq, size }) => sql("(m.size, -m.seq) < (?::bigint, ?::bigint)", size, -seq),
  },
  smallest: {
    order: "m.size, m.seq",
    after: ({ seq, size }) => sql("(m.size, m.seq) > (?::bigint, ?::bigint)", size, seq),
  },
};

const comparisons = [
  ["arrivedBefore", "m.arrived < ?::bigint"],
  ["arrivedAfter", "m.arrived > ?::bigint"],
  ["largerThan", "m.size > ?::bigint"],
  ["smallerThan", "m.size < ?::bigint"],
] as const satisfies readonly (readonly [keyof Filter, string])[];

function laneIn(lanes: readonly number[]): Condition {
  if (lanes.length === 1) return sql("m.lane = ?::int", lanes[0] ?? 0);
  return sql("m.lane = ANY(?::text::int[])", list(lanes));
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
      return sql("(r.state = 0 OR (r.state = 1 AND r.due <= ?::bigint))", now);
    case "leased":
      return sql("(r.state = 1 AND r.due > ?::bigint)", now);
    default:
      return sql("r.state = ?::int", code[state]);
  }
}

/** Globs as ILIKE has them. */
function like(column: string, glob: string): Condition {
  const pattern = clean(glob)
    .replace(/[\\%_]/g, "\\$&")
    .replace(/\*+/g, "%")
    .replaceAll("?", "_");
  return sql(`${column} ILIKE ?`, pattern);
}

/** Whether a text is an id at all; what is none is of no entry. */
export function isId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}

export function sql(text: string, ...values: readonly Value[]): Condition {
  return { sql: text, values };
}

/** All of them; none asked is true of everything. */
export function and(conditions: readonly Condition[]): Condition {
  return {
    sql: conditions.map((condition) => condition.sql).join(" AND ") || "true",
    values: conditions.flatMap((condition) => condition.values),
  };
}

/** A statement whose "?" are numbered as PostgreSQL wants them. */
export function numbered(text: string): string {
  let n = 0;
  return text.replace(/\?/g, () => `$${++n}`);
}
