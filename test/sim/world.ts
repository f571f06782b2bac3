/** The simulated world: one clock, one chance, one list of what happens next; all of it follows from the seed. */
// The machine's event loop is no part of it: between two happenings every promise that can run has run. A life ends for
// certain: by the simulated time that it is given, by a number of happenings, and by the machine's time between two.
import { createHash } from "node:crypto";
import type { Clock, Instant, Timer } from "../../src/platform/clock.ts";
import type { Log } from "../../src/platform/log.ts";
import type { Random } from "../../src/platform/random.ts";
import { seeded } from "../spool/support.ts";

export const START: Instant = Date.UTC(2026, 0, 2, 3, 4, 5);

export const faults = {
  cut: "a line cut at some octet",
  late: "octets, timers or a disk that come late, and in another order",
  crash: "power off at some moment",
  step: "power off at a step of the program",
  commit: "power off before, within or after a commit",
  restart: "a program told to end, and started again",
  diskError: "a write that fails (EIO)",
  readError: "a read that fails (EIO)",
  diskFull: "a write that finds the disk full (ENOSPC)",
  syncError: "a sync that fails, and leaves it open what is on the disk",
  turns: "a turn begun while another of the customer's was under way",
  follow: "a round on the line (XODMRWAIT)",
  etrn: "a delivery that ETRN began",
  later: "a target or a foreign host that says 4xx",
  operator: "an operator's act between (hold, release, retry, remove, bounce, move)",
  twice: "a letter given to both relays",
} as const;

export type Fault = keyof typeof faults;

/** The busiest of thousands of lives had 12,000 happenings: this one goes round and round. */
const MOST = 100_000;

export interface Watch {
  /** Told after each happening. */
  readonly watched?: ((world: World) => void) | undefined;
  /** Happenings that are too many. */
  readonly most?: number;
}

interface Happening {
  readonly at: number;
  /** Chance decides between those of one moment. */
  readonly lot: number;
  readonly act: () => void | Promise<void>;
  off: boolean;
}

export class World {
  readonly chance: Chance;
  /** The world's own time and chance, for those who never die: the outside. */
  readonly outside: Life;
  /** What was noted last, for whoever looks into a run. */
  readonly trace: string[] = [];
  readonly #hash = createHash("sha256");
  readonly #keep: boolean;
  #time = 0;
  #happenings: Happening[] = [];
  /** Happenings so far. */
  count = 0;
  /** What was noted last: where a life that does not end stands. */
  last = "nothing was noted";
  readonly #watched: (world: World) => void;
  readonly #most: number;
  #end: Error | undefined;
  /** How often which fault struck. */
  readonly struck: Partial<Record<Fault, number>> = {};

  /** @param keep the trace is kept, not only its hash */
  constructor(seed: number, keep = false, { watched = () => {}, most = MOST }: Watch = {}) {
    this.chance = new Chance(seeded(seed), () => this.strike("late"));
    this.#keep = keep;
    this.#watched = watched;
    this.#most = most;
    this.outside = new Life(this, "outside");
  }

  /** Milliseconds since the beginning. */
  get time(): number {
    return this.#time;
  }

