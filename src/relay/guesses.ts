/** Passwords that were wrong make answers slow: for their network, and for the user that was tried; never for good. */
// A right password waits as long as a wrong one would: an answer at once must not tell which it was. But a user who was
// right from a network before waits there for wrong guesses from that very network only: strangers cannot slow the owner.

/** Failures that cost nothing: fingers slip. */
const FREE = 3;
const SECOND = 1_000;
const LONGEST = 30 * SECOND;
/** Failures are forgotten when none was added for so long. */
const MEMORY = 3_600 * SECOND;
/** Networks, users and pairs of them that are remembered as wrong, the last ones. */
const KEPT = 16_384;
/** Networks that are remembered as a user's own, the last ones. */
const HOMES = 64;

/** Who is tried, and from where; `user` is undefined where none was named. */
export interface Attempt {
  readonly network: string;
  readonly user: string | undefined;
}

interface Failures {
  readonly count: number;
  /** By the clock's steady(). */
  readonly last: number;
}

export class Guesses {
  readonly #failures = new Map<string, Failures>();
  /** User → networks from which the user was right. */
  readonly #homes = new Map<string, Set<string>>();

  /** Milliseconds that an answer to this attempt has to wait now. */
  wait(attempt: Attempt, now: number): number {
    const keys = this.#isHome(attempt) ? [pairOf(attempt)] : apartOf(attempt);
    const most = Math.max(...keys.map((key) => this.#count(key, now)));
    return most < FREE ? 0 : Math.min(LONGEST, SECOND * 2 ** (most - FREE));
  }

  failed(attempt: Attempt, now: number): void {
    for (const key of [...apartOf(attempt), pairOf(attempt)]) {
      const count = this.#count(key, now) + 1;
      put(this.#failures, key, { count, last: now }, KEPT);
    }
  }

  /** The password was right: this network is the user's, and its slips are forgotten. */
  succeeded({ network, user }: { readonly network: string; readonly user: string }): void {
    this.#failures.delete(pairOf({ network, user }));
    const homes = this.#homes.get(user) ?? new Set();
    homes.delete(network);
    homes.add(network);
    for (const oldest of homes) if (homes.size > HOMES) homes.delete(oldest);
    put(this.#homes, user, homes, KEPT);
  }

  #isHome({ network, user }: Attempt): boolean {
    return user !== undefined && this.#homes.get(user)?.has(network) === true;
  }

  #count(key: string, now: number): number {
    const failures = this.#failures.get(key);
    return failures === undefined || now - failures.last > MEMORY ? 0 : failures.count;
  }
}

const apartOf = ({ network, user }: Attempt): readonly string[] => [
  `from ${network}`,
  ...(user === undefined ? [] : [`as ${user}`]),
];

/** Networks have no blanks, so no name of a user makes two pairs one. */
const pairOf = ({ network, user }: Attempt): string => `pair ${network} ${user ?? ""}`;

/** Puts a key as the youngest: a Map goes in the order of insertion, so the first key is the oldest. */
function put<V>(map: Map<string, V>, key: string, value: V, kept: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > kept) map.delete(map.keys().next().value ?? key);
}
