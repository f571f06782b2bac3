/** Keeps a certificate: orders one where there is none, renews it in time, and goes on with the old one while that fails. */
// Whatever the CA does, nothing here throws: a relay without a new certificate is still a relay.
import { type Clock, type Instant, pause } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { Random } from "../platform/random.ts";
import { type Issued, OrderError, type Wanted } from "./order.ts";
import { afterFailure, renewalOf, whyAnother } from "./renewal.ts";
import type { Kept } from "./shelf.ts";
import type { Window } from "./wish.ts";

/** Where the certificate is kept. */
export interface Shelf {
  read(): Promise<Kept | undefined>;
  write(issued: Issued, directory: string): Promise<Kept>;
}

export interface KeeperTools {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly shelf: Shelf;
  /** What is wanted now: the configuration may be another than at the last look. undefined: nothing any more. */
  wanted(): Promise<Wanted | undefined>;
  /** One order. @throws OrderError */
  order(wanted: Wanted): Promise<Issued>;
  /** When the CA would like it to be renewed; undefined: it has no wishes. */
  wish(kept: Kept, wanted: Wanted): Promise<Window | undefined>;
  /** A certificate is there that was not: show it. */
  onRenewed(kept: Kept): void;
  readonly stopping: AbortSignal;
}

/** However far the renewal is: a clock may jump, a machine may sleep, and somebody else may have renewed. */
const LOOK = 6 * 3_600_000;

export class Keeper {
  readonly #tools: KeeperTools;
  #failures = 0;
  #notBefore: Instant = 0;
  #waking = new AbortController();
  #shown: string | undefined;

  /** @param shown the fingerprint of the certificate that is shown already */
  constructor(tools: KeeperTools, shown: string | undefined) {
    this.#tools = tools;
    this.#shown = shown;
  }

  /** Looks at once, also where a failure would have it wait, and shows what is kept. */
  wake(): void {
    this.#shown = undefined;
    this.#failures = 0;
    this.#notBefore = 0;
    this.#waking.abort();
  }

  /** Resolves when it is stopped. */
  async run(): Promise<void> {
    const { clock, stopping } = this.#tools;
    while (!stopping.aborted) {
      this.#waking = new AbortController();
      const wait = await this.#look();
      await pause(clock, wait, AbortSignal.any([stopping, this.#waking.signal]));
    }
  }

  /** @returns how long nothing is to be done */
  async #look(): Promise<number> {
    const { clock, shelf } = this.#tools;
    const now = clock.now();
    if (now < this.#notBefore) return Math.min(this.#notBefore - now, LOOK);
    let kept: Kept | undefined;
    try {
      const wanted = await this.#tools.wanted();
      if (wanted === undefined) return LOOK;
      kept = await shelf.read();
      if (kept !== undefined && kept.fingerprint !== this.#shown) this.#show(kept);
      const due = kept === undefined ? now : await this.#dueOf(kept, wanted);
      const why = whyAnother(kept, wanted, { now, due });
      if (why !== undefined) await this.#renew(wanted, why);
      this.#failures = 0;
      // Never at once again: a certificate that is not what was asked for would be ordered without end.
      return why === undefined ? Math.min(due - now, LOOK) : LOOK;
    } catch (fault) {
      return this.#putOff(fault, kept, now);
    }
  }

  /** A wish that cannot be had is none. */
  async #dueOf(kept: Kept, wanted: Wanted): Promise<Instant> {
    const { log, wish } = this.#tools;
    try {
      return renewalOf(kept, await wish(kept, wanted));
    } catch (fault) {
      log.log("debug", "the CA's wish is not known", {
        why: fault instanceof Error ? fault.message : String(fault),
      });
      return renewalOf(kept);
    }
  }

  #putOff(fault: unknown, kept: Kept | undefined, now: Instant): number {
    const { random, log, stopping } = this.#tools;
    if (stopping.aborted) return 0;
    const later = fault instanceof OrderError ? fault.later : undefined;
    this.#failures++;
    this.#notBefore = Math.max(now + afterFailure(this.#failures, random), later ?? 0);
    log.log(isLate(kept, now) ? "error" : "warn", "certificate not renewed", {
      why: fault instanceof Error ? fault.message : String(fault),
      again: iso(this.#notBefore),
      ...(kept && { expires: iso(kept.until) }),
    });
    return Math.min(this.#notBefore - now, LOOK);
  }

  async #renew(wanted: Wanted, why: string): Promise<void> {
    const { log, shelf, order } = this.#tools;
    log.log("info", "certificate ordered", { names: wanted.names, directory: wanted.directory, why });
    const issued = await order(wanted);
    const kept = await shelf.write(issued, wanted.directory);
    log.log("info", "certificate renewed", {
      names: kept.names,
      issuer: kept.issuer,
      expires: iso(kept.until),
      renewal: iso(renewalOf(kept)),
    });
    this.#show(kept);
  }

  #show(kept: Kept): void {
    this.#shown = kept.fingerprint;
    this.#tools.onRenewed(kept);
  }
}

/** There is none, or it has not much of its life left. */
const isLate = (kept: Kept | undefined, now: Instant): boolean =>
  kept === undefined || kept.until - now < (kept.until - kept.from) / 6;

const iso = (at: Instant): string => new Date(at).toISOString();