  /** Happens `ms` from now. @returns calls it off */
  after(ms: number, act: Happening["act"]): () => void {
    const happening: Happening = {
      at: this.#time + Math.max(0, ms),
      lot: this.chance.fraction(),
      act,
      off: false,
    };
    push(this.#happenings, happening);
    return () => {
      happening.off = true;
    };
  }

  note(text: string): void {
    const line = `${this.#time.toFixed(3)} ${text}`;
    this.#hash.update(`${line}\n`);
    this.last = line;
    if (this.#keep) this.trace.push(line);
  }

  /** A fault was not only planned: it happened. */
  strike(fault: Fault): void {
    this.struck[fault] = (this.struck[fault] ?? 0) + 1;
  }

  /** A word for all that was noted: the same seed, the same word. */
  digest(): string {
    return this.#hash.copy().digest("hex").slice(0, 16);
  }

  /** Lets things happen for so many milliseconds, or until it is said to be over. */
  async run(ms: number, over: () => boolean = () => false): Promise<void> {
    const until = this.#time + ms;
    await this.#settled();
    while (!over()) {
      if (this.#end !== undefined) throw this.#end;
      const next = this.#happenings[0];
      if (next === undefined || next.at > until) break;
      pop(this.#happenings);
      if (next.off) continue;
      this.#time = Math.max(this.#time, next.at);
      if (++this.count > this.#most) throw this.#stuck(`${this.#most} happenings are no end`);
      await next.act();
      await this.#settled();
      this.#watched(this);
    }
    if (!over()) this.#time = until;
  }

  /** Runs on until it resolves. @param what it is, for whoever reads that it hangs @throws if so much time does not do */
  async until<T>(what: string, work: Promise<T>, most: number): Promise<T> {
    let over = false;
    const ended = work.finally(() => {
      over = true;
    });
    ended.catch(() => {});
    await this.run(most, () => over);
    if (!over) throw this.#stuck(`${what} hangs`);
    return ended;
  }

  /**
   * The life, or what is known of it if nothing happened for so many of the machine's milliseconds: then it waits for something
   * that is not of this world, and nothing happens in it any more. A life that goes on may take its time: on a busy machine one
   * took a minute.
   */
  async within<T>(ms: number, life: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    let timer: ReturnType<typeof setTimeout>;
    const watch = (): void => {
      const { count } = this;
      timer = setTimeout(() => {
        if (this.count > count) return watch();
        this.#end = this.#stuck(`nothing has happened for ${ms / 1_000} s of the machine's time`);
        reject(this.#end);
      }, ms);
    };
    watch();
    try {
      return await Promise.race([life, promise]);
    } finally {
      clearTimeout(timer!);
    }
  }

  #stuck(why: string): Error {
    const waiting = this.#happenings.filter(({ off }) => !off).length;
    const where = `after ${this.count} happenings, at ${this.#time.toFixed(3)} ms, with ${waiting} to come`;
    const immediate = immediates.size > 0 ? `, and ${immediates.size} immediates not run` : "";
    return new Error(`${why} ${where}${immediate}; the last: ${this.last}`);
  }

  /** Promises run before an immediate does, however long their chain. */
  async #settled(): Promise<void> {
    do await new Promise<void>((resolve) => void immediately(resolve));
    while (immediates.size > 0 && this.#end === undefined);
  }
}

/** The machine's own, and those of the program (of a library) that it has still to run. */
const immediately = globalThis.setImmediate;
const immediates = new Set<unknown>();

/** Chance with the words of a die. */
export class Chance implements Random {
  readonly #random: Random;
  readonly #late: () => void;
  /** @param late told of each wait that is long */
  constructor(random: Random, late: () => void = () => {}) {
    this.#random = random;
    this.#late = late;
  }

  fraction(): number {
    return this.#random.fraction();
  }

  bytes(count: number): Uint8Array {
    return this.#random.bytes(count);
  }

  /** A whole number of these, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1));
  }

  happens(probability: number): boolean {
    return this.fraction() < probability;
  }

  one<T>(of: readonly T[]): T {
    return of[Math.floor(this.fraction() * of.length)]!;
  }

  /** Mostly short, sometimes long, at most so much: how networks and disks are. */
  wait(usual: number, most: number): number {
    const late = this.happens(0.05);
    if (late) this.#late();
    return late ? this.fraction() * most : this.fraction() * usual;
  }

  /** Another chance, of its own. */
  fork(): Chance {
    return new Chance(seeded(Math.floor(this.fraction() * 2 ** 32)), this.#late);
  }
}

/** One run of a program from its start to its end: its clock, its chance, its log. After its death none of its timers rings. */
export class Life implements Clock {
  readonly name: string;
  readonly world: World;
  readonly random: Chance;
  dead = false;
  /** It did not end in good order. */
  killed = false;
  /** Dies at the step after so many: before what it does there is done, or when it is and nobody has heard of it. */
  fate: { steps: number; readonly moment: "before" | "after"; readonly die: () => void } | undefined;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    this.random = world.chance.fork();
  }

  now(): Instant {
    return START + Math.floor(this.world.time);
  }

  steady(): number {
    return this.world.time;
  }

  /** Timers ring a little late, as on a busy machine, and so in another order now and then. */
  after(ms: number, ring: () => void): Timer {
    const late = this.world.chance.wait(1, 30);
    const stop = this.world.after(ms + late, () => {
      if (!this.dead) ring();
    });
    return { stop };
  }

  /** Does it `ms` from now; the dead do nothing, and nobody hears of it. */
  do<T>(ms: number, act: () => T | Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.world.after(ms, async () => {
        if (this.dead || this.#diesHere("before")) return;
        try {
          const done = await act();
          if (!this.dead && !this.#diesHere("after")) resolve(done);
        } catch (error) {
          if (!this.dead) reject(error);
        }
      });
    });
  }

  /** @returns whether it is dead now */
  #diesHere(moment: "before" | "after"): boolean {
    if (this.fate?.moment !== moment || --this.fate.steps > 0) return false;
    this.fate.die();
    return this.dead;
  }

  readonly log: Log = {
    log: (level, event, fields = {}) => {
      if (!this.dead) this.world.note(`${this.name} ${level} ${event} ${JSON.stringify(fields)}`);
    },
  };
}

/** A heap by time, then by lot. */
function push(heap: Happening[], item: Happening): void {
  let i = heap.length;
  heap.push(item);
  while (i > 0) {
    const parent = (i - 1) >> 1;
    if (!before(item, heap[parent]!)) break;
    heap[i] = heap[parent]!;
    i = parent;
  }
  heap[i] = item;
}

function pop(heap: Happening[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let i = 0;
  for (;;) {
    let child = 2 * i + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, last)) break;
    heap[i] = heap[child]!;
    i = child;
  }
  heap[i] = last;
}

const before = (a: Happening, b: Happening): boolean => a.at < b.at || (a.at === b.at && a.lot < b.lot);

/**
 * The event loop's next turn, which the program asks for by setTimeout(…, 0), is a happening of the world too; what libraries
 * put off by setImmediate is over before anything else happens. Collections that the program asks for are left to the
 * engine: they took an eighth of a life. @returns puts the machine's own back
 */
export function ownEventLoop(world: World): () => void {
  const { setTimeout: real, setImmediate, clearImmediate } = globalThis;
  const simulated = (act: () => void, ms?: number, ...rest: unknown[]): unknown =>
    ms === 0 ? world.after(0, act) : (real as (...all: unknown[]) => unknown)(act, ms, ...rest);
  const counted = (act: (...all: unknown[]) => void, ...rest: unknown[]): unknown => {
    const immediate = immediately(() => {
      immediates.delete(immediate);
      act(...rest);
    });
    immediates.add(immediate);
    return immediate;
  };
  globalThis.setTimeout = simulated as typeof setTimeout;
  globalThis.setImmediate = counted as typeof setImmediate;
  globalThis.clearImmediate = ((immediate: unknown) => {
    immediates.delete(immediate);
    clearImmediate(immediate as never);
  }) as typeof clearImmediate;
  const { Bun: bun } = globalThis as { readonly Bun?: { gc: unknown } };
  const gc = bun?.gc;
  if (bun !== undefined) bun.gc = () => {};
  return () => {
    Object.assign(globalThis, { setTimeout: real, setImmediate, clearImmediate });
    if (bun !== undefined) bun.gc = gc;
    // What a life that was given up has not run is nobody's.
    immediates.clear();
  };
}
