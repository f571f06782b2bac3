/** The memory that bodies may take while their parts fill: shared by all that are on their way. */
// Who finds none waits a while, and its peer with it; then it is told. Nobody who has some waits for somebody who waits.
import { type Clock, pause } from "../../platform/clock.ts";

/** Until who waits gives up what it has. */
const PATIENCE = 30_000;

export class Room {
  readonly #most: number;
  readonly #clock: Clock;
  #taken = 0;
  readonly #waiting = new Set<AbortController>();

  constructor(most: number, clock: Clock) {
    this.#most = most;
    this.#clock = clock;
  }

  /** What came is here, whether there is room or not. */
  take(octets: number): void {
    this.#taken += octets;
  }

  give(octets: number): void {
    this.#taken -= octets;
    if (octets > 0 && !this.full) for (const waiting of this.#waiting) waiting.abort();
  }

  get full(): boolean {
    return this.#taken > this.#most;
  }

  /** Resolves when there is room, or patience is over: false. */
  async wait(): Promise<boolean> {
    const end = this.#clock.steady() + PATIENCE;
    while (this.full && this.#clock.steady() < end) {
      const waiting = new AbortController();
      this.#waiting.add(waiting);
      await pause(this.#clock, end - this.#clock.steady(), waiting.signal);
      this.#waiting.delete(waiting);
    }
    return !this.full;
  }
}
