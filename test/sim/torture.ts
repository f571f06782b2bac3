/** `npm run torture [JOB] [-- OPTION…]`: jobs that try to make the program lose mail, for as long as you like. --help says more. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Trouble } from "../fault/nodes.ts";
import { seeded } from "../spool/support.ts";
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
  nodes: {
    what: "three relays, a house and a PostgreSQL as processes, killed, cut off and stopped, by seeds",
    run: sharing,
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

/** Rounds of one or two troubles at once, by chance; a seed draws the same ones, though processes are never twice the same. */
async function sharing(words: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      seed: { type: "string", default: "1" },
      rounds: { type: "string", default: "24" },
      each: { type: "string", default: "50" },
    },
  });
  const [seed = 0, count = 0, each = 0] = [values.seed, values.rounds, values.each].map(Number);
  if (![seed, count, each].every((number) => Number.isSafeInteger(number) && number > 0))
    return misunderstood(`not a number among ${values.seed} ${values.rounds} ${values.each}`);
  const { trial, troubles } = await import("../fault/nodes.ts");
  const random = seeded(seed);
  const drawn = (): readonly Trouble[] =>
    troubles.filter(() => random.fraction() < 1.5 / troubles.length).slice(0, 2);
  const rounds = Array.from({ length: count }, drawn);
  const began = performance.now();
  try {
    const taken = await trial({ seed, rounds, each, calls: 2 });
    console.log(`${taken} messages answered 250, all home once, in ${count} rounds, ${seconds(began)}`);
    return true;
  } catch (error) {
    console.log(`seed ${seed}, after ${seconds(began)}: ${error instanceof Error ? error.message : error}`);
    console.log(`  again: npm run torture -- nodes --seed ${seed} --rounds ${count} --each ${each}`);
    return false;
  }
}

const seconds = (began: number): string => `${((performance.now() - began) / 1000).toFixed(0)} s`;

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
  console.log("nodes [--rounds N] [--each MESSAGES] [--seed N]");
  console.log(`mutants: ${Object.keys(mutants).join(", ")}`);
  if (name !== "" && name !== "--help") process.exitCode = 64;
}

if (import.meta.main) await main(process.argv.slice(2));
