/** What every job of the torture is: rounds by a seed, for as long as it may, and counts of what came of them. */

export interface Plan {
  /** The same seed, the same rounds. */
  readonly seed: number;
  /** Whether one more round is wanted. @param done so far */
  readonly more: (done: number) => boolean;
  /** Of the simulation: a program that is broken by order, and all that happens is told. */
  readonly mutant?: string | undefined;
  readonly trace?: boolean | undefined;
}

export interface Report {
  readonly rounds: number;
  /** Rounds in which something was wrong; each was told when it was found. */
  readonly failed: number;
  /** How often which fault came to what. */
  readonly counts: Counts;
}

/** By fault, then by outcome. */
export type Counts = Record<string, Record<string, number>>;

export interface Job {
  readonly what: string;
  /** Where nothing is said. */
  readonly rounds: number;
  run(plan: Plan): Promise<Report>;
}

export function count(counts: Counts, fault: string, outcomes: Readonly<Record<string, number>>): void {
  counts[fault] ??= {};
  const row = counts[fault];
  for (const [outcome, n] of Object.entries(outcomes)) row[outcome] = (row[outcome] ?? 0) + n;
}

/** How a round is repeated. */
export const again = (job: string, seed: number, more = ""): string =>
  `again: npm run torture -- ${job} --rounds 1 --seed ${seed}${more}`;
