/** The filters of the queue page: what its form says, as the interface takes them. */
// A filter that is acted on is frozen first: "older than a day" becomes a moment, so that what was shown is what is meant.
import type { Query } from "../desk.ts";
import { filterQuery } from "../schema.ts";

const NAMES = [
  ...["recipient", "sender", "customer", "state", "direction", "domain"],
  ...["olderThan", "newerThan", "largerThan", "smallerThan", "gone"],
] as const;

const ADDRESSES = new Set(["recipient", "sender"]);

/** The filters of a form or an address, those that say something. */
export function filtersOf(query: Query): Query {
  return Object.fromEntries(
    NAMES.flatMap((name) => {
      const value = query[name]?.trim() ?? "";
      return value === "" ? [] : [[name, value]];
    }),
  );
}

/** The same for the interface: part of an address stands for every address that has it. */
export function asked(filters: Query): Query {
  return Object.fromEntries(
    Object.entries(filters).map(([name, value]) => [name, ADDRESSES.has(name) ? globOf(value ?? "") : value]),
  );
}

const globOf = (text: string): string => (/[*?@<]/.test(text) ? text : `*${text}*`);

/** The filters as an action takes them; undefined if one of them is not understood. */
export function frozen(filters: Query, now: number): Readonly<Record<string, unknown>> | undefined {
  const { success, data } = filterQuery.safeParse(asked(filters));
  if (!success) return undefined;
  const { olderThan, newerThan, gone: _, ...rest } = data;
  const ago = (ms: number) => new Date(now - ms).toISOString();
  return {
    ...rest,
    ...(olderThan !== undefined && { arrivedBefore: ago(olderThan) }),
    ...(newerThan !== undefined && { arrivedAfter: ago(newerThan) }),
  };
}

/** An address of the queue page. */
export function queueLink(query: Query): string {
  const given = Object.entries(query).filter((each): each is [string, string] => Boolean(each[1]));
  return given.length > 0 ? `/queue?${new URLSearchParams(given)}` : "/queue";
}
