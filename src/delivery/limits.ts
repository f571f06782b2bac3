/** How much may be under way at once, in all and to one destination, and how fast one destination is given mail. */
// Shared by all who deliver: a destination does not care whose mail it is.
import { type Clock, pause } from "../platform/clock.ts";

export interface LimitSettings {
  /** Messages under way at once, in all and to one destination. */
  readonly all: number;
  readonly perDestination: number;
  /** Messages to one destination within a minute; undefined: as many as it takes. */
  readonly perMinute?: number | undefined;
}

/** Places at destinations that are kept in mind; those whose time is long past go. */
const KEPT = 10_000;
const MINUTE = 60_000;

export class Limits {
  readonly #settings: LimitSettings;
  readonly #clock: Clock;
  readonly #all: Gate;
  readonly #gates = new Map<string, Gate>();
  /** When each destination may be given the next message. */
  readonly #next = new Map<string, number>();

  constructor(settings: LimitSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#all = new Gate(settings.all);
  }

  /** Runs it when there is a place for one more to this destination. */
  async within<T>(destination: string, act: () => Promise<T>): Promise<T> {
    const gate = this.#gates.get(destination) ?? new Gate(this.#settings.perDestination);
    this.#gates.set(destination, gate);
    // The narrow gate first: who waits there takes no place from others.
    await gate.enter();
    try {
      await this.#turnOf(destination);
      await this.#all.enter();
      try {
        return await act();
      } finally {
        this.#all.leave();
      }
    } finally {
      gate.leave();
      if (gate.empty) this.#gates.delete(destination);
    }
  }

  async #turnOf(destination: string): Promise<void> {
    const { perMinute } = this.#settings;
    if (perMinute === undefined) return;
    const now = this.#clock.steady();
    const at = Math.max(now, this.#next.get(destination) ?? now);
    this.#next.set(destination, at + MINUTE / perMinute);
    if (this.#next.size > KEPT)
      for (const [name, next] of this.#next) if (next <= now) this.#next.delete(name);
    if (at > now) await pause(this.#clock, at - now);
  }
}

/** Lets so many in at once; the others wait in their order. */
class Gate {
  #free: number;
  readonly #places: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#places = places;
    this.#free = places;
  }

  get empty(): boolean {
    return this.#free === this.#places;
  }

  async enter(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
