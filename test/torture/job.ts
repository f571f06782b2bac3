/** What every job of the torture is: rounds by a seed, for as long as it may, and rows of what came of them. */
// Every figure comes from the run: what a job does not look at it leaves out, and never says that it is none.

export interface Plan {
  /** The same seed, the same rounds. */
  readonly seed: number;
  /** Whether one more round is wanted. @param done so far */
  readonly more: (done: number) => boolean;
  /** Told of what happens, line by line. */
  readonly say: (text: string) => void;
  /** Of the simulation: a program that is broken by order, and all that happens is told. */
  readonly mutant?: string | undefined;
  readonly trace?: boolean | undefined;
}

export interface Report {
  readonly rounds: number;
  /** Rounds in which something was wrong; each was told when it was found. */
  readonly failed: number;
  /** By fault: how often it struck, and what came of the mail. */
  readonly rows: Rows;
}

export interface Job {
  readonly what: string;
  /** Where nothing is said. */
  readonly rounds: number;
  /** Of the time that all jobs have; what one leaves over is for those behind it. */
  readonly share: number;
  run(plan: Plan): Promise<Report>;
}

/** What is counted, and how the table calls it. Of what was answered 250 each arrived, is queued, was returned, or is lost. */
export const columns = {
  happened: "how often",
  rounds: "rounds",
  found: "found",
  accepted: "answered 250",
  arrived: "arrived",
  queued: "still queued",
  returned: "given back or removed by name",
  lost: "lost",
  doubled: "doubled between our ends",
  changed: "changed",
  wrong: "otherwise wrong",
  keptUnasked: "kept without a 250",
  repeated: "repeated to who forgets",
} as const;

export type Column = keyof typeof columns;
export type Counts = Partial<Readonly<Record<Column, number>>>;
export type Rows = Record<string, Partial<Record<Column, number>>>;

/** What is wrong, and with what. */
export interface Problem {
  readonly type: "lost" | "doubled" | "changed" | "wrong";
  readonly what: string;
}

export function tally(problems: readonly Problem[]): Record<Problem["type"], number> {
  const found = { lost: 0, doubled: 0, changed: 0, wrong: 0 };
  for (const { type } of problems) found[type]++;
  return found;
}

export function count(rows: Rows, fault: string, counts: Counts): void {
  rows[fault] ??= {};
  const row = rows[fault];
  for (const [column, n] of Object.entries(counts) as [Column, number][])
    row[column] = (row[column] ?? 0) + n;
}

/** How a round is repeated. */
export const again = (job: string, seed: number, more = ""): string =>
  `again: npm run torture -- ${job} --rounds 1 --seed ${seed}${more}`;
