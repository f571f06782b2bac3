/** The porter: carries an account's mail from the spool to its targets, when it comes and when it is due again. */
// One run at a time; a target is opened for a run and closed after it, so that none goes stale in between.
import type { Delivery } from "../delivery/delivery.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { Random } from "../platform/random.ts";
import type { Lane, Spool } from "../spool/spool.ts";
import type { Arrivals } from "./arrivals.ts";
import { type Distribution, distribute } from "./distribute.ts";
import { firstOf } from "./wait.ts";

export interface PorterTools {
  readonly account: string;
  /** The targets, opened for one run. */
  readonly open: () => Delivery;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly tells?: Distribution["tells"];
}

/** Recipients, by what became of them. */
export interface Carried {
  readonly delivered: number;
  readonly deferred: number;
  readonly refused: number;
}

/** Looks anew after so long, whatever the spool said: the time of day may have jumped. */
const NAP = 60_000;

export class Porter {
  readonly #tools: PorterTools;
  readonly #lane: Lane;
  #carried = { delivered: 0, deferred: 0, refused: 0 };
  #running: Promise<void> | undefined;

  constructor(tools: PorterTools) {
    this.#tools = tools;
    this.#lane = { direction: "local", customer: tools.account };
  }

  /** What was carried since this porter began. */
  get carried(): Carried {
    return { ...this.#carried };
  }

  /** Carries what is due now. Resolves when all of it was tried, by whichever run. */
  async carry(): Promise<void> {
    await this.#running;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  /** Carries whatever comes, and what is due again, until told to stop. */
  async work(arrivals: Arrivals, stopping: AbortSignal): Promise<void> {
    const { spool, clock } = this.#tools;
    while (!stopping.aborted) {
      const arrival = arrivals.next(this.#lane);
      try {
        const ahead = ((await spool.soonest({ lane: this.#lane })) ?? Number.POSITIVE_INFINITY) - clock.now();
        if (ahead <= 0) await this.carry();
        else await firstOf([arrival.came], { clock, left: Math.min(ahead, NAP), signal: stopping });
      } catch (fault) {
        await this.#rest(fault, stopping);
      } finally {
        arrival.forget();
      }
    }
  }

  async #run(): Promise<void> {
    const { open, ...tools } = this.#tools;
    const delivery = open();
    try {
      const tally = await distribute({ ...tools, delivery });
      if (tally === "nothing") return;
      for (const what of ["delivered", "deferred", "refused"] as const) this.#carried[what] += tally[what];
    } finally {
      await delivery.close();
    }
  }

  /** The spool is in trouble: that is logged, and it is looked at again after a while. */
  async #rest(fault: unknown, signal: AbortSignal): Promise<void> {
    const { account, clock, log } = this.#tools;
    const why = fault instanceof Error ? fault.message : String(fault);
    log.log("error", "distribution failed", { account, why });
    await firstOf([], { clock, left: NAP, signal });
  }
}
