/** Who waits for mail, lane by lane, and is told when some came. */
// It tells, it does not promise: whoever is woken looks into the spool, and may find that somebody else was quicker.
import type { Lane } from "../spool/spool.ts";

export class Arrivals {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Something came for this lane, or undefined: for any of them. All who wait for it are told, once. */
  came(lane: Lane | undefined): void {
    for (const key of lane === undefined ? [...this.#waiting.keys()] : [keyOf(lane)]) {
      const told = this.#waiting.get(key);
      this.#waiting.delete(key);
      for (const tell of told ?? []) tell();
    }
  }

  /** Tells once, unless `forget` is called before. Ask for it first and look into the spool then: nothing slips through. */
  next(lane: Lane): { readonly came: Promise<void>; readonly forget: () => void } {
    const key = keyOf(lane);
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting.add(resolve));
    return { came: promise, forget: () => this.#forget(key, resolve) };
  }

  /** Lanes that anybody waits for. */
  get size(): number {
    return this.#waiting.size;
  }

  #forget(key: string, tell: () => void): void {
    const waiting = this.#waiting.get(key);
    waiting?.delete(tell);
    if (waiting?.size === 0) this.#waiting.delete(key);
  }
}

const keyOf = ({ direction, customer }: Lane): string => `${direction} ${customer}`;
