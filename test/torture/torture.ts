/** `npm run torture -- [JOB…] [OPTION…]`: tries to make the program lose mail, for as long as you like. --help says more. */
// Jobs by their names, or all of them, each for its share of the time; in the end a table of what came of it.
import { parseArgs } from "node:util";
import { kill, lossy, nodes } from "../fault/jobs.ts";
import { fuzzing } from "../fuzz/job.ts";
import { broken, sim } from "../sim/job.ts";
import { mutants } from "../sim/mutants.ts";
import type { Job, Plan, Report } from "./job.ts";
import { asLines, asTable, type Run } from "./table.ts";

const jobs: Readonly<Record<string, Job>> = { sim, mutants: broken, fuzz: fuzzing, kill, lossy, nodes };

const HELP = `npm run torture -- [JOB…] [--seconds N | --rounds N] [--seed S] [--json] [--help]

${Object.entries(jobs)
  .map(([name, { what, rounds }]) => `${name.padEnd(8)}${what}; ${rounds} rounds if nothing is said`)
  .join("\n")}

Without JOB all of them, each for its share of the seconds or so many rounds. The table in the end is Markdown, or JSON
Lines with --json; what is told on the way goes to stderr then. The status is 0 if nothing was wrong.
sim also takes --mutant NAME (a program that is broken by order) and --trace (all that happens):
        ${Object.keys(mutants).join(", ")}

npm run torture -- --seconds 600
npm run torture -- kill --rounds 3 --seed 7
npm run torture -- sim --rounds 1 --seed 7 --trace`;

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...{ seconds: { type: "string" }, rounds: { type: "string" }, seed: { type: "string" } },
      ...{ mutant: { type: "string" }, trace: { type: "boolean" } },
      ...{ json: { type: "boolean" }, help: { type: "boolean" } },
    },
  });
  if (values.help) return said(HELP, 0);
  const { seconds, rounds, mutant, trace } = values;
  const seed = values.seed ?? String(Date.now() % 1_000_000);
  const wrong = [seconds, rounds, seed].find((each) => each !== undefined && !/^\d+$/.test(each));
  if (wrong !== undefined) return said(`${wrong} is no number; --help says what there is`, 64);
  if (mutant !== undefined && !(mutant in mutants))
    return said(`there is no mutant ${mutant}; see --help`, 64);
  const unknown = positionals.find((name) => !(name in jobs));
  if (unknown !== undefined) return said(`there is no job ${unknown}; see --help`, 64);

  const chosen = positionals.length > 0 ? positionals : Object.keys(jobs);
  const end =
    performance.now() + (seconds === undefined ? Number.POSITIVE_INFINITY : Number(seconds) * 1_000);
  const say = values.json ? console.error : console.log;
  const runs: Run[] = [];
  for (const [i, name] of chosen.entries()) {
    const job = jobs[name]!;
    const shares = chosen.slice(i).reduce((sum, each) => sum + jobs[each]!.share, 0);
    const until = performance.now() + ((end - performance.now()) * job.share) / shares;
    const most = Number(rounds ?? (seconds === undefined ? job.rounds : Number.POSITIVE_INFINITY));
    const more: Plan["more"] = (done) => done < most && performance.now() < until;
    say(`${name}: from seed ${seed}`);
    const began = performance.now();
    const report: Report = await job.run({ seed: Number(seed), more, mutant, trace, say });
    const took = ((performance.now() - began) / 1_000).toFixed(1);
    say(`${name}: ${report.rounds} rounds in ${took} s, ${report.failed} failed`);
    const how = `${name} --rounds ${report.rounds} --seed ${seed}${mutant ? ` --mutant ${mutant}` : ""}`;
    runs.push({ how, report });
  }
  console.log(values.json ? asLines(runs) : `\n${asTable(runs)}`);
  return runs.every(({ report }) => report.failed === 0) ? 0 : 1;
}

function said(text: string, status: number): number {
  (status === 0 ? console.log : console.error)(text);
  return status;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
