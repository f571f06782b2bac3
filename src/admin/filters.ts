/** From what a request says to the spool's own Filter. */
import type { z } from "zod";
import type { Instant } from "../platform/clock.ts";
import type { Place } from "../spool/records.ts";
import type { Filter, RecipientState } from "../spool/spool.ts";
import type { filterBody, filterQuery, queueQuery } from "./schema.ts";

/** Entries whose every recipient is in one of these have left: whoever asks for them asks to look back. */
const LEFT: readonly RecipientState[] = ["delivered", "refused", "expired", "removed"];

type Query = z.infer<typeof filterQuery> & Pick<Partial<z.infer<typeof queueQuery>>, "sort">;

/** `olderThan` beside `arrivedBefore`: both must fit. */
export function filterOfQuery(query: Query, now: Instant): Filter {
  const { olderThan, newerThan, arrivedBefore, arrivedAfter, gone, ...rest } = query;
  const before = [instantOf(arrivedBefore), olderThan === undefined ? undefined : now - olderThan];
  const after = [instantOf(arrivedAfter), newerThan === undefined ? undefined : now - newerThan];
  return given<Filter>({
    ...chosen(rest),
    arrivedBefore: extreme(Math.min, before),
    arrivedAfter: extreme(Math.max, after),
    gone: gone === true || (query.state !== undefined && LEFT.includes(query.state)) ? true : undefined,
  });
}

export function filterOfBody(body: z.infer<typeof filterBody>): Filter {
  const { arrivedBefore, arrivedAfter, ...rest } = body;
  return given<Filter>({
    ...rest,
    arrivedBefore: instantOf(arrivedBefore),
    arrivedAfter: instantOf(arrivedAfter),
  });
}

export function placeOf({
  limit,
  cursor,
}: {
  readonly limit: number;
  readonly cursor?: string | undefined;
}): Place {
  return { limit, ...(cursor !== undefined && { after: cursor }) };
}

/** Without what is undefined. */
export function given<T extends object>(value: { readonly [K in keyof T]?: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T;
}

/** The filter's own keys of a query that says more. */
function chosen({ ids, direction, customer, state, sender, recipient, domain, ...more }: Query) {
  const { largerThan, smallerThan, sort } = more;
  return { ids, direction, customer, state, sender, recipient, domain, largerThan, smallerThan, sort };
}

function instantOf(text: string | undefined): Instant | undefined {
  return text === undefined ? undefined : Date.parse(text);
}

function extreme(
  of: (...values: readonly number[]) => number,
  values: readonly (number | undefined)[],
): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : of(...known);
}
