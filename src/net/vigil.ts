/** Who waits on a line is woken in time: one timer of a clock for all of them, set for the earliest. */
// A timer each is half a kilobyte of every silent session; here it is a place in a heap.
import type { Clock, Timer } from "../platform/clock.ts";

export abstract class Sleeper {
  /** When it wants to be woken, by the clock's steady(); infinite while it does not. The vigil's to set. */
  due = Number.POSITIVE_INFINITY;
  /** Where it lies in the vigil's heap; -1 while it does not. The vigil's to set. */
  place = -1;
  /** It is time. Who has to wait on says so anew. */
  abstract ring(): void;
}

const vigils = new WeakMap<Clock, Vigil>();

/** The one that is kept on this clock. */
export function vigilOn(clock: Clock): Vigil {
  const known = vigils.get(clock);
  if (known !== undefined) return known;
  const vigil = new Vigil(clock);
  vigils.set(clock, vigil);
  return vigil;
}

export class Vigil {
  readonly #clock: Clock;
  /** A binary heap: nobody is to be woken before who lies at half its place. */
  readonly #heap: Sleeper[] = [];
  #timer: Timer | undefined;
  #rings = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** It is woken at `due`, and not at what it said before. */
  wake(sleeper: Sleeper, due: number): void {
    this.#remove(sleeper);
    sleeper.due = due;
    this.#heap.push(sleeper);
    this.#rise(sleeper, this.#heap.length - 1);
    this.#set();
  }

  /** It is not woken any more. */
  forget(sleeper: Sleeper): void {
    if (this.#remove(sleeper)) this.#set();
  }

  #ring(): void {
    this.#timer = undefined;
    this.#rings = Number.POSITIVE_INFINITY;
    const now = this.#clock.steady();
    for (let [first] = this.#heap; first !== undefined && first.due <= now; [first] = this.#heap) {
      this.#remove(first);
      first.ring();
    }
    this.#set();
  }

  /** A timer that rings too early costs a look; so it stays, while anybody sleeps. */
  #set(): void {
    const due = this.#heap[0]?.due;
    if (due !== undefined && due >= this.#rings) return;
    this.#timer?.stop();
    this.#timer = undefined;
    this.#rings = due ?? Number.POSITIVE_INFINITY;
    if (due !== undefined)
      this.#timer = this.#clock.after(Math.max(0, due - this.#clock.steady()), () => this.#ring());
  }

  #remove(sleeper: Sleeper): boolean {
    const { place } = sleeper;
    if (place < 0) return false;
    sleeper.place = -1;
    sleeper.due = Number.POSITIVE_INFINITY;
    const last = this.#heap.pop()!;
    if (last !== sleeper) this.#sink(last, this.#rise(last, place));
    return true;
  }

  /** Puts it where it belongs, at this place or before it. @returns the place */
  #rise(sleeper: Sleeper, place: number): number {
    let at = place;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#heap[parent]!.due <= sleeper.due) break;
      this.#lay(this.#heap[parent]!, at);
      at = parent;
    }
    this.#lay(sleeper, at);
    return at;
  }

  /** Puts it where it belongs, at this place or behind it. */
  #sink(sleeper: Sleeper, place: number): void {
    let at = place;
    for (;;) {
      let child = 2 * at + 1;
      if (child + 1 < this.#heap.length && this.#heap[child + 1]!.due < this.#heap[child]!.due) child++;
      if (child >= this.#heap.length || this.#heap[child]!.due >= sleeper.due) break;
      this.#lay(this.#heap[child]!, at);
      at = child;
    }
    this.#lay(sleeper, at);
  }

  #lay(sleeper: Sleeper, place: number): void {
    this.#heap[place] = sleeper;
    sleeper.place = place;
  }
}
