/** The pump: what a claim gives goes to a delivery, several messages in flight, and each is settled by its own outcome. */
// The window bounds what is in flight by count and by octets; one message of any size always fits.
import type { Delivery, Outcome } from "../delivery/delivery.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { Claim, Held, Settlement } from "../spool/spool.ts";
import { replyLine } from "../wire/reply.ts";

/** When a recipient that was answered 4xx is due again; `attempts` were made before this one. */
export type Backoff = (attempts: number) => number;

export interface PumpOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly backoff: Backoff;
  /** Messages in flight at most. */
  readonly window: number;
  /** Messages in all at most: a turn has an end, however fast mail arrives. */
  readonly most?: number;
  /** Once aborted, no further message is taken; those in flight are finished. */
  readonly stopping?: AbortSignal;
  /**
   * Whether a refusal may be final, because the sender will be told (or is nobody). Without it a refused recipient is held
   * with its reply: somebody here must decide (`queue list --state held`).
   */
  readonly tells?: (held: Held) => boolean;
  /** A sender is told that its message is late after so many milliseconds; undefined: never. */
  readonly lateAfter?: number;
  /** Told of every message that was settled, and of the sums so far: progress, logs. */
  readonly settled?: (held: Held, outcomes: readonly Outcome[], tally: Readonly<Tally>) => void;
}

/** What a run came to, in messages' recipients; `octets` of messages that at least one recipient got. */
export interface Tally {
  delivered: number;
  deferred: number;
  refused: number;
  unanswered: number;
  /** Not tried: it is not their hour. */
  postponed: number;
  messages: number;
  octets: number;
}

/** How long a claim's leases outlive a process that dies, in milliseconds; while it lives they are renewed. */
export const LEASE = 2 * 60_000;

const OCTETS_IN_FLIGHT = 8 * 1_048_576;

const eventOf = {
  delivered: "delivered",
  deferred: "deferred",
  refused: "refused",
  unanswered: "kept",
  postponed: "postponed",
} as const;

/** Drains a claim until nothing is due, the window of messages is used up, or the next hop is gone. The claim is released. */
export async function pump(claim: Claim, delivery: Delivery, options: PumpOptions): Promise<Tally> {
  const tally: Tally = {
    delivered: 0,
    deferred: 0,
    refused: 0,
    unanswered: 0,
    postponed: 0,
    messages: 0,
    octets: 0,
  };
  const inFlight = new Set<Promise<void>>();
  let landed: (() => void) | undefined;
  /** What went wrong with us, not with mail: no further message is taken, and it is thrown when the others are finished. */
  const faults: unknown[] = [];
  let octets = 0;
  const most = options.most ?? Number.POSITIVE_INFINITY;
  const goesOn = (taken: number) =>
    taken < most && tally.unanswered === 0 && faults.length === 0 && options.stopping?.aborted !== true;

  const carry = async (held: Held): Promise<void> => {
    octets += held.size;
    try {
      const outcomes = await delivery.deliver(held);
      note(held, outcomes);
      await claim.settle(held, settlements(held, outcomes, options));
    } finally {
      octets -= held.size;
    }
  };

  const note = (held: Held, outcomes: readonly Outcome[]): void => {
    for (const { result, to, reply } of outcomes) {
      tally[result]++;
      options.log.log("info", eventOf[result], { id: held.id, to, reply: replyLine(reply) });
    }
    if (outcomes.some(({ result }) => result === "delivered")) {
      tally.messages++;
      tally.octets += held.size;
    }
    options.settled?.(held, outcomes, tally);
  };

  try {
    for (let taken = 0; goesOn(taken); taken++) {
      while (inFlight.size > 0 && (inFlight.size >= options.window || octets >= OCTETS_IN_FLIGHT))
        await new Promise<void>((resolve) => {
          landed = resolve;
        });
      const held = (await claim.next()) ?? (await afterFlight(claim, inFlight, () => goesOn(taken)));
      if (held === undefined) break;
      const carried: Promise<void> = carry(held)
        .catch((fault: unknown) => void faults.push(fault))
        .finally(() => {
          inFlight.delete(carried);
          landed?.();
        });
      inFlight.add(carried);
    }
    await Promise.all(inFlight);
    if (faults.length > 0) throw faults[0];
    return tally;
  } finally {
    await Promise.allSettled(inFlight);
    await claim.release();
  }
}

/** Mail may have arrived while the last messages were under way: asks once more after them, if it goes on at all. */
async function afterFlight(
  claim: Claim,
  inFlight: ReadonlySet<Promise<void>>,
  goesOn: () => boolean,
): Promise<Held | undefined> {
  await Promise.all(inFlight);
  return goesOn() ? claim.next() : undefined;
}

function settlements(held: Held, outcomes: readonly Outcome[], options: PumpOptions): readonly Settlement[] {
  const { clock, backoff, tells, lateAfter = Number.POSITIVE_INFINITY } = options;
  const late = clock.now() - held.arrived >= lateAfter;
  return outcomes.map(({ to, result, reply, tells: hopTells, due: opens, done }, i): Settlement => {
    const settled = { to, reply, ...(done && { done }) };
    switch (result) {
      case "refused":
        return { ...settled, result: tells?.(held) ? "refused" : "held" };
      case "deferred": {
        const due = clock.now() + backoff(held.attempts[i] ?? 0);
        return { ...settled, result, due, ...(late && { notice: "delayed" }) };
      }
      case "delivered":
        return { ...settled, result, ...(!hopTells && { notice: "relayed" }) };
      case "postponed":
        return { ...settled, result, ...(opens !== undefined && { due: opens }) };
      default:
        return { ...settled, result };
    }
  });
}
