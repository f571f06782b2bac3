/** A queue from afar: the part of a spool that operators need, over the admin interface of the odmr that has it. */
// What comes back is checked before it is believed; how it comes is farside.ts.
import type { z } from "zod";
import {
  actedShape,
  addedShape,
  type EntryJson,
  type EventJson,
  entryShape,
  eventShape,
  IDS_MOST,
  type NodeJson,
  nodeShape,
  PAGE_MOST,
  pageOf,
  type RuleJson,
  ruleShape,
  verifyLine,
} from "../admin/schema.ts";
import type { Address } from "../wire/address.ts";
import { FarSide, type Query, type RemoteOptions, recordIn, refuse } from "./farside.ts";
import type { Finding } from "./finding.ts";
import type { Added } from "./post.ts";
import type { HoldRule, NodeRecord, Records } from "./records.ts";
import {
  type Action,
  type Actor,
  type Entry,
  type Filter,
  type HistoryFilter,
  type MessageId,
  type Queue,
  SpoolError,
  type SpoolEvent,
} from "./spool.ts";
import type { Watch } from "./verify.ts";

/** The rules that hold new mail. */
export type HoldRules = Pick<Records, "holdRules" | "addHoldRule" | "removeHoldRule">;
/** The programs at work on a shared spool. */
export type Nodes = Pick<Records, "nodes">;

/** A message to be added, in canonical octets. */
export interface NewMessage {
  readonly from: Address;
  readonly to: readonly Address[];
  readonly customer: string | undefined;
  readonly content: AsyncIterable<Uint8Array>;
}

/** Ids that one address carries: servers and proxies take 8 KiB and more. */
const IDS_PER_ADDRESS = 150;

export class RemoteQueue implements Queue, HoldRules, Nodes {
  readonly #far: FarSide;

  constructor(options: RemoteOptions) {
    this.#far = new FarSide(options);
  }

  async *list(filter: Filter): AsyncGenerator<Entry> {
    const entries = this.#inParts(filter.ids, filter, (ids) =>
      this.#pages("queue", entryPages, { ...queryOf(filter), sort: filter.sort, ids }, entryOf),
    );
    yield* first(filter.limit, sorted(entries, filter));
  }

  async count(filter: Filter): Promise<number> {
    const { ids, limit, ...rest } = filter;
    let count = 0;
    for (const part of partsOf(ids, filter)) {
      const answer = await this.#ask("GET", "queue/count", { ...queryOf(rest), ids: part });
      count += Number(recordIn(answer).count);
    }
    return Math.min(count, limit ?? count);
  }

  async content(id: MessageId): Promise<AsyncIterable<Uint8Array> | undefined> {
    const response = await this.#far.fetch("GET", `queue/${id}/message`);
    if (response.status === 404) return undefined;
    await refuse(response);
    return response.body ?? nothing();
  }

  async *act(action: Action, filter: Filter, by: Actor, dry?: "dry"): AsyncGenerator<MessageId> {
    const wish = {
      action: action.type,
      ...(action.type === "move" && { customer: action.customer }),
      ...{ all: true, dryRun: dry === "dry", reason: by.reason },
    };
    let left = filter.limit ?? Number.POSITIVE_INFINITY;
    for (const ids of filter.ids === undefined ? [undefined] : chunksOf(filter.ids, IDS_MOST))
      for (let cursor: string | null | undefined; cursor !== null && left > 0; ) {
        const rest = { filter: bodyOf(filter, ids), limit: Math.min(left, PAGE_MOST), cursor };
        const acted = checked(actedShape, await this.#ask("POST", "queue/actions", {}, { ...wish, ...rest }));
        yield* acted.ids;
        left -= acted.ids.length;
        cursor = acted.next;
      }
  }

  async *history(filter: HistoryFilter): AsyncGenerator<SpoolEvent> {
    const after = filter.after === undefined ? undefined : new Date(filter.after).toISOString();
    const events = this.#inParts(filter.ids, {}, (ids) =>
      this.#pages("history", eventPages, { after, ids }, eventOf),
    );
    yield* first(filter.limit, events);
  }

  /** Adds a message; where it goes is decided there. Resolves when it is safe. */
  async add({ content, ...query }: NewMessage): Promise<readonly Added[]> {
    return checked(addedShape, await this.#ask("POST", "queue", query, content)).items;
  }

  /** The conservation check, made there. @throws SpoolError if it does not come to its end */
  async *verify(watch: Watch = () => {}): AsyncGenerator<Finding> {
    const response = await this.#far.fetch("GET", "verify");
    await refuse(response);
    for await (const text of this.#far.lines(response)) {
      const line = checked(verifyLine, jsonIn(text));
      if (line.type === "end") return;
      if (line.type === "progress") watch(line.octets, line.of);
      else yield line;
    }
    throw new SpoolError("busy", "the check broke off before all was looked at; begin again");
  }

  async holdRules(): Promise<readonly HoldRule[]> {
    const { items } = recordIn(await this.#ask("GET", "hold-rules"));
    return checked(ruleShape.array(), items).map(ruleOf);
  }

  async addHoldRule({ actor: _, ...rule }: Omit<HoldRule, "id" | "made">): Promise<HoldRule> {
    return ruleOf(checked(ruleShape, await this.#ask("POST", "hold-rules", {}, rule)));
  }

  async removeHoldRule(id: string): Promise<boolean> {
    const response = await this.#far.fetch("DELETE", `hold-rules/${encodeURIComponent(id)}`);
    if (response.status === 404) return false;
    await refuse(response);
    return true;
  }

  async nodes(): Promise<readonly NodeRecord[]> {
    const { nodes } = recordIn(await this.#ask("GET", "stats"));
    // One of an earlier version has none to tell of.
    return checked(nodeShape.array(), nodes ?? []).map(nodeOf);
  }

  async close(): Promise<void> {}

  async *#inParts<T>(
    ids: readonly MessageId[] | undefined,
    order: Pick<Filter, "sort">,
    read: (ids: string | undefined) => AsyncIterable<T>,
  ): AsyncGenerator<T> {
    for (const part of partsOf(ids, order)) yield* read(part);
  }

  async *#pages<J, T>(
    path: string,
    shape: z.ZodType<{ items: J[]; next: string | null }>,
    query: Query,
    read: (json: J) => T,
  ): AsyncGenerator<T> {
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const answer = await this.#ask("GET", path, { ...query, limit: String(PAGE_MOST), cursor });
      const { items, next } = checked(shape, answer);
      for (const item of items) yield read(item);
      cursor = next;
    }
  }

  async #ask(method: string, path: string, query: Query = {}, body?: object): Promise<unknown> {
    return await this.#far.json(await this.#far.fetch(method, path, query, body));
  }
}

