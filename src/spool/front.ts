/** The embedded spool: drafts, claims and questions, in front of a store that commits them in groups. */
// Nothing here waits on the database by itself: every wait is a place in the committer's next group.
import type { Clock, Instant, Timer } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { Random } from "../platform/random.ts";
import { SpoolBook } from "./book.ts";
import { fileOf, owedOf, piecesOf, SpoolClaim } from "./claim.ts";
import { Committer } from "./committer.ts";
import { SpoolDraft } from "./draft.ts";
import type { Movable } from "./movable.ts";
import { SpoolMover } from "./mover.ts";
import { paged } from "./paged.ts";
import type { NodeRecord, RecordingSpool, Records } from "./records.ts";
import type { Named } from "./recover.ts";
import type { Shelf } from "./shelf.ts";
import {
  type Acceptance,
  type Action,
  type Actor,
  type Ageing,
  type Awaited,
  type Claim,
  type Claimable,
  type Direction,
  type Draft,
  type Entry,
  type Filter,
  type Holder,
  type Lane,
  type MessageId,
  type Owed,
  type Payment,
  SpoolError,
  type SpoolEvent,
  type Usage,
} from "./spool.ts";
import type { Cursor, HeldBodies, HeldBody, Input, LaneUsage, Output, Store } from "./store.ts";
import { TimedStore } from "./timed.ts";
import { uuids } from "./uuid.ts";

export interface FrontOptions {
  readonly id: string;
  /** Where large bodies lie. */
  readonly bodies: Shelf;
  /** Bodies that no row names, of those that lie there. */
  readonly strays: (named: () => Promise<Named>) => Promise<readonly string[]>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Who this program is, in the events: `serve`, `pull`, … */
  readonly actor: string;
  /** A second connection for long questions, made at the first; undefined: the store answers them too. */
  readonly reader?: () => Promise<Store>;
  /** Of a shared spool: the programs at work on it. */
  readonly nodes?: () => Promise<readonly NodeRecord[]>;
  /** Of a shared spool: calls `look` when another node has something new. */
  readonly heard?: ((look: () => void) => void) | undefined;
  /** Of a shared spool: what makes its nodes one relay. */
  readonly secret?: string;
  /** Of an embedded spool: names this process in its leases (presence.ts). */
  readonly token?: string;
  /** What else is to be closed, before the store. */
  readonly closing?: () => Promise<void>;
}

/** One look at a million entries is many pages; one commit of an action is this many. */
const PAGE = 500;
const BATCH = 1000;
/** Pages that are given back in one commit: mail that comes meanwhile waits a few milliseconds. */
const STEP = 256;
/** Sorting by size looks through everything for each page: better few and long ones. */
const SORTED_PAGE = 10_000;

/** How old an answer of usage() may be before another process's commits are asked for. */
const FRESH = 1000;

const DAY = 86_400_000;
/** The longest hold time and a week: what came from another spool is not taken twice within it. */
const LEDGER = 37 * DAY;

type Question = "tally" | "integrity" | "audit" | "unreadable";

/** A body and its octets as they are read now. */
export interface CheckedBody extends HeldBody {
  readonly pieces: AsyncIterable<Uint8Array>;
}

export interface LostBodies {
  readonly lost: readonly MessageId[];
}

export class EmbeddedSpool implements RecordingSpool {
  readonly id: string;
  readonly records: Records;
  readonly moving: Movable;
  readonly #options: FrontOptions;
  readonly #committer: Committer;
  readonly #bodies: Shelf;
  readonly #newId: () => MessageId;
  readonly #usage = new Map<string, LaneUsage>();
  readonly #listeners = new Set<(lane: Lane | undefined) => void>();
  #poller: Timer | undefined;
  readonly #claims = new Set<SpoolClaim>();
  readonly #unlinking = new Set<Promise<void>>();
  #reader: Promise<Committer> | undefined;
  #looked: number;
  #closing: Promise<void> | undefined;

