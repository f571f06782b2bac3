/** Passwords that were wrong make answers slow: for their address, and for the user that was tried; never for good. */
// A right password waits as long as a wrong one would: an answer at once must not tell which it was.

/** Failures that cost nothing: fingers slip. */
const FREE = 3;
const SECOND = 1_000;
const LONGEST = 30 * SECOND;
/** Failures are forgotten when none was added for so long. */
const MEMORY = 3_600 * SECOND;
/** Addresses and users that are remembered, the last ones. */
const KEPT = 8_192;

interface Failures {
  readonly count: number;
  /** By the clock's steady(). */
  readonly last: number;
}

export class Guesses {
  readonly #failures = new Map<string, Failures>();

  /** Milliseconds that an answer to one of these (an address, a user) has to wait now. */
  wait(keys: readonly string[], now: number): number {
    const most = Math.max(0, ...keys.map((key) => this.#count(key, now)));
    return most < FREE ? 0 : Math.min(LONGEST, SECOND * 2 ** (most - FREE));
  }

  failed(keys: readonly string[], now: number): void {
    for (const key of keys) {
      const count = this.#count(key, now) + 1;
      // A Map goes in the order of insertion: the first key is the one that failed longest ago.
      this.#failures.delete(key);
      this.#failures.set(key, { count, last: now });
      if (this.#failures.size > KEPT) this.#failures.delete(this.#failures.keys().next().value ?? key);
    }
  }

  #count(key: string, now: number): number {
    const failures = this.#failures.get(key);
    return failures === undefined || now - failures.last > MEMORY ? 0 : failures.count;
  }
}
