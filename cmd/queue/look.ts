/** `odmr queue list`, `show`, `cat`, `count`, `stats` and `history`: looking without touching. */
// What nothing matched ends with 1; a count of nothing is an answer, and ends with 0.
import { buildCommand } from "@stricli/core";
import { systemClock } from "../../src/platform/clock.ts";
import type { Entry, Filter, Queue } from "../../src/spool/spool.ts";
import { status, UsageError } from "../exit.ts";
import { type Context, helpText, switchFlag } from "../flags.ts";
import { left, right, type Screen, safe, safeLines, screenOf, sizeText } from "../table.ts";
import { type FilterFlags, filterFlags, filterOf, goneFlag, idArguments, idsOf } from "./filter.ts";
import { type QueueFlags, queueFlags, withQueue } from "./open.ts";
import { Lines, written } from "./out.ts";
import {
  entryInFull,
  entryJson,
  entryLine,
  eventJson,
  eventLine,
  nodeHead,
  nodeJson,
  nodeRow,
  tableHead,
  tableRow,
  time,
} from "./print.ts";

interface LookFlags extends QueueFlags, FilterFlags {
  readonly json: boolean;
  readonly gone: boolean;
}

/** In usage lines. */
const chosen = "[ID...] [filters]";
const jsonFlag = switchFlag("JSON Lines: one object a line, and nothing else on stdout");
const lookFlags = { ...queueFlags, ...filterFlags, json: jsonFlag, gone: goneFlag } as const;

/** How entries are shown: what stands over the first, before each further one, and for each. */
interface Form {
  readonly head?: string;
  readonly between?: string;
  readonly row: (entry: Entry) => string;
}

async function print({ process }: Context, flags: LookFlags, filter: Filter, form: Form): Promise<void> {
  const found = await withQueue(flags, async ({ queue }) => {
    const lines = new Lines(process.stdout);
    let count = 0;
    for await (const entry of queue.list(filter)) {
      const above = count++ === 0 ? form.head : form.between;
      if (above !== undefined) await lines.line(above);
      await lines.line(form.row(entry));
    }
    await lines.end();
    return count;
  });
  if (found === 0) nothing(process, flags);
}

/** Said to whoever reads; programs, which ask for JSON, go by the status. */
function nothing(process: Context["process"], { json }: { readonly json: boolean }): void {
  if (!json) process.stderr.write("odmr: nothing matched\n");
  process.exitCode = status.noMatch;
}

const asJson: Form = { row: entryJson };
const asLines: Form = { row: entryLine };

function asTable(columns: number, now: number, screen: Screen): Form {
  return { head: tableHead(columns), row: (entry) => tableRow(entry, now, screen) };
}

export const listCommand = buildCommand<LookFlags, string[], Context>({
  async func(flags, ...ids) {
    const now = systemClock.now();
    const screen = screenOf(this.process.stdout, this.process.env);
    const plain = screen.columns === undefined ? asLines : asTable(screen.columns, now, screen);
    await print(this, flags, await lookFilter(flags, ids, now), flags.json ? asJson : plain);
  },
  parameters: { flags: lookFlags, positional: idArguments },
  docs: {
    brief: "List what waits, or what filters choose",
    customUsage: [chosen],
    fullDescription: helpText(
      "On a terminal a table; in a pipe one line for each entry, with tabs between.",
      {
        "odmr queue list": "all that waits",
        "odmr queue list --customer home --larger-than 10MiB": "large mail of one customer",
        "odmr queue list --state held --json | jq -r .id | odmr queue release -": "ids for another command",
      },
    ),
  },
});

export const showCommand = buildCommand<LookFlags, string[], Context>({
  async func(flags, ...ids) {
    const screen = screenOf(this.process.stdout, this.process.env);
    const filter = await lookFilter({ ...flags, gone: flags.gone || ids.length > 0 }, ids, systemClock.now());
    await print(
      this,
      flags,
      filter,
      flags.json ? asJson : { between: "", row: (entry) => entryInFull(entry, screen) },
    );
  },
  parameters: { flags: lookFlags, positional: idArguments },
  docs: {
    brief: "Show all that is known of entries, also of those that have left",
    customUsage: [chosen],
  },
});

