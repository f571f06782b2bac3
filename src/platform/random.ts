/** Chance, as an argument: ids, nonces, jitter. */

export interface Random {
  /** `count` unpredictable octets. */
  bytes(count: number): Uint8Array;
  /** A fraction in [0, 1), for jitter; no secret. */
  fraction(): number;
}

/** The machine's random source (Web Crypto: every runtime has it). */
export const systemRandom: Random = {
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
  fraction: () => Math.random(),
};
