import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seeded } from "../spool/support.ts";
import { inWorld, programs } from "../support/program.ts";
import { killBoth, killFlooded, killPull, killServe } from "./killing.ts";

/** One of each kind at least; `npm run torture -- kill` goes on for longer. Each start is dearer on Deno. */
const ROUNDS = { serve: 2, both: 2, pull: "Deno" in globalThis ? 2 : 4 };

for (const { name, words } of programs)
  describe(`${name} killed`, () => {
    it("loses and doubles nothing when serve is killed again and again, taking mail in and handing it over", () =>
      inWorld(words, async (world) => {
        const toll = await killServe(world, { rounds: ROUNDS.serve, random: seeded(11) });
        assert.deepEqual([toll.kills, toll.problems], [ROUNDS.serve, []]);
        assert.ok(toll.taken > ROUNDS.serve && toll.delivered === toll.taken, JSON.stringify(toll));
      }));

    it("loses and doubles nothing when serve and pull are killed in the same moment", () =>
      inWorld(words, async (world) => {
        const toll = await killBoth(world, { rounds: ROUNDS.both, random: seeded(13) });
        assert.deepEqual([toll.kills, toll.problems], [ROUNDS.both, []]);
        assert.ok(toll.taken > ROUNDS.both && toll.delivered === toll.taken, JSON.stringify(toll));
      }));

    it("loses nothing when serve is killed under 200 sessions at full speed", () =>
      inWorld(words, async (world) => {
        const toll = await killFlooded(world);
        assert.deepEqual(toll.problems, []);
        assert.ok(toll.unanswered > 0, "it was idle when it was killed");
      }));

    it("loses and doubles nothing when pull is killed again and again, taking mail in and delivering it", () =>
      inWorld(words, async (world) => {
        const toll = await killPull(world, { rounds: ROUNDS.pull, random: seeded(12) });
        assert.deepEqual(toll.problems, []);
        assert.ok(toll.kills > 0, "it had ended before each kill");
        assert.ok(toll.taken === ROUNDS.pull * 60 && toll.delivered === toll.taken, JSON.stringify(toll));
      }));
  });
