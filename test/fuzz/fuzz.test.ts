import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { broken, fuzz, targetOf } from "./fuzz.ts";
import { targets } from "./targets.ts";

const crashes = new URL("./crashes/", import.meta.url);

/** Of each target; the program goes on for as long as one likes. */
const EXECUTIONS = 30;

describe("the fuzzer", () => {
  after(() => Promise.all(targets.map((target) => target.close?.())));

  for (const file of readdirSync(crashes))
    it(`no longer breaks anything with ${file}`, async () => {
      const target = targetOf(file);
      assert.ok(target, `${file} names no target`);
      const error = await broken(target, new Uint8Array(readFileSync(new URL(file, crashes))));
      assert.equal(error?.stack, undefined);
    });

  it("breaks nothing, whatever it makes of the golden talks", async () => {
    const { executions, crashes } = await fuzz({
      targets,
      seed: 20_260_101,
      more: (done) => done < EXECUTIONS * targets.length,
    });
    assert.deepEqual(
      crashes.map(
        ({ target, octets, error }) =>
          `${target} ${JSON.stringify(String.fromCharCode(...octets))} ${error.message}`,
      ),
      [],
    );
    assert.equal(executions, EXECUTIONS * targets.length);
  });

  it("finds a target that breaks, and gives the least that breaks it", async () => {
    const fragile = {
      name: "fragile",
      corpus: [new TextEncoder().encode("MAIL FROM:<a@b.test>\r\n".repeat(20))],
      run: (octets: Uint8Array) => assert.ok(!octets.includes(0x00), "a NUL"),
    };
    const { crashes } = await fuzz({ targets: [fragile], seed: 1, more: (done) => done < 2_000 });
    assert.deepEqual(
      crashes.map(({ octets }) => [...octets]),
      [[0]],
    );
  });
});
