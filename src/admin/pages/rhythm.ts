/** How often a customer calls, and whether it is late. */
// A guess from the calls that were: the middle of the pauses between them, which one night of silence does not move.
import { HOUR } from "./words.ts";

export interface Rhythm {
  /** The usual pause between two calls, in milliseconds; undefined: there were too few to say. */
  readonly every?: number;
  /** When the next call is expected. */
  readonly expected?: number;
  readonly late: boolean;
}

/** Pauses that must have been seen. */
const ENOUGH = 3;
/** So many usual pauses without a call are too many; and a short rhythm is given time too. */
const PATIENCE = 3;
const PATIENCE_LEAST = HOUR;

/** @param calls when they began, newest first */
export function rhythmOf(calls: readonly number[], now: number): Rhythm {
  const [last] = calls;
  const pauses = calls.slice(1).map((call, i) => calls[i]! - call);
  if (last === undefined || pauses.length < ENOUGH) return { late: false };
  const every = [...pauses].sort((a, b) => a - b)[pauses.length >> 1]!;
  const late = now - last > Math.max(every * PATIENCE, PATIENCE_LEAST);
  return { every, expected: last + every, late };
}