export const countCommand = buildCommand<LookFlags, string[], Context>({
  async func(flags, ...ids) {
    const filter = await lookFilter(flags, ids, systemClock.now());
    const count = await withQueue(flags, ({ queue }) => queue.count(filter));
    await written(this.process.stdout, flags.json ? `${JSON.stringify({ count })}\n` : `${count}\n`);
  },
  parameters: { flags: lookFlags, positional: idArguments },
  docs: { brief: "Count entries", customUsage: [chosen] },
});

interface CatFlags extends QueueFlags {
  readonly headers: boolean;
}

export const catCommand = buildCommand<CatFlags, string[], Context>({
  async func(flags, ...words) {
    const ids = await idsOf(words);
    if (ids === undefined) throw new UsageError("which message? give its id");
    const { stdout, stderr } = this.process;
    const show = isTerminal(stdout) ? asText : asOctets;
    const found = await withQueue(flags, async ({ queue }) => {
      let count = 0;
      for (const id of ids) {
        const content = await queue.content(id);
        if (content === undefined) stderr.write(`odmr: there is no message ${id}, or it has left\n`);
        else count++;
        for await (const piece of show(flags.headers ? headerOf(content ?? []) : (content ?? [])))
          await written(stdout, piece);
      }
      return count;
    });
    if (found === 0) this.process.exitCode = status.noMatch;
  },
  parameters: {
    flags: { ...queueFlags, headers: switchFlag("The header alone") },
    positional: idArguments,
  },
  docs: {
    customUsage: ["ID..."],
    brief: "Write a message: to a pipe as it is, to a terminal with controls made visible",
    fullDescription: helpText("The trace fields that we put on top are part of it.", {
      "odmr queue cat ID > message.eml": "octet for octet",
      "odmr queue cat --headers ID": "what it says of itself",
    }),
  },
});

export const statsCommand = buildCommand<LookFlags, string[], Context>({
  async func(flags, ...ids) {
    const filter = await lookFilter(flags, ids, systemClock.now());
    const { lanes, nodes } = await withQueue(flags, async ({ queue, nodes }) => ({
      lanes: await lanesOf(queue, filter),
      // Whoever asks for some of the mail does not ask for them.
      nodes: Object.keys(filter).length === 0 ? await nodes.nodes() : [],
    }));
    const lines = new Lines(this.process.stdout);
    if (!flags.json)
      await lines.line(
        `${left("DIRECTION", 9)}  ${left("CUSTOMER", 16)}  ${right("ENTRIES", 8)}  ${right("SIZE", 5)}  OLDEST`,
      );
    for (const { direction, customer, entries, octets, oldest, states } of lanes)
      await lines.line(
        flags.json
          ? JSON.stringify({ direction, customer, entries, octets, oldest: time(oldest), states })
          : `${left(direction, 9)}  ${left(safe(customer), 16)}  ${right(String(entries), 8)}  ${right(sizeText(octets), 5)}  ${time(oldest)}`,
      );
    if (!flags.json && nodes.length > 0) await lines.line(`\n${nodeHead}`);
    for (const node of nodes) await lines.line(flags.json ? nodeJson(node) : nodeRow(node));
    await lines.end();
    if (lanes.length === 0) nothing(this.process, flags);
  },
  parameters: { flags: lookFlags, positional: idArguments },
  docs: {
    brief: "Sum up what waits, by direction and customer; of a shared spool, its nodes too",
    customUsage: [chosen],
    fullDescription: helpText(
      'With --json an object for each lane; then, of a shared spool and without filters, for each node: {"node": NAME, …}.',
      {
        "odmr queue stats": "who has how much here, and which relays are at work",
        "odmr queue stats --json | jq 'select(.node and (.alive | not))'": "nodes that ended without a word",
      },
    ),
  },
});

