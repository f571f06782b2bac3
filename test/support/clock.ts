/** A clock that stands still until a test moves it. */
// Timers ring in the order of their moments, and whatever they set off is let run before the next one.
import type { Clock, Instant, Timer } from "../../src/platform/clock.ts";

export interface ManualClock extends Clock {
  /** Moves time on by `ms`, ringing what falls due, also what is set while it moves. */
  advance(ms: number): Promise<void>;
  /**
   * Moves time on at once, as for a machine that was suspended: what fell due rings once, late, and finds time moved. Of a
   * month of looks each second one is left.
   */
  leap(ms: number): Promise<void>;
  /** Timers that are running. */
  readonly timers: number;
}

export function manualClock(start: Instant = Date.UTC(2024, 0, 1)): ManualClock {
  const timers = new Set<{ readonly due: number; readonly ring: () => void }>();
  let passed = 0;

  const after = (ms: number, ring: () => void): Timer => {
    const timer = { due: passed + Math.max(0, ms), ring };
    timers.add(timer);
    return { stop: () => void timers.delete(timer) };
  };

  const advance = async (ms: number) => {
    const until = passed + ms;
    await settled();
    for (;;) {
      const next = [...timers].filter(({ due }) => due <= until).sort((a, b) => a.due - b.due)[0];
      if (next === undefined) break;
      timers.delete(next);
      passed = Math.max(passed, next.due);
      next.ring();
      await settled();
    }
    passed = until;
  };

  const leap = async (ms: number) => {
    await settled();
    passed += ms;
    const late = [...timers].filter(({ due }) => due <= passed).sort((a, b) => a.due - b.due);
    for (const timer of late) {
      if (!timers.delete(timer)) continue;
      timer.ring();
      await settled();
    }
  };

  return {
    now: () => start + passed,
    steady: () => passed,
    after,
    advance,
    leap,
    get timers() {
      return timers.size;
    },
  };
}

/** Lets promises that are due run; a few rounds, for chains of them. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
  await new Promise<void>((resolve) => setImmediate(resolve));
}
