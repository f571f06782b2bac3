/** A queue from afar: the part of a spool that operators need, over the admin interface of the odmr that has it. */
// The token goes to the named host alone: no redirect is followed. What comes back is checked before it is believed.
import type { z } from "zod";
import {
  actedShape,
  type EntryJson,
  type EventJson,
  entryShape,
  eventShape,
  IDS_MOST,
  PAGE_MOST,
  pageOf,
  type RuleJson,
  ruleShape,
} from "../admin/schema.ts";
import type { Clock } from "../platform/clock.ts";
import type { HoldRule, Records } from "./records.ts";
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
  type SpoolFault,
} from "./spool.ts";

/** The rules that hold new mail. */
export type HoldRules = Pick<Records, "holdRules" | "addHoldRule" | "removeHoldRule">;

export interface RemoteOptions {
  /** `https://relay.example.net:8366/`; a path before the interface's own is kept. */
  readonly url: URL;
  readonly token: string | undefined;
  readonly clock: Clock;
  readonly fetch: (request: Request) => Promise<Response>;
}

/** How long an answer may be awaited; a message's octets may take longer. */
const PATIENCE = 60_000;

/** Ids that one address carries: servers and proxies take 8 KiB and more. */
const IDS_PER_ADDRESS = 150;

type Query = Readonly<Record<string, string | undefined>>;

export class RemoteQueue implements Queue, HoldRules {
  readonly #options: RemoteOptions;

  constructor(options: RemoteOptions) {
    this.#options = options;
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
    const response = await this.#fetch("GET", `queue/${id}/message`);
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

  async holdRules(): Promise<readonly HoldRule[]> {
    const { items } = recordIn(await this.#ask("GET", "hold-rules"));
    return checked(ruleShape.array(), items).map(ruleOf);
  }

  async addHoldRule({ actor: _, ...rule }: Omit<HoldRule, "id" | "made">): Promise<HoldRule> {
    return ruleOf(checked(ruleShape, await this.#ask("POST", "hold-rules", {}, rule)));
  }

  async removeHoldRule(id: string): Promise<boolean> {
    const response = await this.#fetch("DELETE", `hold-rules/${encodeURIComponent(id)}`);
    if (response.status === 404) return false;
    await refuse(response);
    return true;
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
    const response = await this.#fetch(method, path, query, body);
    await refuse(response);
    try {
      return await response.json();
    } catch (error) {
      throw new SpoolError("protocol", `${this.#options.url.host} does not answer as an odmr does`, {
        cause: error,
      });
    }
  }

  async #fetch(method: string, path: string, query: Query = {}, body?: object): Promise<Response> {
    const { url, token, clock, fetch } = this.#options;
    const address = new URL(`${url.pathname.replace(/\/*$/, "/")}api/v1/${path}`, url);
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) address.searchParams.set(name, value);
    const patience = new AbortController();
    const timer = clock.after(PATIENCE, () => patience.abort());
    try {
      return await fetch(
        new Request(address, {
          method,
          redirect: "manual",
          signal: patience.signal,
          headers: {
            ...(token !== undefined && { authorization: `Bearer ${token}` }),
            ...(body !== undefined && { "content-type": "application/json" }),
          },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        }),
      );
    } catch (error) {
      const why = patience.signal.aborted ? "it does not answer" : reasonOf(error);
      throw new SpoolError("unreachable", `cannot reach ${url.origin}: ${why}`, { cause: error });
    } finally {
      timer.stop();
    }
  }
}

const entryPages = pageOf(entryShape);
const eventPages = pageOf(eventShape);

/** What each refusal means; other 4xx are trouble with what was asked. */
const faults: Readonly<Record<number, SpoolFault>> = {
  401: "denied",
  403: "denied",
  404: "protocol",
  408: "busy",
  429: "busy",
};

/** @throws SpoolError unless it went well */
async function refuse(response: Response): Promise<void> {
  if (response.ok) return;
  const fault = response.status >= 500 ? "busy" : response.status < 400 ? "protocol" : undefined;
  throw new SpoolError(fault ?? faults[response.status] ?? "request", await problemIn(response));
}

/** RFC 9457: title and detail; else the status alone. */
async function problemIn(response: Response): Promise<string> {
  const status = `the admin interface answers ${response.status}`;
  try {
    const { title, detail, errors } = recordIn(await response.json());
    const wrong = Array.isArray(errors) ? errors.map((each) => Object.values(each).join(": ")) : [];
    const said = [title, detail, ...wrong].filter((word) => typeof word === "string" && word !== "");
    return [status, ...said].join(": ").replace(/\p{C}+/gu, " ");
  } catch {
    return status;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

function checked<T>(shape: z.ZodType<T>, answer: unknown): T {
  const { data, error } = shape.safeParse(answer);
  if (error === undefined) return data as T;
  throw new SpoolError("protocol", `the admin interface answers what is not expected: ${error.message}`);
}

function recordIn(answer: unknown): Readonly<Record<string, unknown>> {
  return typeof answer === "object" && answer !== null ? { ...answer } : {};
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
