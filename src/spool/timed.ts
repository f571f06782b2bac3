/** A store that times its commits and tells of them: a histogram for monitoring, a nudge for whoever watches. */
// Only batches that change something count; looking is free.
import type { Clock } from "../platform/clock.ts";
import { reads } from "./reads.ts";
import type { CommitTimes } from "./records.ts";
import type { Answers, Operation, Store } from "./store.ts";

/** Upper bounds in seconds: from a fast disk alone to one that stalls. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class TimedStore implements Store {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #committed: () => void;
  readonly #counts = BOUNDS.map(() => 0);
  #count = 0;
  #seconds = 0;

  constructor(store: Store, clock: Clock, committed: () => void) {
    this.#store = store;
    this.#clock = clock;
    this.#committed = committed;
  }

  async call(batch: readonly Operation[]): Promise<Answers> {
    if (batch.every(({ name }) => reads.has(name))) return await this.#store.call(batch);
    const begun = this.#clock.steady();
    const answers = await this.#store.call(batch);
    this.#note((this.#clock.steady() - begun) / 1000);
    this.#committed();
    return answers;
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** As Prometheus counts: each bucket has all those before it. */
  get times(): CommitTimes {
    const buckets = BOUNDS.map((most, i) => ({ most, count: this.#counts[i] ?? 0 }));
    return { count: this.#count, seconds: this.#seconds, buckets };
  }

  #note(seconds: number): void {
    this.#count++;
    this.#seconds += seconds;
    BOUNDS.forEach((most, i) => {
      if (seconds <= most) this.#counts[i] = (this.#counts[i] ?? 0) + 1;
    });
  }
}
