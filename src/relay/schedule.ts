/** When an account is called next: at its hours or intervals; soon after a failure that may pass, late after one that lasts. */
// Pure: the time of day comes in, an instant comes out. Hours are of a time zone, through its changes of clock:
// an hour that is skipped is made up for right after, and one that comes twice counts once where a pattern names one minute.
import { Cron } from "croner";
import type { Instant } from "../platform/clock.ts";
import type { Random } from "../platform/random.ts";
import type { CallFault } from "./callerror.ts";

export interface Timing {
  /** Milliseconds between the beginnings of calls. */
  readonly every?: number | undefined;
  /** Minutes at which calls begin, as cron has them: minute, hour, day, month, weekday. */
  readonly schedule?: readonly string[] | undefined;
  /** An IANA name; undefined: the host's. */
  readonly timezone?: string | undefined;
  /** Milliseconds that chance moves a call by: later than its minute, or either way of its interval; undefined: as usual. */
  readonly jitter?: number | undefined;
}

/** What is known of the calls so far. */
export interface History {
  /** When the last one began; undefined: there was none. */
  readonly last: Instant | undefined;
  /** How many failed in a row, up to the last. */
  readonly failures: number;
  readonly fault?: CallFault | undefined;
}

/** The beginning of the next call; what is past is due at once, and once only. */
export type Schedule = (history: History, now: Instant, random: Random) => Instant;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
/** Customers with the same pattern do not all ring in the same second. */
const SPREAD = 20 * SECOND;

/** After the first failure, the second, …; the last for all further ones. */
const passing = [0.5, 1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE);
const lasting = [15, 60, 240].map((minutes) => minutes * MINUTE);
const steps: Readonly<Record<CallFault, readonly number[]>> = {
  later: passing,
  unreachable: passing,
  refused: lasting,
  protocol: lasting,
};

/** Without `every` and `schedule` a call is due whenever the last one has ended: for those who stay on the line. */
export function scheduleOf({ every, schedule, timezone, jitter }: Timing): Schedule {
  const regular =
    schedule !== undefined
      ? byHours(schedule, timezone, jitter)
      : every !== undefined
        ? byIntervals(every, jitter)
        : atOnce;
  return ({ last, failures, fault }, now, random) => {
    // A clock that was set back must not keep us waiting for the time it showed before.
    const since = last === undefined ? undefined : Math.min(last, now);
    const next = regular(since, now, random);
    if (failures === 0) return next;
    const retry = now + backoff(fault ?? "later", failures, random);
    return retry <= next || schedule === undefined ? retry : regular(retry, now, random);
  };
}

/** How long to stay away after so many failures, within a tenth. */
export function backoff(fault: CallFault, failures: number, random: Random): number {
  const of = steps[fault];
  const step = of[Math.min(failures, of.length) - 1] ?? 0;
  return Math.round(step * (0.9 + random.fraction() / 5));
}

type Regular = (since: Instant | undefined, now: Instant, random: Random) => Instant;

const atOnce: Regular = (_, now) => now;

function byIntervals(every: number, jitter = every / 20): Regular {
  return (since, now, random) =>
    since === undefined ? now : since + Math.round(every + jitter * (2 * random.fraction() - 1));
}

function byHours(patterns: readonly string[], timezone: string | undefined, jitter = SPREAD): Regular {
  const crons = patterns.map((pattern) => cronOf(pattern, timezone));
  return (since, now, random) => {
    const from = new Date(since ?? now);
    const next = crons.flatMap((cron) => cron.nextRun(from)?.getTime() ?? []);
    return Math.min(...next, now + LONGEST) + Math.round(random.fraction() * jitter);
  };
}

/** A pattern that never comes (30 February) is asked again after so long. */
const LONGEST = 366 * 24 * 60 * MINUTE;

/** Whether a time of day is within a pattern's minutes: "* 8-20 * * *" is open from 8:00 to 20:59. */
export function windowOf(pattern: string, timezone?: string): (now: Instant) => boolean {
  const cron = cronOf(pattern, timezone);
  return (now) => cron.match(new Date(now - (now % MINUTE)));
}

/** When a pattern's minutes begin next: `now`, if it is within them. */
export function openingOf(pattern: string, timezone?: string): (now: Instant) => Instant {
  const open = windowOf(pattern, timezone);
  const cron = cronOf(pattern, timezone);
  return (now) => (open(now) ? now : (cron.nextRun(new Date(now))?.getTime() ?? now + LONGEST));
}

function cronOf(pattern: string, timezone: string | undefined): Cron {
  return new Cron(pattern, { paused: true, mode: "5-part", ...(timezone !== undefined && { timezone }) });
}
