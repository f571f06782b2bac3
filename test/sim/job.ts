/** The simulation as jobs of the torture: a round is a life, by its seed; or a program broken by order, and the lives that find it. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { again, count, type Job, type Rows } from "../torture/job.ts";
import { type Lived, liveAll } from "./lives.ts";
import { type Mutant, mutants } from "./mutants.ts";
import { lineOf, Progress } from "./progress.ts";
import { type Outcome, run } from "./run.ts";
import { type Fault, faults } from "./world.ts";

/** Where disks are memory, if the system has such a place. */
export const quickFolder = (): string => (existsSync("/dev/shm") ? "/dev/shm" : tmpdir());

/** How a run is told of, with the command that repeats it. */
export function story({ seed, problems, trace }: Outcome, mutant?: string): string {
  const how = ` --trace${mutant === undefined ? "" : ` --mutant ${mutant}`}`;
  const found = problems.map(({ type, what }) => `  ${type}: ${what}`);
  return [`seed ${seed}:`, ...found, `  ${again("sim", seed, how)}`, ...trace].join("\n");
}

async function inQuickFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(quickFolder(), "odmr-sim-"));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const sim: Job = {
  what: "the relay and its customers in one process, over broken lines and disks",
  rounds: 1_000,
  share: 10,
  run: ({ seed, more, mutant, trace = false, say }) =>
    inQuickFolder(async (folder) => {
      const rows: Rows = {};
      const byFault: Rows = {};
      let rounds = 0;
      let failed = 0;
      const progress = new Progress(lineOf(process.stderr));
      const ended = (lived: Lived): void => {
        const { counts, struck, problems, hash, trace: happened } = lived.outcome;
        rounds++;
        progress.clear();
        if (trace) say([...happened, `trace ${hash}`].join("\n"));
        count(rows, "simulated lives, all", { happened: 1, rounds: 1, ...counts });
        // A life has several troubles, and is in the row of each.
        for (const [fault, times] of Object.entries(struck))
          count(byFault, fault, { happened: times, rounds: 1, ...counts });
        if (problems.length > 0) {
          failed++;
          say(story({ ...lived.outcome, trace: [] }, mutant));
        }
        progress.ended(lived);
      };
      await liveAll({ ...{ seed, folder, mutant, trace, more, ended }, hands: availableParallelism() });
      progress.clear();
      say(`sim: ${progress.slowest}`);
      for (const fault of Object.keys(faults) as Fault[])
        if (byFault[fault] !== undefined) rows[`… with ${faults[fault]}`] = byFault[fault];
      return { rounds, failed, rows };
    }),
};

const WHOLE = { without: "nothing", seed: 1 } as const;

/** A mutant that so many seeds do not find is not found. */
export const ENOUGH = 60;

/**
 * @returns how many lives it took; undefined: none of so many found it
 * @throws if the whole program does not come through the life that the broken one is found in: then it was not found, but the life
 */
export async function livesToFind(mutant: Mutant, from: number, folder: string): Promise<number | undefined> {
  for (let lives = 1; lives <= ENOUGH; lives++) {
    const seed = from + lives - 1;
    if ((await run({ seed, folder, mutant })).problems.length === 0) continue;
    const whole = await run({ seed, folder, mutant: { ...WHOLE, stress: mutant.stress } });
    if (whole.problems.length > 0) throw new Error(`the program is whole, and still ${story(whole)}`);
    return lives;
  }
  return undefined;
}

export const broken: Job = {
  what: "programs that lack one of what keeps the promise, until the simulation finds them out",
  rounds: Object.keys(mutants).length,
  share: 1,
  run: ({ seed, more, say }) =>
    inQuickFolder(async (folder) => {
      const rows: Rows = {};
      const all = Object.entries(mutants);
      let rounds = 0;
      let failed = 0;
      for (; rounds < all.length && more(rounds); rounds++) {
        const [name, mutant] = all[rounds]!;
        const lives = await livesToFind(mutant, seed, folder);
        count(rows, `broken by order: without ${mutant.without}`, {
          rounds: lives ?? ENOUGH,
          found: lives === undefined ? 0 : 1,
        });
        if (lives !== undefined) continue;
        failed++;
        say(`${ENOUGH} lives did not find the mutant ${name}`);
      }
      return { rounds, failed, rows };
    }),
};
