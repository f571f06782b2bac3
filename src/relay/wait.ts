/** XODMRWAIT: a customer stays on the line until mail is due for it, or for as long as was agreed (dist/docs/extensions.md). */
// Nothing is sent unasked. Whoever speaks while it waits has ended the wait: it is answered first.
import type { Clock } from "../platform/clock.ts";
import type { Awaited } from "../spool/spool.ts";
import { type Reply, reply } from "../wire/reply.ts";
import { notYours } from "./atrn.ts";
import { laneOf } from "./customers.ts";
import type { Relay } from "./relay.ts";

export interface Wait {
  readonly user: string;
  /** None: all that the customer may have. */
  readonly domains: readonly string[];
  /** Only mail of at most so many octets counts. */
  readonly size: number | undefined;
  /** Resolves when the customer speaks, or is gone. */
  readonly stirs: Promise<void>;
}

const answers = {
  mail: reply(250, "2.0.0", "You have mail"),
  none: reply(251, "2.0.0", "No mail so far"),
  cannotSay: reply(451, "4.3.0", "Cannot look for your mail now"),
} as const;

/** What to say, when it is time to say it. */
export async function awaitMail(relay: Relay, wait: Wait): Promise<Reply> {
  const customer = relay.book.customers.named(wait.user);
  if (customer === undefined || !wait.domains.every((domain) => customer.domains.includes(domain)))
    return notYours;
  const { domains, size: largest } = wait;
  try {
    return await untilDue(relay, wait, {
      lane: laneOf(customer),
      ...(domains.length > 0 && { domains }),
      largest,
    });
  } catch (fault) {
    const why = fault instanceof Error ? fault.message : String(fault);
    relay.log.log("error", "wait impossible", { user: wait.user, why });
    return answers.cannotSay;
  }
}

async function untilDue(relay: Relay, { stirs }: Wait, awaited: Awaited): Promise<Reply> {
  const { arrivals, clock, spool, stopping, book } = relay;
  const ends = clock.steady() + (book.wait ?? 0);
  let stirred = false;
  const stir = () => {
    stirred = true;
  };
  void stirs.then(stir, stir);
  for (;;) {
    const arrival = arrivals.next(awaited.lane);
    try {
      const due = (await spool.soonest(awaited)) ?? Number.POSITIVE_INFINITY;
      const ahead = due - clock.now();
      if (ahead <= 0) return answers.mail;
      const left = Math.min(ends - clock.steady(), ahead);
      if (left <= 0 || stirred || stopping.aborted) return answers.none;
      await firstOf([arrival.came, stirs], { clock, left, signal: stopping });
    } finally {
      arrival.forget();
    }
  }
}

interface Limits {
  readonly clock: Clock;
  /** Milliseconds. */
  readonly left: number;
  readonly signal: AbortSignal;
}

/** Resolves at the first of these: something happens, the time is over, the signal is aborted. */
export function firstOf(
  happenings: readonly Promise<unknown>[],
  { clock, left, signal }: Limits,
): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      timer.stop();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.after(left, done);
    signal.addEventListener("abort", done);
    for (const happening of happenings) void happening.then(done, done);
  });
}