  constructor(store: Store, options: FrontOptions) {
    this.id = options.id;
    this.#options = options;
    this.#newId = uuids(options.clock, options.random);
    this.#bodies = options.bodies;
    const timed = new TimedStore(store, options.clock, () => book.nudge());
    this.#committer = new Committer(timed, {
      usage: (lanes) => this.#keep(lanes),
      freed: (files) => this.#free(files),
    });
    this.#looked = options.clock.steady();
    const book = new SpoolBook({
      clock: options.clock,
      log: options.log,
      committer: this.#committer,
      reader: () => this.#read(),
      newId: this.#newId,
      commits: () => timed.times,
      ...(options.nodes && { nodes: options.nodes }),
    });
    this.records = book;
    this.moving = new SpoolMover({
      id: options.id,
      committer: this.#committer,
      bodies: this.#bodies,
      reader: () => this.#read(),
      now: () => options.clock.now(),
      newId: this.#newId,
    });
    options.heard?.(() => this.#lookNow());
  }

  /** What makes the nodes of a shared spool one relay to their peers; undefined: there is one node. */
  get secret(): string | undefined {
    return this.#options.secret;
  }

  begin(acceptance: Acceptance): Draft {
    const ids = acceptance.postings.map(this.#newId);
    return new SpoolDraft(acceptance, ids, {
      committer: this.#committer,
      bodies: this.#bodies,
      actor: this.#options.actor,
      now: () => this.#options.clock.now(),
    });
  }

  async claim(claimable: Claimable, holder: Holder): Promise<Claim | "empty" | "busy"> {
    const { clock, log, actor, token } = this.#options;
    const named = token === undefined ? holder : `${holder} ${token}`;
    const claim = new SpoolClaim(claimable, named, {
      committer: this.#committer,
      bodies: this.#bodies,
      clock,
      log,
      actor,
      ended: (ended) => this.#claims.delete(ended),
    });
    const opened = await claim.open();
    if (opened !== "leased") return opened;
    this.#claims.add(claim);
    return claim;
  }

  async soonest({ lane, domains, largest }: Awaited): Promise<Instant | undefined> {
    const { direction, customer } = lane;
    return await this.#committer.submit("soonest", { lane: { direction, customer }, domains, largest });
  }

  onChange(tell: (lane: Lane | undefined) => void): () => void {
    this.#listeners.add(tell);
    this.#poll();
    return () => {
      this.#listeners.delete(tell);
      if (this.#listeners.size === 0) this.#poller?.stop();
    };
  }

  usage(lane: Lane): Usage {
    this.#look();
    const { count, octets } = this.#usage.get(key(lane)) ?? { count: 0, octets: 0 };
    return { count, octets };
  }

  async *list(filter: Filter): AsyncGenerator<Entry> {
    const reader = await this.#read();
    const most = filter.sort === "largest" || filter.sort === "smallest" ? SORTED_PAGE : PAGE;
    let unread = 0;
    yield* paged(filter.limit, most, async (limit, after?: Cursor) => {
      const page = await reader.submit("page", { filter, now: this.#now(), after, limit });
      unread += page.lost ?? 0;
      return { items: page.entries, next: page.next };
    });
    if (unread > 0) throw new SpoolError("corrupt", damageOf(unread));
  }

  async count(filter: Filter): Promise<number> {
    const reader = await this.#read();
    return await reader.submit("count", { filter, now: this.#now() });
  }

  async content(id: MessageId): Promise<AsyncIterable<Uint8Array> | undefined> {
    const reader = await this.#read();
    const found = await reader.submit("content", { id: id.toLowerCase() });
    if (found === undefined) return undefined;
    const { trace, content } = found;
    if ("file" in content) return fileOf(trace, this.#bodies.read(content.file));
    return oneByOne(piecesOf(trace, content.bytes));
  }

  async *act(action: Action, filter: Filter, by: Actor, dry?: "dry"): AsyncGenerator<MessageId> {
    const wish = { action, filter, by, dry: dry === "dry", limit: BATCH };
    yield* paged(filter.limit, BATCH, async (most, after?: Cursor) => {
      const { ids, next } = await this.#committer.submit("act", { ...wish, now: this.#now(), after, most });
      this.#tell(undefined);
      return { items: ids, next };
    });
  }

  async *history(filter: {
    readonly ids?: readonly MessageId[];
    readonly after?: Instant;
    readonly limit?: number;
  }): AsyncGenerator<SpoolEvent> {
    const reader = await this.#read();
    const { ids } = filter;
    const start = { at: filter.after ?? -1, seq: Number.MAX_SAFE_INTEGER };
    yield* paged(filter.limit, PAGE, async (limit, after: typeof start = start) => {
      const { events, next } = await reader.submit("history", { ids, after, limit });
      return { items: events, next };
    });
  }

  async expire(now: Instant): Promise<readonly MessageId[]> {
    const expired: MessageId[] = [];
    for (;;) {
      const ids = await this.#committer.submit("expire", { now, limit: BATCH });
      expired.push(...ids);
      if (ids.length < BATCH) return expired;
    }
  }

  lanes(direction: Direction): readonly Lane[] {
    this.#look();
    return [...this.#usage.values()].filter((lane) => lane.direction === direction && lane.count > 0);
  }

  async owed(limit: number): Promise<readonly Owed[]> {
    const messages = await this.#committer.submit("owed", { limit });
    return messages.map((message) => owedOf(message, this.#bodies));
  }

  async ageing(before: Instant, limit: number): Promise<readonly Ageing[]> {
    return await this.#committer.submit("ageing", { before, limit });
  }

  async forgive(payment: Payment): Promise<void> {
    await this.#committer.submit("forgive", payment);
  }

  async prune(before: Instant): Promise<void> {
    const ledger = this.#now() - LEDGER;
    while ((await this.#committer.submit("prune", { before, ledger, limit: BATCH })) > 0);
    while ((await this.#committer.submit("shrink", { pages: STEP })) > 0);
  }

  /** A question of the conservation check. */
  async inspect<N extends Question>(name: N, input: Input<N>): Promise<Output<N>> {
    const reader = await this.#read();
    return await reader.submit(name, input);
  }

  /** Every body that must be there, a few at a time, for verify; and entries whose body's row cannot be read. */
  async *bodies(): AsyncGenerator<CheckedBody | LostBodies> {
    const reader = await this.#read();
    let after: number | undefined = 0;
    while (after !== undefined) {
      const { bodies, lost, next }: HeldBodies = await reader.submit("bodies", { after, limit: 64 });
      for (const row of bodies) {
        const { content } = row;
        const pieces = "file" in content ? this.#bodies.read(content.file) : oneByOne([content.bytes]);
        yield { ...row, pieces };
      }
      if (lost.length > 0) yield { lost };
      after = next;
    }
  }

  /** Body files that no row names: of drafts under way, or of programs that were killed. */
  strays(): Promise<readonly string[]> {
    return this.#options.strays(() => this.files());
  }

  /** The body files that rows name, with their entries. */
  async files(): Promise<ReadonlyMap<string, readonly MessageId[]>> {
    const rows = await this.#committer.submit("files", {});
    return new Map(rows.map(({ file, ids }) => [file, ids]));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#poller?.stop();
    try {
      await Promise.allSettled([...this.#claims].map((claim) => claim.release()));
    } finally {
      await this.#options.closing?.();
      await this.#committer.close();
      await (await this.#reader)?.close();
      await Promise.all(this.#unlinking);
    }
  }

  /** The committer of questions. */
  #read(): Promise<Committer> {
    const { reader } = this.#options;
    if (this.#closing !== undefined) return Promise.reject(new SpoolError("closed", "the spool is closed"));
    if (reader === undefined) return Promise.resolve(this.#committer);
    this.#reader ??= reader().then((store) => new Committer(store, { usage: () => {}, freed: () => {} }));
    return this.#reader;
  }

  #now(): Instant {
    return this.#options.clock.now();
  }

  #keep(lanes: readonly LaneUsage[]): void {
    for (const lane of lanes) this.#usage.set(key(lane), lane);
    this.#looked = this.#options.clock.steady();
    for (const lane of lanes) this.#tell(lane);
  }

  #tell(lane: Lane | undefined): void {
    for (const tell of this.#listeners) tell(lane);
  }

  /** Looks for other processes' commits while anybody wants to hear of them, a second after the last look's answer. */
  #poll(): void {
    this.#poller?.stop();
    const { clock } = this.#options;
    const left = Math.max(0, this.#looked + FRESH - clock.steady());
    this.#poller = clock.after(left, () => {
      this.#look();
      if (this.#listeners.size > 0 && this.#closing === undefined) this.#poll();
    });
  }

  /** Asks for other processes' commits, at most once a second, without making anybody wait. */
  #look(): void {
    if (this.#options.clock.steady() - this.#looked >= FRESH) this.#lookNow();
  }

  #lookNow(): void {
    const { clock, log } = this.#options;
    if (this.#closing !== undefined) return;
    this.#looked = clock.steady();
    this.#committer.submit("look", {}).catch((error: Error) => {
      log.log("warn", "usage not refreshed", { error: error.message });
    });
  }

  #free(names: readonly string[]): void {
    for (const name of names) {
      const unlinking = this.#bodies
        .unlink(name)
        .catch((error: Error) => {
          this.#options.log.log("warn", "body file not removed", { file: name, error: error.message });
        })
        .finally(() => this.#unlinking.delete(unlinking));
      this.#unlinking.add(unlinking);
    }
  }
}

function damageOf(unread: number): string {
  const entries = unread === 1 ? "1 entry" : `${unread} entries`;
  return `the spool is damaged: ${entries} could not be read; odmr queue verify tells which`;
}

function key({ direction, customer }: Lane): string {
  return `${direction} ${customer}`;
}

async function* oneByOne(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}
