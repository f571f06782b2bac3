/** dist/docs/proof.md: its commands are there, and it leaves out no job. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { run } from "../support/processes.ts";

const page = readFileSync(new URL("../../dist/docs/proof.md", import.meta.url), "utf8");
const program = fileURLToPath(new URL("../torture/torture.ts", import.meta.url));
const runtime = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
const torture = (...words: readonly string[]) => run(process.execPath, [...runtime, program, ...words]);

describe("the page on how the promises are tried", () => {
  it("names every job, and has commands that are understood", async () => {
    const { stdout } = await torture("--help");
    const jobs = [...stdout.matchAll(/^(\w+) +.*; \d+ rounds if nothing is said$/gm)].map(([, job]) => job);
    assert.ok(jobs.length > 5, stdout);
    assert.deepEqual(
      jobs.filter((job) => !page.includes(`\`${job}\``)),
      [],
    );
    const words = [...page.matchAll(/^npm run torture -- (.*)$/gm)].flatMap(([, line = ""]) =>
      line.split(" "),
    );
    assert.deepEqual(
      words.filter((word) => !/^\d+$/.test(word) && !stdout.includes(word)),
      [],
    );
  });

  it("has a table that comes of a run", async () => {
    const { status, stdout } = await torture("sim", "--rounds", "1", "--seed", "3", "--json");
    const [all, ...faults] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.equal(status, 0);
    assert.deepEqual(
      { ...all, accepted: all.accepted > 0, arrived: all.arrived > 0 },
      {
        ...all,
        ...{ fault: "simulated lives, all", happened: 1, rounds: 1, accepted: true, arrived: true },
        ...{ lost: 0, doubled: 0, changed: 0, wrong: 0 },
        again: "npm run torture -- sim --rounds 1 --seed 3",
      },
    );
    assert.ok(
      faults.length > 0 && faults.every(({ happened, rounds }) => happened > 0 && rounds === 1),
      stdout,
    );
  });
});
