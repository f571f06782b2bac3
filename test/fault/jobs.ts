/** Kills and power cuts as jobs of the torture: a round is a world of its own, with the program as its users run it. */
import { join } from "node:path";
import type { Random } from "../../src/platform/random.ts";
import { seeded } from "../spool/support.ts";
import { inWorld, type Program, programs } from "../support/program.ts";
import { again, type Counts, count, type Job, type Plan } from "../torture/job.ts";
import { killFlooded, killPull, killServe, type Toll } from "./killing.ts";
import { cutPower, record } from "./lossy.ts";

/** The binary, if it was built: it is what users run. */
const words: Program["words"] = programs.at(-1)!.words;
const ROUNDS = 5;

type Try = (random: Random, counts: Counts) => Promise<void>;

/** More than that is not read by anybody. */
const FAILURES = 10;

/** Tries one kind after the other. What is wrong is an error, and the next round begins. */
async function inRounds(job: string, { seed, more }: Plan, kinds: readonly Try[]) {
  const counts: Counts = {};
  let rounds = 0;
  let failed = 0;
  for (; failed < FAILURES && more(rounds); rounds++) {
    const at = seed + rounds;
    try {
      await kinds[at % kinds.length]!(seeded(at), counts);
    } catch (error) {
      failed++;
      console.log(`${error instanceof Error ? error.message : error}\n  ${again(job, at)}`);
    }
  }
  return { rounds, failed, counts };
}

const killing =
  (fault: string, kill: (world: Parameters<typeof killPull>[0], random: Random) => Promise<Toll>): Try =>
  (random, counts) =>
    inWorld(words, async (world) => {
      const { kills, taken, unanswered, delivered } = await kill(world, random);
      count(counts, fault, { kills, "answered 250": taken, unanswered, delivered, lost: 0, doubled: 0 });
    });

export const kill: Job = {
  what: "serve and pull killed at their work, the queue and the mailboxes compared with what was sent",
  rounds: 6,
  run: (plan) =>
    inRounds("kill", plan, [
      killing("serve killed", (world, random) => killServe(world, { rounds: ROUNDS, random })),
      killing("pull killed", (world, random) => killPull(world, { rounds: ROUNDS, random })),
      killing("serve killed under 200 sessions", (world) => killFlooded(world)),
    ]),
};

export const lossy: Job = {
  what: "a relay's recorded calls on a disk that loses what was not synced, cut off at many places (needs strace)",
  rounds: 3,
  run: (plan) =>
    inRounds("lossy", plan, [
      (random, counts) =>
        inWorld(words, async (world) => {
          const recording = await record(world, words, { sessions: 4, each: 20 });
          const folder = join(world.folder, "disk");
          const { problems, cuts, promised, kept } = await cutPower(recording, { cuts: 60, random, folder });
          count(counts, "power cut", { cuts, "promised before": promised, kept, wrong: problems.length });
          if (problems.length > 0) throw new Error(problems.join("\n"));
        }),
    ]),
};

export const nodes: Job = {
  what: "three relays, a house and a PostgreSQL as processes, killed, cut off and stopped (needs postgresql)",
  rounds: 3,
  run: (plan) =>
    inRounds("nodes", plan, [
      async (random, counts) => {
        const { trial, troubles } = await import("./nodes.ts");
        const drawn = () => troubles.filter(() => random.fraction() < 1.5 / troubles.length).slice(0, 2);
        const rounds = Array.from({ length: 8 }, drawn);
        const taken = await trial({ seed: Math.ceil(random.fraction() * 1e6), rounds, each: 50, calls: 2 });
        count(counts, "nodes of a shared spool in trouble", { "answered 250": taken, lost: 0, doubled: 0 });
      },
    ]),
};
