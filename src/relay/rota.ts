/** The rota: each account is called when its time has come or when somebody asks; one call of an account at a time. */
// A call that fails is a result here: it is reported, and the next one is due by the schedule's back-off.
import type { Clock, Instant } from "../platform/clock.ts";
import type { Random } from "../platform/random.ts";
import type { CallFault } from "./callerror.ts";
import type { Parting } from "./follow.ts";
import { backoff, type History, type Schedule } from "./schedule.ts";
import { firstOf } from "./wait.ts";

/** What a call came to: `R` is for whoever asked. */
export interface Result<R> {
  readonly report: R;
  /** Why it failed; undefined: it did not. */
  readonly fault?: CallFault | undefined;
}

/** How the line of one that follows ended. */
export type Left = { readonly type: Parting } | { readonly type: "failed"; readonly fault: CallFault };

/** An account, as the rota sees it. */
export interface Charge<R> {
  readonly name: string;
  readonly schedule: Schedule;
  /** One call, from dialling to the distribution of what it brought. Never throws for what a call may meet. */
  call(stopping: AbortSignal): Promise<Result<R>>;
  /** Stays on the line for as long as it holds; `round` is told the result of every round. */
  readonly follow?: (line: Line<R>) => Promise<Left>;
}

export interface Line<R> {
  readonly stopping: AbortSignal;
  /** Resolves when somebody asks. */
  asked(): Promise<void>;
  round(result: Result<R>): void;
}

export interface RotaTools {
  readonly clock: Clock;
  readonly random: Random;
}

/** Between a line that the provider ended and the next call. */
const BREATH = 2_000;

/** A nap is no longer than this, in milliseconds: then the time of day is looked at again, for it may have jumped. */
const NAP = 30_000;

/** One account's place in the rota. */
export class Watch<R> {
  readonly #charge: Charge<R>;
  readonly #tools: RotaTools;
  readonly #stop = new AbortController();
  #askers: ((report: R) => void)[] = [];
  #bell = Promise.withResolvers<void>();
  #history: History = { last: undefined, failures: 0 };
  #canFollow = true;
  readonly #over: Promise<void>;

  constructor(charge: Charge<R>, tools: RotaTools) {
    this.#charge = charge;
    this.#tools = tools;
    this.#over = this.#keep();
  }

  /** A call now, or as soon as the running one is over. @returns its report; undefined: the watch has ended */
  ask(): Promise<R | undefined> {
    if (this.#stop.signal.aborted) return Promise.resolve(undefined);
    const report = new Promise<R>((resolve) => this.#askers.push(resolve));
    this.#bell.resolve();
    return Promise.race([report, this.#over.then(() => undefined)]);
  }

  /** No further call; the running one is asked to come to its end. Resolves when it has. */
  async end(): Promise<void> {
    this.#stop.abort();
    await this.#over;
  }

  async #keep(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      if (this.#charge.follow !== undefined && this.#canFollow) await this.#follow(this.#charge.follow);
      else await this.#callInTime();
    }
  }

  async #callInTime(): Promise<void> {
    await this.#until((now) => this.#charge.schedule(this.#history, now, this.#tools.random));
    if (this.#stop.signal.aborted) return;
    const last = this.#tools.clock.now();
    const askers = this.#heard();
    const result = await this.#charge.call(this.#stop.signal);
    this.#note(result.fault, last);
    for (const tell of askers) tell(result.report);
  }

  async #follow(follow: NonNullable<Charge<R>["follow"]>): Promise<void> {
    const last = this.#tools.clock.now();
    const askers = this.#heard();
    const left = await follow({
      stopping: this.#stop.signal,
      asked: () => this.#bell.promise.then(() => void askers.push(...this.#heard())),
      round: ({ report, fault }) => {
        this.#note(fault, last);
        for (const tell of askers.splice(0)) tell(report);
      },
    });
    // Whoever asked when the line broke asks again: the next call answers.
    this.#askers.push(...askers);
    if (left.type === "cannot wait") this.#canFollow = false;
    if (left.type === "failed") this.#note(left.fault, last);
    const { random } = this.#tools;
    const wait =
      left.type === "failed"
        ? backoff(left.fault, this.#history.failures, random)
        : BREATH * random.fraction();
    await this.#until((now) => now + wait);
  }

  /** Those who asked before a call begins are answered by it. */
  #heard(): ((report: R) => void)[] {
    const askers = this.#askers;
    this.#askers = [];
    this.#bell = Promise.withResolvers<void>();
    return askers;
  }

  #note(fault: CallFault | undefined, last: Instant): void {
    this.#history =
      fault === undefined ? { last, failures: 0 } : { last, failures: this.#history.failures + 1, fault };
  }

  /** Waits until the time that `plan` says; it is asked again only when the time of day went back. */
  async #until(plan: (now: Instant) => Instant): Promise<void> {
    const { clock } = this.#tools;
    let seen = clock.now();
    let due = plan(seen);
    for (;;) {
      const now = clock.now();
      if (now < seen) due = plan(now);
      seen = now;
      if (now >= due || this.#stop.signal.aborted || this.#askers.length > 0) return;
      await firstOf([this.#bell.promise], {
        clock,
        left: Math.min(due - now, NAP),
        signal: this.#stop.signal,
      });
    }
  }
}
