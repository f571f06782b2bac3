/** Time, as an argument: whoever waits or dates asks a Clock, so that a test of thirty days takes a millisecond. */

/** Milliseconds since 1970 in UTC. */
export type Instant = number;

/** A running timer; stopping one that has rung does nothing. */
export interface Timer {
  stop(): void;
}

export interface Clock {
  /** The time of day: dates, expiry, schedules. It may jump. */
  now(): Instant;
  /** Milliseconds since some fixed moment; never goes back: deadlines and durations. */
  steady(): number;
  /** Calls `ring` once, `ms` milliseconds from now. */
  after(ms: number, ring: () => void): Timer;
}

/** The machine's clock. Its timers keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  steady: () => performance.now(),
  after: (ms, ring) => {
    const timer = setTimeout(ring, Math.min(ms, 2 ** 31 - 1));
    return { stop: () => clearTimeout(timer) };
  },
};

/** Resolves after `ms`, or at once when the signal is aborted: look at the signal afterwards. */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      timer.stop();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.after(ms, done);
    signal?.addEventListener("abort", done);
  });
}
