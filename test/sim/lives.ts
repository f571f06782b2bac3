/** Many lives by their seeds, some at once, each in a process of its own kind: none of them goes on for ever. */
// A life bounds itself (world.ts); one that does not even come to that, for it never lets go of its thread, is killed here.
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { News, Order } from "./cradle.ts";
import { type Outcome, PULSE } from "./run.ts";

/** How a life ended, and how long it took in milliseconds. */
export interface Lived {
  readonly outcome: Outcome;
  readonly took: number;
}

export interface Lives extends Omit<Order, "seed"> {
  /** Of the first; each further life has the next. */
  readonly seed: number;
  /** At once. */
  readonly hands: number;
  /** Whether one more is wanted. @param begun so far */
  readonly more: (begun: number) => boolean;
  readonly ended: (lived: Lived) => void;
  /** Milliseconds until a life that says nothing is killed. */
  readonly patience?: number;
  /** The program that lives them. */
  readonly cradle?: string;
}

const CRADLE = fileURLToPath(new URL("./cradle.ts", import.meta.url));

/** Begins lives for as long as more are wanted. Resolves when the last that began is over. */
export async function liveAll({ seed, hands, more, ended, ...how }: Lives): Promise<void> {
  const { folder, mutant, trace, patience = 3 * PULSE, cradle: program = CRADLE } = how;
  let begun = 0;
  const live = async (): Promise<void> => {
    let cradle: Cradle | undefined;
    try {
      while (more(begun)) {
        cradle ??= new Cradle(program);
        const began = performance.now();
        const outcome = await cradle.live({ seed: seed + begun++, folder, mutant, trace }, patience);
        ended({ outcome, took: performance.now() - began });
        // What a broken life has left behind does not fall to the next.
        if (outcome.problems.length === 0) continue;
        await cradle.end();
        cradle = undefined;
      }
    } finally {
      await cradle?.end();
    }
  };
  await Promise.all(Array.from({ length: hands }, live));
}

class Cradle {
  readonly #process: ChildProcess;
  readonly #gone: Promise<string>;
  readonly #orphan = (): void => void this.#process.kill("SIGKILL");

  constructor(program: string) {
    this.#process = fork(program, { stdio: ["ignore", 2, 2, "ipc"] });
    this.#gone = new Promise((resolve) => {
      this.#process.once("exit", (status, signal) => resolve(`its process ended with ${signal ?? status}`));
      this.#process.once("error", (fault) => resolve(`its process: ${fault.message}`));
    });
    process.once("exit", this.#orphan);
  }

  async live(order: Order, patience: number): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    let happenings = 0;
    let last = "nothing was heard of it";
    const wrong = (why: string): void => {
      const what = `${why} after ${happenings} happenings; the last heard of it: ${last}`;
      const none = { hash: "", struck: {}, trace: [] };
      resolve({
        ...{ seed: order.seed, happenings, ...none },
        problems: [{ type: "wrong", what }],
        counts: { wrong: 1 },
      });
    };
    const heard = (news: News): void => {
      if (news.type === "over") return resolve(news.outcome);
      ({ happenings, last } = news);
      clearTimeout(timer);
      timer = wait();
    };
    const silent = (): void => wrong(`it was killed when it had said nothing for ${patience / 1_000} s`);
    const wait = () => setTimeout(silent, patience);
    let timer = wait();
    this.#process.on("message", heard);
    void this.#gone.then(wrong);
    this.#process.send(order);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#process.off("message", heard);
    }
  }

  async end(): Promise<void> {
    process.off("exit", this.#orphan);
    this.#process.kill("SIGKILL");
    await this.#gone;
  }
}
