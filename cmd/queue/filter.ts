/** What `odmr queue` chooses by: ids as arguments or from stdin, and filters. */
// All that is given must fit. Nothing given is everything, and for an action that must be said: --all.
import type { FlagParametersForType } from "@stricli/core";
import { parseDuration, parseSize } from "../../src/config/units.ts";
import type { Instant } from "../../src/platform/clock.ts";
import type { Direction, Filter, RecipientState } from "../../src/spool/spool.ts";
import { UsageError } from "../exit.ts";
import { type Context, switchFlag, textFlag } from "../flags.ts";

type Sort = NonNullable<Filter["sort"]>;

export interface FilterFlags {
  readonly customer?: string;
  readonly direction?: Direction;
  readonly state?: RecipientState;
  readonly sender?: string;
  readonly recipient?: string;
  readonly domain?: string;
  readonly olderThan?: number;
  readonly newerThan?: number;
  readonly largerThan?: number;
  readonly smallerThan?: number;
  readonly limit?: number;
  readonly sort?: Sort;
}

const STATES = ["waiting", "leased", "held", "delivered", "refused", "expired", "removed"] as const;
const SORTS = ["oldest", "newest", "largest", "smallest"] as const;
const DIRECTIONS = ["turn", "local", "outgoing"] as const;
/** Entries whose every recipient is in one of these have left the queue. */
const LEFT: readonly RecipientState[] = ["delivered", "refused", "expired", "removed"];

export const filterFlags: FlagParametersForType<FilterFlags, Context> = {
  customer: textFlag("NAME", "Of this customer, or of this account"),
  direction: { kind: "enum", values: DIRECTIONS, optional: true, brief: "On this way" },
  state: { kind: "enum", values: STATES, optional: true, brief: "With a recipient in this state" },
  sender: textFlag("GLOB", 'From this sender; "<>" is the null sender'),
  recipient: textFlag("GLOB", "With this recipient"),
  domain: textFlag("GLOB", "With a recipient of this domain"),
  olderThan: parsedFlag("DURATION", "Here for longer than this, such as 3d or 12h", duration),
  newerThan: parsedFlag("DURATION", "Here for less than this", duration),
  largerThan: parsedFlag("SIZE", "Larger than this, such as 10MiB", size),
  smallerThan: parsedFlag("SIZE", "Smaller than this", size),
  limit: parsedFlag("COUNT", "No more than this many", count),
  sort: { kind: "enum", values: SORTS, optional: true, brief: "What comes first; oldest unless given" },
};

/** For what also looks back. */
export const goneFlag = switchFlag("Also what has left: delivered, refused, expired or removed");

/** For actions. */
export const allFlag = switchFlag("Everything that is here, where neither ids nor filters are given");

export const idArguments = {
  kind: "array",
  parameter: {
    parse: (id: string) => id,
    brief: 'Ids of entries; "-" reads them from stdin',
    placeholder: "ID",
  },
} as const;

/** The filter that ids and flags say. @throws UsageError for what is no id */
export async function filterOf(flags: FilterFlags, ids: readonly string[], now: Instant): Promise<Filter> {
  const { olderThan, newerThan, customer, direction, state, sender, recipient, domain } = flags;
  const { largerThan, smallerThan, limit, sort } = flags;
  const given = {
    ids: await idsOf(ids),
    arrivedBefore: olderThan === undefined ? undefined : now - olderThan,
    arrivedAfter: newerThan === undefined ? undefined : now - newerThan,
    ...{ customer, direction, state, sender, recipient, domain, largerThan, smallerThan, limit, sort },
    gone: state !== undefined && LEFT.includes(state) ? true : undefined,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** A limit or an order chooses nothing by itself. @throws UsageError */
export function mustChoose(filter: Filter, all: boolean): void {
  const chosen = Object.keys(filter).filter((key) => key !== "limit" && key !== "sort");
  if (chosen.length === 0 && !all) throw new UsageError("on which entries? give ids, a filter, or --all");
  if (filter.ids !== undefined && all) throw new UsageError("ids or --all, not both");
}

const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Undefined: none were given. An empty stdin gives none of them, which is not the same. */
export async function idsOf(words: readonly string[]): Promise<readonly string[] | undefined> {
  if (words.length === 0) return undefined;
  const ids: string[] = [];
  for (const word of words) ids.push(...(word === "-" ? await idsFromStdin() : [word]));
  const wrong = ids.find((id) => !ID.test(id));
  if (wrong !== undefined)
    throw new UsageError(`${JSON.stringify(wrong)} is no id; ids look like those of odmr queue list`);
  return ids.map((id) => id.toLowerCase());
}

/** One id a line; what follows on a line is for people. */
async function idsFromStdin(): Promise<readonly string[]> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of process.stdin) text += decoder.decode(piece as Uint8Array, { stream: true });
  return text.split("\n").flatMap((line) => line.trim().split(/\s+/)[0] || []);
}

function parsedFlag(placeholder: string, brief: string, parse: (text: string) => number) {
  return { kind: "parsed", parse, optional: true, placeholder, brief } as const;
}

function duration(text: string): number {
  return parseDuration(text) ?? wrong(`"${text}" is not a duration; write 3d, 12h or 30m`);
}

function size(text: string): number {
  return parseSize(text) ?? wrong(`"${text}" is not a size; write 10MiB or 500kB`);
}

function count(text: string): number {
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : wrong(`"${text}" is not a count; write 100`);
}

function wrong(why: string): never {
  throw new UsageError(why);
}
