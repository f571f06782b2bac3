/** The simulation as a job of the torture: a round is a life, by its seed. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { again, type Counts, count, type Job } from "../torture/job.ts";
import { type MutantName, mutants } from "./mutants.ts";
import { type Outcome, run } from "./run.ts";

/** Where disks are memory, if the system has such a place. */
export const quickFolder = (): string => (existsSync("/dev/shm") ? "/dev/shm" : tmpdir());

/** How a run is told of, with the command that repeats it. */
export function story({ seed, problems, trace }: Outcome, mutant?: string): string {
  const how = ` --trace${mutant === undefined ? "" : ` --mutant ${mutant}`}`;
  return [`seed ${seed}: ${problems.join("\n  ")}`, `  ${again("sim", seed, how)}`, ...trace].join("\n");
}

export const sim: Job = {
  what: "the relay and its customers in one process, over broken lines and disks",
  rounds: 1_000,
  async run({ seed, more, mutant, trace }) {
    const folder = mkdtempSync(join(quickFolder(), "odmr-sim-"));
    const counts: Counts = {};
    let rounds = 0;
    let failed = 0;
    try {
      for (; more(rounds); rounds++) {
        const by = mutant === undefined ? undefined : mutants[mutant as MutantName];
        const outcome = await run({ seed: seed + rounds, folder, mutant: by, trace: trace === true });
        if (trace) console.log([...outcome.trace, `trace ${outcome.hash}`].join("\n"));
        count(counts, "lives of trouble", outcome.ends);
        const { happenings, crashes } = outcome;
        count(counts, "lives of trouble", { happenings, "ends of programs": crashes });
        if (outcome.problems.length === 0) continue;
        failed++;
        console.log(story({ ...outcome, trace: [] }, mutant));
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    return { rounds, failed, counts };
  },
};
