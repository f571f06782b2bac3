/** The embedded spool's records: questions go to its reader, what is written rides in its commits. */
// Each watcher reads on from where it is, at its own pace: nothing is queued for it, so nothing can pile up.
import type { Clock, Instant } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { Committer } from "./committer.ts";
import type {
  Bucket,
  Change,
  CommitTimes,
  HoldRule,
  LaneSum,
  NodeRecord,
  PageOf,
  Place,
  Records,
  RunningTurn,
  Totals,
  TurnFacts,
  TurnFilter,
  TurnRecord,
} from "./records.ts";
import { NotedTurn } from "./running.ts";
import type { Action, Actor, Entry, Filter, MessageId, SpoolEvent } from "./spool.ts";
import type { ChangesWish, Cursor } from "./store.ts";

/** How long other processes' changes may stay unseen, in milliseconds. */
const LOOK_EVERY = 500;
/** Changes that a watcher reads at once. */
const READ = 500;
/** Entries that one operation of an action looks at. */
const BATCH = 1000;

export interface BookTools {
  readonly clock: Clock;
  readonly log: Log;
  readonly committer: Committer;
  readonly reader: () => Promise<Committer>;
  readonly newId: () => string;
  readonly commits: () => CommitTimes;
  readonly nodes?: () => Promise<readonly NodeRecord[]>;
}

export class SpoolBook implements Records {
  readonly #tools: BookTools;
  readonly #watchers = new Set<() => void>();

  constructor(tools: BookTools) {
    this.#tools = tools;
  }

  /** Something was committed. */
  nudge(): void {
    for (const wake of this.#watchers) wake();
  }

  turn(facts: TurnFacts): RunningTurn {
    const { clock, log, committer, newId } = this.#tools;
    const note = (turn: TurnRecord) => committer.submit("noteTurn", { turn, now: clock.now() });
    return new NotedTurn(newId(), facts, { clock, log, note });
  }

  async turns(filter: TurnFilter): Promise<readonly TurnRecord[]> {
    return await (await this.#reader()).submit("turns", { filter, now: this.#now() });
  }

  async lastTurns(): Promise<readonly TurnRecord[]> {
    return await (await this.#reader()).submit("lastTurns", { now: this.#now() });
  }

  async *watch(signal: AbortSignal, after?: number): AsyncGenerator<Change> {
    const reader = await this.#reader();
    const ask = (from: ChangesWish["after"]) =>
      reader.submit("changes", { after: from, limit: READ, now: this.#now() });
    let from = after === undefined ? (await ask(undefined)).next : { event: after };
    while (!signal.aborted) {
      const news = this.#news(signal);
      const { changes, next } = await ask(from);
      yield* changes;
      from = next;
      if (changes.length === 0) await news;
    }
  }

  async series(from: Instant, to: Instant, bucket: number): Promise<readonly Bucket[]> {
    return await (await this.#reader()).submit("series", { from, to, bucket });
  }

  async lanes(): Promise<readonly LaneSum[]> {
    return await (await this.#reader()).submit("lanes", { now: this.#now() });
  }

  async totals(): Promise<Totals> {
    return await (await this.#reader()).submit("totals", {});
  }

  commits(): CommitTimes {
    return this.#tools.commits();
  }

  async nodes(): Promise<readonly NodeRecord[]> {
    return (await this.#tools.nodes?.()) ?? [];
  }

  async holdRules(): Promise<readonly HoldRule[]> {
    return await (await this.#reader()).submit("holdRules", {});
  }

  async addHoldRule(rule: Omit<HoldRule, "id" | "made">): Promise<HoldRule> {
    const made: HoldRule = { ...rule, id: this.#tools.newId(), made: this.#now() };
    await this.#tools.committer.submit("addHoldRule", made);
    return made;
  }

  async removeHoldRule(id: string): Promise<boolean> {
    return await this.#tools.committer.submit("removeHoldRule", { id });
  }

  async page(filter: Filter, { after, limit }: Place): Promise<PageOf<Entry>> {
    const reader = await this.#reader();
    const page = await reader.submit("page", { filter, now: this.#now(), after: cursorFrom(after), limit });
    return { items: page.entries, ...(page.next && { next: cursorText(page.next) }) };
  }

  /** Looks on until so many entries changed, or all were looked at. */
  async actPage(
    action: Action,
    filter: Filter,
    by: Actor,
    { after, limit }: Place,
    dry?: "dry",
  ): Promise<PageOf<MessageId>> {
    const ids: MessageId[] = [];
    let from = cursorFrom(after);
    do {
      const acted = await this.#tools.committer.submit("act", {
        ...{ action, filter, by, now: this.#now() },
        ...{ dry: dry === "dry", after: from, limit: BATCH, most: Math.min(limit - ids.length, BATCH) },
      });
      ids.push(...acted.ids);
      from = acted.next;
    } while (from !== undefined && ids.length < limit);
    return { items: ids, ...(from && { next: cursorText(from) }) };
  }

  async latest(limit: number): Promise<readonly SpoolEvent[]> {
    return await (await this.#reader()).submit("latest", { limit });
  }

  async historyPage(
    ids: readonly MessageId[] | undefined,
    { after, limit }: Place,
  ): Promise<PageOf<SpoolEvent>> {
    const [at = -1, seq = 0] = after?.split("-").map(Number) ?? [];
    const reader = await this.#reader();
    const page = await reader.submit("history", { ids, after: { at, seq }, limit });
    return { items: page.events, ...(page.next && { next: `${page.next.at}-${page.next.seq}` }) };
  }

  #reader(): Promise<Committer> {
    return this.#tools.reader();
  }

  #now(): Instant {
    return this.#tools.clock.now();
  }

  /** Resolves at the next commit of ours, when it is time to look for others', or when it is over. */
  #news(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        timer.stop();
        this.#watchers.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = this.#tools.clock.after(LOOK_EVERY, done);
      this.#watchers.add(done);
      signal.addEventListener("abort", done);
    });
  }
}

const cursorText = ({ seq, size }: Cursor): string => `${seq}-${size}`;

function cursorFrom(text: string | undefined): Cursor | undefined {
  if (text === undefined) return undefined;
  const [seq = 0, size = 0] = text.split("-").map(Number);
  return { seq, size };
}
