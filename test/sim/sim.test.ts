import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { ENOUGH, livesToFind, quickFolder, story } from "./job.ts";
import { mutants } from "./mutants.ts";
import { run } from "./run.ts";

/** Deno is slower at it, and lives other lives. */
const onDeno = "Deno" in globalThis;
const LIVES = onDeno ? 4 : 7;
const FROM = onDeno ? [10_000, 10_006] : [1, 11, 21, 31];

const folder = mkdtempSync(join(quickFolder(), "odmr-sim-"));
// In each part: Deno does not do it for a file.
const tidy = (): void => rmSync(folder, { recursive: true, force: true });

describe("the relay and its customers, simulated", () => {
  after(tidy);
  for (const from of FROM)
    it(`lose nothing and double nothing in ${LIVES} lives of broken lines, disks and power, from seed ${from}`, async () => {
      let delivered = 0;
      for (let seed = from; seed < from + LIVES; seed++) {
        const outcome = await run({ seed, folder });
        assert.deepEqual(outcome.problems, [], story(outcome));
        const { accepted = 0, arrived = 0, queued = 0, returned = 0 } = outcome.counts;
        assert.equal(accepted, arrived + queued + returned, story(outcome));
        delivered += arrived;
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
  after(tidy);
  for (const [name, mutant] of Object.entries(mutants))
    it(`finds a program without ${mutant.without}`, async () => {
      const lives = await livesToFind(mutant, mutant.seed, folder);
      assert.ok(lives !== undefined, `${ENOUGH} lives did not find the mutant ${name}`);
    });
});