interface HistoryFlags extends QueueFlags, Pick<FilterFlags, "newerThan" | "limit"> {
  readonly json: boolean;
}

export const historyCommand = buildCommand<HistoryFlags, string[], Context>({
  async func(flags, ...words) {
    const ids = await idsOf(words);
    const after = flags.newerThan === undefined ? undefined : systemClock.now() - flags.newerThan;
    const found = await withQueue(flags, async ({ queue }) => {
      const lines = new Lines(this.process.stdout);
      const events = queue.history({ ...(ids && { ids }), ...(after !== undefined && { after }) });
      let count = 0;
      for await (const event of flags.limit === undefined ? events : newest(flags.limit, events)) {
        count++;
        await lines.line(flags.json ? eventJson(event) : eventLine(event));
      }
      await lines.end();
      return count;
    });
    if (found === 0) nothing(this.process, flags);
  },
  parameters: {
    flags: { ...queueFlags, newerThan: filterFlags.newerThan, limit: filterFlags.limit, json: jsonFlag },
    positional: idArguments,
  },
  docs: {
    brief: "Tell what happened to entries, by whom and why, oldest first",
    customUsage: ["[ID...]"],
    fullDescription: helpText("With --limit the newest of it, still with the oldest first.", {
      "odmr queue history --limit 20": "the last twenty changes",
      "odmr queue history --newer-than 1d --json": "a day, for a program",
      "odmr queue history ID": "the life of one message",
    }),
  },
});

/** The last so many, in their order. */
async function* newest<T>(most: number, items: AsyncIterable<T>): AsyncGenerator<T> {
  const kept: T[] = [];
  let seen = 0;
  for await (const item of items) kept[seen++ % most] = item;
  const first = seen > most ? seen % most : 0;
  yield* kept.slice(first);
  yield* kept.slice(0, first);
}

async function lookFilter(flags: LookFlags, ids: readonly string[], now: number): Promise<Filter> {
  const filter = await filterOf(flags, ids, now);
  return flags.gone ? { ...filter, gone: true } : filter;
}

interface LaneSum {
  readonly direction: string;
  readonly customer: string;
  entries: number;
  octets: number;
  oldest: number;
  readonly states: Record<string, number>;
}

async function lanesOf(queue: Queue, filter: Filter): Promise<readonly LaneSum[]> {
  const lanes = new Map<string, LaneSum>();
  for await (const { direction, customer, size, arrived, state } of queue.list(filter)) {
    const key = `${direction} ${customer}`;
    const sum = lanes.get(key) ?? { direction, customer, entries: 0, octets: 0, oldest: arrived, states: {} };
    lanes.set(key, sum);
    sum.entries++;
    sum.octets += size;
    sum.oldest = Math.min(sum.oldest, arrived);
    sum.states[state] = (sum.states[state] ?? 0) + 1;
  }
  return [...lanes.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
}

type Octets = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** The octets through the blank line that ends the header. */
async function* headerOf(content: Octets): AsyncGenerator<Uint8Array> {
  let last = "";
  for await (const piece of content) {
    const end = (last + latin1(piece)).indexOf("\r\n\r\n");
    if (end >= 0) return yield piece.subarray(0, end + 4 - last.length);
    yield piece;
    last = (last + latin1(piece)).slice(-3);
  }
}

const latin1 = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes);

async function* asOctets(content: Octets): AsyncGenerator<Uint8Array> {
  yield* content;
}

/** Readable, with CRLF as a line end and every other control made visible. */
async function* asText(content: Octets): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let heldCr = "";
  for await (const piece of content) {
    const text = heldCr + decoder.decode(piece, { stream: true });
    heldCr = text.endsWith("\r") ? "\r" : "";
    yield safeLines(text.slice(0, text.length - heldCr.length).replaceAll("\r\n", "\n"));
  }
  yield safeLines(heldCr + decoder.decode());
}

const isTerminal = (stream: object): boolean => "isTTY" in stream && stream.isTTY === true;
