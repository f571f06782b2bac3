/** The fuzzer: bends the golden talks for as long as it may, and holds what comes of them against promises. */
// bun test/fuzz/fuzz.ts [--seconds 60] [--seed 1] [--target NAME] [--save FOLDER] [--replay FILE]: the same seed finds
// the same. A crash is saved as `target-hash.bin`; in test/fuzz/crashes/ it is replayed by the tests from then on.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { seeded } from "../spool/support.ts";
import type { Target } from "./corpus.ts";
import { Mutator } from "./mutate.ts";
import { targets } from "./targets.ts";

export interface Crash {
  readonly target: string;
  readonly octets: Uint8Array;
  readonly error: Error;
}

export interface Fuzzed {
  readonly executions: number;
  readonly crashes: readonly Crash[];
}

export interface FuzzPlan {
  readonly targets: readonly Target[];
  readonly seed: number;
  /** Goes on while this says so. @param executions so far */
  readonly more: (executions: number) => boolean;
  /** Told of each crash at once. */
  readonly found?: (crash: Crash) => void;
}

/** Runs the targets in turn. One kind of crash (by its first line) is told once. */
export async function fuzz({ targets, seed, more, found }: FuzzPlan): Promise<Fuzzed> {
  const mutator = new Mutator(seeded(seed));
  const crashes = new Map<string, Crash>();
  let executions = 0;
  while (more(executions)) {
    const target = targets[executions++ % targets.length]!;
    const octets = mutator.next(target.corpus);
    const error = await broken(target, octets);
    const kind = error && `${target.name} ${error.message.split("\n")[0]}`;
    if (error === undefined || kind === undefined || crashes.has(kind)) continue;
    const crash = { target: target.name, octets: await shrunk(target, octets), error };
    crashes.set(kind, crash);
    found?.(crash);
  }
  return { executions, crashes: [...crashes.values()] };
}

/** What a target has against these octets; undefined: nothing. */
export async function broken(target: Target, octets: Uint8Array): Promise<Error | undefined> {
  try {
    await target.run(octets);
    return undefined;
  } catch (fault) {
    return fault instanceof Error ? fault : new Error(String(fault));
  }
}

/** Fewer octets that are still broken: pieces are taken out, ever smaller ones. */
async function shrunk(target: Target, octets: Uint8Array): Promise<Uint8Array> {
  let least = octets;
  for (let size = least.length >> 1; size >= 1; size >>= 1)
    for (let at = 0; at < least.length; ) {
      const without = Buffer.concat([least.subarray(0, at), least.subarray(at + size)]);
      if ((await broken(target, without)) === undefined) at += size;
      else least = without;
    }
  return least;
}

/** `server-intake-1a2b3c.bin` is for the target `server-intake`. */
export const targetOf = (file: string): Target | undefined =>
  targets.find(({ name }) => basename(file).replace(/-[0-9a-f]+\.bin$/, "") === name);

/** @returns the exit status: 1 if anything was found */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 1e9)) },
      target: { type: "string" },
      save: { type: "string", default: "." },
      replay: { type: "string" },
    },
  });
  const close = () => Promise.all(targets.map((target) => target.close?.()));
  if (values.replay !== undefined) {
    const target = targetOf(values.replay);
    if (target === undefined) throw new Error(`${values.replay} names no target; there are ${names()}`);
    const error = await broken(target, new Uint8Array(readFileSync(values.replay)));
    await close();
    console.log(error?.stack ?? "nothing is broken");
    return error === undefined ? 0 : 1;
  }
  const chosen = targets.filter(({ name }) => values.target === undefined || name === values.target);
  if (chosen.length === 0) throw new Error(`there is no target ${values.target}; there are ${names()}`);
  const end = performance.now() + Number(values.seconds) * 1_000;
  console.log(`fuzz: seed ${values.seed}, ${values.seconds} s, ${chosen.map(({ name }) => name).join(" ")}`);
  const { executions, crashes } = await fuzz({
    targets: chosen,
    seed: Number(values.seed),
    more: () => performance.now() < end,
    found: (crash) => console.log(`${save(crash, values.save)}: ${crash.error.message}`),
  });
  await close();
  console.log(`fuzz: seed ${values.seed}, ${executions} executions, ${crashes.length} crashes`);
  return crashes.length === 0 ? 0 : 1;
}

const names = (): string => targets.map(({ name }) => name).join(", ");

export function save({ target, octets }: Crash, folder: string): string {
  const hash = createHash("sha256").update(octets).digest("hex").slice(0, 8);
  const file = join(folder, `${target}-${hash}.bin`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, octets);
  return file;
}

if (import.meta.main) process.exitCode = await main();