const entryPages = pageOf(entryShape);
const eventPages = pageOf(eventShape);

function checked<T>(shape: z.ZodType<T>, answer: unknown): T {
  const { data, error } = shape.safeParse(answer);
  if (error === undefined) return data as T;
  throw new SpoolError("protocol", `the admin interface answers what is not expected: ${error.message}`);
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The filter as the interface's query has it; ids and order go their own ways. */
function queryOf({ ids: _, sort: __, limit: ___, ...filter }: Filter): Query {
  const { arrivedBefore, arrivedAfter, largerThan, smallerThan, gone, ...plain } = filter;
  return {
    ...plain,
    arrivedBefore: dated(arrivedBefore),
    arrivedAfter: dated(arrivedAfter),
    largerThan: largerThan?.toString(),
    smallerThan: smallerThan?.toString(),
    gone: gone === true ? "true" : undefined,
  };
}

/** The same for an action, which is about what is still here. */
function bodyOf(filter: Filter, ids: readonly MessageId[] | undefined): object {
  const { sort: _, limit: __, gone: ___, arrivedBefore, arrivedAfter, ...plain } = filter;
  return { ...plain, ids, arrivedBefore: dated(arrivedBefore), arrivedAfter: dated(arrivedAfter) };
}

const dated = (at: number | undefined): string | undefined =>
  at === undefined ? undefined : new Date(at).toISOString();

/** Ids as queries carry them: one query without any, or some for so many. They sort by time, and so do the parts. */
function partsOf(
  ids: readonly MessageId[] | undefined,
  { sort }: Pick<Filter, "sort">,
): readonly (string | undefined)[] {
  if (ids === undefined) return [undefined];
  const ordered = [...new Set(ids)].sort();
  return chunksOf(sort === "newest" ? ordered.reverse() : ordered, IDS_PER_ADDRESS).map((part) =>
    part.join(","),
  );
}

function chunksOf<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

/** By size over several queries: only named entries need several, and those can be sorted here. */
async function* sorted(entries: AsyncIterable<Entry>, { ids = [], sort }: Filter): AsyncGenerator<Entry> {
  const bySize = sort === "largest" || sort === "smallest";
  if (!bySize || ids.length <= IDS_PER_ADDRESS) return yield* entries;
  const all = await Array.fromAsync(entries);
  yield* all.sort((a, b) => (sort === "largest" ? b.size - a.size : a.size - b.size));
}

async function* first<T>(limit: number | undefined, items: AsyncIterable<T>): AsyncGenerator<T> {
  let left = limit ?? Number.POSITIVE_INFINITY;
  if (left <= 0) return;
  for await (const item of items) {
    yield item;
    if (--left <= 0) return;
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function entryOf({ recipients, arrived, expires, source, ...plain }: EntryJson): Entry {
  return {
    ...plain,
    recipients: recipients.map(({ nextAttempt, reply, ...rest }) => ({
      ...rest,
      ...(nextAttempt !== null && { nextAttempt: Date.parse(nextAttempt) }),
      ...(reply !== null && { reply }),
    })),
    arrived: Date.parse(arrived),
    expires: Date.parse(expires),
    source: {
      protocol: source.protocol,
      peer: source.peer,
      ...(source.auth !== null && { auth: source.auth }),
    },
  };
}

function eventOf({ at, recipient, ...plain }: EventJson): SpoolEvent {
  return { ...plain, at: Date.parse(at), ...(recipient !== null && { recipient }) };
}

function ruleOf({ customer, sender, recipient, largerThan, made, ...plain }: RuleJson): HoldRule {
  return {
    ...plain,
    made: Date.parse(made),
    ...(customer !== null && { customer }),
    ...(sender !== null && { sender }),
    ...(recipient !== null && { recipient }),
    ...(largerThan !== null && { largerThan }),
  };
}

function nodeOf({ started, seen, ...plain }: NodeJson): NodeRecord {
  return { ...plain, started: Date.parse(started), seen: Date.parse(seen) };
}
