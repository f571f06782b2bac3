/** `npm run torture [JOB] [-- OPTION…]`: jobs that try to make the program lose mail, for as long as you like. --help says more. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type MutantName, mutants } from "./mutants.ts";
import { type Outcome, run } from "./run.ts";

interface Job {
  readonly what: string;
  /** @returns whether all went well */
  run(words: readonly string[]): Promise<boolean>;
}

const jobs: Readonly<Record<string, Job>> = {
  sim: {
    what: "the relay and its customers in one process, over broken lines and disks, by seeds",
    run: simulate,
  },
};

/** Where disks are memory, if the system has such a place. */
export const quickFolder = (): string => (existsSync("/dev/shm") ? "/dev/shm" : tmpdir());

/** How a run is told of, with the command that repeats it. */
export function story({ seed, problems, trace }: Outcome, mutant?: string): string {
  const again = `npm run torture -- sim --seed ${seed}${mutant === undefined ? "" : ` --mutant ${mutant}`}`;
  return [
    `seed ${seed}: ${problems.join("\n  ")}`,
    `  again, with all that happened: ${again}`,
    ...trace,
  ].join("\n");
}

async function simulate(words: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      seed: { type: "string" },
      seeds: { type: "string", default: "1000" },
      from: { type: "string", default: "1" },
      seconds: { type: "string" },
      mutant: { type: "string" },
    },
  });
  const mutant = values.mutant === undefined ? undefined : mutants[values.mutant as MutantName];
  if (values.mutant !== undefined && mutant === undefined)
    return misunderstood(`there is no mutant ${values.mutant}`);
  const numbers = [values.seed, values.seeds, values.from, values.seconds].filter(
    (each) => each !== undefined,
  );
  if (!numbers.every((each) => /^\d+$/.test(each)))
    return misunderstood(`not a number among ${numbers.join(" ")}`);
  const folder = mkdtempSync(join(quickFolder(), "odmr-sim-"));
  const until = performance.now() + Number(values.seconds ?? Number.POSITIVE_INFINITY) * 1_000;
  const one = values.seed !== undefined;
  const first = Number(values.seed ?? values.from);
  const count = one ? 1 : values.seconds === undefined ? Number(values.seeds) : Number.POSITIVE_INFINITY;
  const ends: Record<string, number> = {};
  let runs = 0;
  let failed = 0;
  let happenings = 0;
  let crashes = 0;
  const began = performance.now();
  try {
    for (; runs < count && performance.now() < until; runs++) {
      const outcome = await run({ seed: first + runs, folder, mutant, trace: one });
      if (one) console.log([...outcome.trace, `trace ${outcome.hash}`].join("\n"));
      for (const [end, n] of Object.entries(outcome.ends)) ends[end] = (ends[end] ?? 0) + n;
      happenings += outcome.happenings;
      crashes += outcome.crashes;
      if (outcome.problems.length === 0) continue;
      failed++;
      console.log(story({ ...outcome, trace: [] }, values.mutant));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const ms = performance.now() - began;
  for (const [end, n] of Object.entries(ends).sort()) console.log(`${String(n).padStart(8)} ${end}`);
  console.log(
    `${runs} runs, ${failed} failed, ${happenings} happenings, ${crashes} ends of programs, ${(ms / runs).toFixed(0)} ms a run`,
  );
  return failed === 0;
}

function misunderstood(why: string): false {
  console.error(`${why}; npm run torture -- --help says what there is`);
  process.exit(64);
}

async function main([name = "", ...words]: readonly string[]): Promise<void> {
  const job = jobs[name];
  if (job !== undefined) {
    if (!(await job.run(words))) process.exitCode = 1;
    return;
  }
  console.log("npm run torture -- JOB [OPTION…]\n");
  for (const [each, { what }] of Object.entries(jobs)) console.log(`${each.padEnd(8)} ${what}`);
  console.log("\nsim [--seeds N] [--from N] [--seconds T] [--seed N] [--mutant NAME]");
  console.log(`mutants: ${Object.keys(mutants).join(", ")}`);
  if (name !== "" && name !== "--help") process.exitCode = 64;
}

if (import.meta.main) await main(process.argv.slice(2));
