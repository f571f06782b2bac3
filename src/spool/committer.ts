/** Group commit: what is asked while a commit runs rides with the next one. */
// Alone means at once; nothing ever waits for company.
import { SpoolError } from "./spool.ts";
import type { Answer, Answers, Input, LaneUsage, Name, Operation, Output, Store } from "./store.ts";

interface Job {
  readonly operation: Operation;
  readonly resolve: (value: Output<Name>) => void;
  readonly reject: (error: unknown) => void;
}

/** What the answers bring beside the values. */
export interface Aftermath {
  readonly usage: (lanes: readonly LaneUsage[]) => void;
  readonly freed: (files: readonly string[]) => void;
}

/** One commit carries so many operations and (after the first) octets at most: the last one's wait stays short. */
const OPERATIONS = 512;
const OCTETS = 8 * 1024 * 1024;

export class Committer {
  readonly #store: Store;
  readonly #aftermath: Aftermath;
  #waiting: Job[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(store: Store, aftermath: Aftermath) {
    this.#store = store;
    this.#aftermath = aftermath;
  }

  /** Resolves after the sync of the commit that carried it. @throws SpoolError */
  submit<N extends Name>(name: N, input: Input<N>): Promise<Output<N>> {
    if (this.#closed) return Promise.reject(closed());
    return new Promise<Output<Name>>((resolve, reject) => {
      this.#waiting.push({ operation: { name, input } as Operation, resolve, reject });
      this.#running ??= this.#run();
    }) as Promise<Output<N>>;
  }

  /** Waits for what was submitted, then closes the store. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#running;
    await this.#store.close();
  }

  /** Begins in the next microtask: what one turn of the event loop submits goes together. */
  async #run(): Promise<void> {
    await undefined;
    while (this.#waiting.length > 0) await this.#commit(this.#group());
    this.#running = undefined;
  }

  async #commit(jobs: readonly Job[]): Promise<void> {
    let done: Answers;
    try {
      done = await this.#store.call(jobs.map(({ operation }) => operation));
    } catch (error) {
      for (const { reject } of jobs) reject(error);
      return;
    }
    this.#aftermath.usage(done.usage);
    this.#aftermath.freed(done.freed);
    jobs.forEach((job, i) => {
      settle(job, done.answers[i]);
    });
  }

  #group(): readonly Job[] {
    let octets = 0;
    let end = 0;
    for (const { operation } of this.#waiting) {
      if (end >= OPERATIONS || octets >= OCTETS) break;
      octets += octetsOf(operation);
      end++;
    }
    return this.#waiting.splice(0, end);
  }
}

function settle({ resolve, reject }: Job, answer: Answer | undefined): void {
  if (answer === undefined) reject(new SpoolError("io", "the store gave no answer"));
  else if ("fault" in answer) reject(new SpoolError(answer.fault, answer.message));
  else resolve(answer.value);
}

function octetsOf({ name, input }: Operation): number {
  return name === "accept" && "bytes" in input.content ? input.content.bytes.length : 0;
}

export function closed(): SpoolError {
  return new SpoolError("closed", "the spool is closed");
}
