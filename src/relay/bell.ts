/** What wakes a loop: rung by changes, heard by the loop; what rings while it is busy is heard at once afterwards. */
import { type Clock, pause } from "../platform/clock.ts";

export class Bell {
  readonly #clock: Clock;
  readonly #stopping: AbortSignal;
  #rung = false;
  #wake: AbortController | undefined;

  constructor(clock: Clock, stopping: AbortSignal) {
    this.#clock = clock;
    this.#stopping = stopping;
  }

  ring(): void {
    this.#rung = true;
    this.#wake?.abort();
  }

  /** Resolves when it was rung since the last time, after `ms` at most, and at the end. */
  async heard(ms: number): Promise<void> {
    if (!this.#rung && !this.#stopping.aborted) {
      const wake = new AbortController();
      const stop = () => wake.abort();
      this.#wake = wake;
      this.#stopping.addEventListener("abort", stop);
      await pause(this.#clock, ms, wake.signal);
      this.#stopping.removeEventListener("abort", stop);
      this.#wake = undefined;
    }
    this.#rung = false;
  }
}
