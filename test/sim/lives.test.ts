import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { temporary } from "../spool/support.ts";
import { type Lived, liveAll } from "./lives.ts";
import { Progress } from "./progress.ts";
import { World } from "./world.ts";

describe("a life", () => {
  it("that goes round and round is broken off, and says where it stood", async () => {
    const world = new World(1, false, { most: 20 });
    const round = (): void => {
      world.note("round and round");
      world.after(0, round);
    };
    round();
    await assert.rejects(world.run(1_000), {
      message:
        "20 happenings are no end after 21 happenings, at 0.000 ms, with 0 to come; the last: 0.000 round and round",
    });
  });

  it("that waits for what never comes in its world is broken off, and says what it waited for", async () => {
    const world = new World(1);
    await assert.rejects(world.until("the stop of all", new Promise(() => {}), 5_000), {
      message: /^the stop of all hangs after 0 happenings, at 5000\.000 ms, with 0 to come; the last: /,
    });
  });

  it("that waits for something of the machine's is broken off, and nothing happens in it any more", async () => {
    const world = new World(1);
    const { promise, resolve } = Promise.withResolvers<void>();
    let happened = false;
    world.after(1, () => promise);
    world.after(2, () => {
      happened = true;
    });
    const run = world.run(1_000);
    run.catch(() => {});
    await assert.rejects(world.within(20, run), {
      message:
        "nothing has happened for 0.02 s of the machine's time after 1 happenings, at 1.000 ms, with 1 to come; the last: nothing was noted",
    });
    resolve();
    await assert.rejects(run);
    assert.equal(happened, false);
  });

  it("that holds its thread, or dies, is named, and those after it are lived", async () => {
    const folder = temporary();
    const cradle = join(folder.path, "cradle.mjs");
    writeFileSync(cradle, CRADLE);
    const lives: string[] = [];
    const ended = ({ outcome: { seed, problems } }: Lived): void => {
      lives.push(`${seed}: ${problems.map(({ what }) => what).join() || "well"}`);
    };
    try {
      const how = { ...{ folder: "", mutant: undefined, trace: false }, hands: 1, cradle, patience: 4_000 };
      await liveAll({ ...how, seed: 1, more: (begun) => begun < 3, ended });
    } finally {
      folder.remove();
    }
    const heard = "after 0 happenings; the last heard of it: nothing was heard of it";
    assert.deepEqual(lives, [
      `1: its process ended with 3 ${heard}`,
      `2: it was killed when it had said nothing for 4 s ${heard}`,
      "3: well",
    ]);
  });
});

/** The first life ends its process, the second stops its thread. */
const CRADLE = `
process.on("message", ({ seed }) => {
  if (seed === 1) process.exit(3);
  if (seed === 2) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  process.send({ type: "over", outcome: { seed, problems: [], counts: {}, struck: {}, trace: [], hash: "", happenings: 1 } });
});`;

describe("how far the lives are", () => {
  it("is a line with their number, the last seed and the slowest", () => {
    const shown: string[] = [];
    const progress = new Progress((text) => shown.push(text));
    const outcome = { ...{ hash: "", happenings: 9, struck: {}, trace: [] }, problems: [], counts: {} };
    for (const [seed, took] of [
      [1, 500],
      [2, 1_500],
      [3, 100],
    ] as const)
      progress.ended({ outcome: { seed, ...outcome }, took });
    assert.deepEqual(shown, [
      "1 lives, 0 failed, seed 1, slowest: seed 1 0.5 s (9 happenings)",
      "2 lives, 0 failed, seed 2, slowest: seed 2 1.5 s (9 happenings)",
      "3 lives, 0 failed, seed 3, slowest: seed 2 1.5 s (9 happenings)",
    ]);
    assert.equal(
      progress.slowest,
      "the slowest lives: seed 2 1.5 s (9 happenings), seed 1 0.5 s (9 happenings), seed 3 0.1 s (9 happenings)",
    );
  });
});
