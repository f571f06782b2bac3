/**
 * What the other parts want of a machine, as arguments: time, chance, and somewhere to log. Give these, or your own:
 * a test of thirty days then takes a millisecond.
 *
 * @example
 * ```ts
 * import { type Log, systemClock, systemRandom } from "odmr/platform";
 *
 * const log: Log = { log: (level, event, fields) => console.log(level, event, fields) };
 * log.log("info", "started", { at: systemClock.now(), nonce: systemRandom.bytes(16).length });
 * ```
 *
 * @module
 */
// What is exported here is a promise to whoever builds on it; the files behind it are not.

export { type Clock, type Instant, pause, systemClock, type Timer } from "../platform/clock.ts";
export { type Fields, type Level, type Log, silent } from "../platform/log.ts";
export { type Random, systemRandom } from "../platform/random.ts";
