import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { quickFolder, story } from "./job.ts";
import { mutants } from "./mutants.ts";
import { run } from "./run.ts";

/** Deno is slower at it, and lives other lives. */
const onDeno = "Deno" in globalThis;
const LIVES = onDeno ? 6 : 10;
const FROM = onDeno ? [10_000, 10_006] : [1, 11, 21, 31];
/** A mutant that so many seeds do not find is not found. */
const ENOUGH = 60;

const folder = mkdtempSync(join(quickFolder(), "odmr-sim-"));
after(() => rmSync(folder, { recursive: true, force: true }));

describe("the relay and its customers, simulated", () => {
  for (const from of FROM)
    it(`lose nothing and double nothing in ${LIVES} lives of broken lines, disks and power, from seed ${from}`, async () => {
      let delivered = 0;
      for (let seed = from; seed < from + LIVES; seed++) {
        const outcome = await run({ seed, folder });
        assert.deepEqual(outcome.problems, [], story(outcome));
        delivered += outcome.ends["delivered to mailbox of home"] ?? 0;
      }
      assert.ok(delivered > 0, "a simulation in which nothing arrives proves nothing");
    });

  it("live the same life again from the same seed", async () => {
    const [first, second, other] = [
      await run({ seed: 7, folder }),
      await run({ seed: 7, folder, trace: true }),
      await run({ seed: 8, folder }),
    ];
    assert.equal(first.hash, second.hash);
    assert.notEqual(first.hash, other.hash);
  });
});

// One runtime is enough: what is tried is the check.
describe("the conservation check", { skip: onDeno }, () => {
  for (const [name, mutant] of Object.entries(mutants))
    it(`finds a program without ${mutant.without}`, async () => {
      for (let seed = 1; seed <= ENOUGH; seed++)
        if ((await run({ seed, folder, mutant })).problems.length > 0) return;
      assert.fail(`${ENOUGH} seeds did not find the mutant ${name}`);
    });
});
