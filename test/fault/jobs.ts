/** Kills and power cuts as jobs of the torture: a round is a world of its own, with the program as its users run it. */
import { join } from "node:path";
import type { Random } from "../../src/platform/random.ts";
import { seeded } from "../spool/support.ts";
import { inWorld, type Program, programs, type World } from "../support/program.ts";
import {
  again,
  count,
  type Job,
  type Plan,
  type Problem,
  type Report,
  type Rows,
  tally,
} from "../torture/job.ts";
import { killBoth, killFlooded, killPull, killServe, type Toll } from "./killing.ts";
import { cutPower, record } from "./lossy.ts";
import type { Trouble } from "./nodes.ts";

/** The binary, if it was built: it is what users run. */
const words: Program["words"] = programs.at(-1)!.words;
const ROUNDS = 5;

type Try = (random: Random, rows: Rows) => Promise<readonly Problem[]>;

/** More than that is not read by anybody. */
const FAILURES = 10;

/** Tries one kind after the other. What is wrong is told, and the next round begins. */
async function inRounds(job: string, { seed, more, say }: Plan, kinds: readonly Try[]): Promise<Report> {
  const rows: Rows = {};
  let rounds = 0;
  let failed = 0;
  for (; failed < FAILURES && more(rounds); rounds++) {
    const at = seed + rounds;
    const problems = await kinds[at % kinds.length]!(seeded(at), rows).catch((error: unknown): Problem[] => {
      count(rows, "a round that broke off", { happened: 1, rounds: 1, wrong: 1 });
      return [{ type: "wrong", what: error instanceof Error ? error.message : String(error) }];
    });
    if (problems.length === 0) continue;
    failed++;
    for (const { type, what } of problems.slice(0, FAILURES)) say(`${type}: ${what}`);
    say(`  ${again(job, at)}`);
  }
  return { rounds, failed, rows };
}

const killing =
  (fault: string, kill: (world: World, random: Random) => Promise<Toll>): Try =>
  async (random, rows) => {
    let problems: readonly Problem[] = [];
    await inWorld(words, async (world) => {
      const toll = await kill(world, random);
      problems = toll.problems;
      count(rows, fault, {
        ...{ happened: toll.kills, rounds: 1, accepted: toll.taken },
        ...{ arrived: toll.delivered, queued: toll.queued, keptUnasked: toll.keptUnasked },
        ...tally(problems),
      });
    });
    return problems;
  };

export const kill: Job = {
  what: "serve, pull or both killed at their work, the queue and the mailboxes compared with what was sent",
  rounds: 8,
  share: 4,
  run: (plan) =>
    inRounds("kill", plan, [
      killing("SIGKILL of the relay", (world, random) => killServe(world, { rounds: ROUNDS, random })),
      killing("SIGKILL of the house", (world, random) => killPull(world, { rounds: ROUNDS, random })),
      killing("SIGKILL of both at once", (world, random) => killBoth(world, { rounds: ROUNDS, random })),
      killing("SIGKILL of the relay under 200 sessions", (world) => killFlooded(world)),
    ]),
};

export const lossy: Job = {
  what: "a relay's recorded calls on a disk that loses what was not synced, cut off at many places (needs strace)",
  rounds: 3,
  share: 1,
  run: (plan) =>
    inRounds("lossy", plan, [
      async (random, rows) => {
        let problems: readonly Problem[] = [];
        await inWorld(words, async (world) => {
          const recording = await record(world, words, { sessions: 4, each: 20 });
          const folder = join(world.folder, "disk");
          const losses = await cutPower(recording, { cuts: 60, random, folder });
          problems = losses.problems;
          const { lost, changed, wrong } = tally(problems);
          count(rows, "power cut on a disk that loses what was not synced", {
            ...{ happened: losses.cuts, rounds: 1, accepted: losses.promised },
            // What is there and was not promised yet had been on its way.
            ...{ queued: losses.promised - lost, keptUnasked: losses.kept - (losses.promised - lost) },
            ...{ lost, changed, wrong },
          });
        });
        return problems;
      },
    ]),
};

export const nodes: Job = {
  what: "three relays, a house and a PostgreSQL as processes, killed, cut off and stopped (needs postgresql)",
  rounds: 3,
  share: 2,
  run: (plan) =>
    inRounds("nodes", plan, [
      async (random, rows) => {
        const { trial, troubles } = await import("./nodes.ts");
        const drawn = () => troubles.filter(() => random.fraction() < 1.5 / troubles.length).slice(0, 2);
        const rounds = Array.from({ length: 8 }, drawn);
        const seed = Math.ceil(random.fraction() * 1e6);
        const { problems, ...came } = await trial({ seed, rounds, each: 50, calls: 2 });
        for (const trouble of troubles) {
          const happened = rounds.flat().filter((each) => each === trouble).length;
          if (happened > 0)
            count(rows, `shared spool: ${TROUBLES[trouble]}`, {
              ...{ happened, rounds: 1, accepted: came.taken, arrived: came.delivered },
              ...{ keptUnasked: came.keptUnasked, ...tally(problems) },
            });
        }
        return problems;
      },
    ]),
};

const TROUBLES = {
  node: "SIGKILL of a node",
  database: "the database crashes",
  lines: "the database ends all its lines",
  cut: "a node's lines to the database are cut",
  pause: "a node stands still until its leases are given away",
} as const satisfies Record<Trouble, string>;
