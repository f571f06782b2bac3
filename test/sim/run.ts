/** One run: a seed's plan is lived through, then peace is made, everything is stopped, and the books are checked. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { openSpool } from "../../src/spool/open.ts";
import { type Findings, findingsOf, type Station } from "./check.ts";
import type { Mutant } from "./mutants.ts";
import { spoolPath } from "./office.ts";
import { Storm } from "./storm.ts";
import { Town } from "./town.ts";
import { type Fault, ownEventLoop, type Watch, World } from "./world.ts";

export interface RunOptions extends Watch {
  readonly seed: number;
  /** A folder for its disks; memory is quickest. */
  readonly folder: string;
  readonly mutant?: Mutant | undefined;
  /** Keep what happened, line by line. */
  readonly trace?: boolean | undefined;
}

/** Milliseconds of the machine's time in which something happens, on the busiest machine too. */
export const PULSE = 60_000;

export interface Outcome extends Findings {
  readonly seed: number;
  /** The same seed, the same word. */
  readonly hash: string;
  readonly happenings: number;
  /** How often which fault struck. */
  readonly struck: Partial<Readonly<Record<Fault, number>>>;
  readonly trace: readonly string[];
}

export async function run(options: RunOptions): Promise<Outcome> {
  // What is loaded at its first use would be waited for by the first run alone.
  await import("nodemailer/lib/mime-node");
  const world = new World(options.seed, options.trace, options);
  const restore = ownEventLoop(world);
  const folder = join(options.folder, `sim-${options.seed}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const town = new Town(world, folder, options.mutant);
  try {
    const findings = await world.within(PULSE, live(town)).catch(brokenOff);
    const { trace, count: happenings, struck } = world;
    return {
      seed: options.seed,
      hash: world.digest(),
      ...{ happenings, struck, trace },
      ...findings,
    };
  } finally {
    restore();
    town.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A life that hangs or throws has found something too. */
const brokenOff = (fault: unknown): Findings => {
  const what = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
  return { problems: [{ type: "wrong", what }], counts: { wrong: 1 } };
};

/** Peace lasts so long: everything that can go home does. */
const PEACE = 45_000;
/** In peace, so many looks for mail that could have gone on, so far apart. */
const LOOKS = { times: 8, every: 5_000 } as const;

async function live(town: Town): Promise<Findings> {
  const { world, plan, houses, machines } = town;
  const storm = new Storm(town);
  for (const machine of machines) machine.boot();
  await world.run(2_000);
  world.note(`plan ${JSON.stringify(plan)}`);
  storm.letTroubleCome();
  await world.run(plan.storm);
  town.makePeace();
  await world.run(10_000);
  await stopAll(town);
  await world.run(plan.night);
  for (const machine of machines) machine.boot();
  await world.run(2_000);
  await world.until("the retry of all that waits", retryAll(town), 60_000);
  for (const { program } of houses.values()) program?.ring();
  // What the houses send to the stranger comes in between.
  for (const part of [0.2, 0.5, 0.3]) {
    await world.run(PEACE * part);
    await world.until("a call of the stranger", town.strangerCalls(), 60_000);
  }
  const stuck = await world.until("the look for mail that did not go on", stuckAfterAll(town), 120_000);
  await stopAll(town);
  return await booksOf(town, storm.ill, stuck);
}

async function stopAll({ world, machines }: Town): Promise<void> {
  await world.until("the stop of all", Promise.all(machines.map((machine) => machine.stop())), 120_000);
}

async function retryAll({ relays, houses }: Town): Promise<void> {
  for (const { program } of [...relays, ...houses.values()])
    if (program !== undefined)
      for await (const _ of program.spool.act({ type: "retry" }, {}, { name: "operator", reason: "peace" }));
}

/** Mail that could have gone on in peace and did not: notices are late, and so they get some time. */
async function stuckAfterAll(town: Town): Promise<readonly string[]> {
  for (let look = 1; look < LOOKS.times; look++) {
    if ((await stuckIn(town)).length === 0) return [];
    for (const { program } of town.houses.values()) program?.ring();
    await town.strangerCalls();
    await town.world.outside.do(LOOKS.every, () => undefined);
  }
  return await stuckIn(town);
}

async function stuckIn({ relays, houses }: Town): Promise<readonly string[]> {
  const stuck: string[] = [];
  for (const { name, program } of [...relays, ...houses.values()]) {
    if (program === undefined) return [`${name} does not start`];
    for (const state of ["waiting", "leased"] as const)
      for await (const { sender, direction, customer } of program.spool.list({ state }))
        stuck.push(`${name}: <${sender}> is ${state} for ${direction} ${customer} after all`);
    for (const { id, envelope } of await program.spool.owed(100))
      stuck.push(`${name}: <${envelope.from}> is still owed a notice of ${id}`);
  }
  return stuck;
}

async function booksOf(town: Town, ill: boolean, stuck: readonly string[]): Promise<Findings> {
  const stations: Station[] = [];
  try {
    for (const { name, disk } of town.machines) {
      const { outside } = town.world;
      const spool = await openSpool({
        ...{ path: spoolPath(disk), clock: outside, random: outside.random, log: silent },
        ...({ files: systemFiles, thread: "here", asIs: true } as const),
      });
      stations.push({ name, spool });
    }
    const { register } = town;
    const { calm } = town.plan;
    const ownerOf = (domain: string) => town.ownerOf(domain);
    const relays = town.relays.map(({ name }) => name);
    const facts = { register, stations, relays, ownerOf, calm, ill };
    return await findingsOf(facts, stuck);
  } finally {
    for (const { spool } of stations) await spool.close();
  }
}
