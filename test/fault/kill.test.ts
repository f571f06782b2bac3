import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seeded } from "../spool/support.ts";
import { inWorld, programs } from "../support/program.ts";
import { killFlooded, killPull, killServe } from "./killing.ts";

/** `npm run torture -- kill` goes on for longer. */
const ROUNDS = 4;

for (const { name, words } of programs)
  describe(`${name} killed`, () => {
    it("loses and doubles nothing when serve is killed again and again, taking mail in and handing it over", () =>
      inWorld(words, async (world) => {
        const toll = await killServe(world, { rounds: ROUNDS, random: seeded(11) });
        assert.equal(toll.kills, ROUNDS);
        assert.ok(toll.taken > ROUNDS, `${toll.taken} taken in`);
      }));

    it("loses nothing when serve is killed under 200 sessions at full speed", () =>
      inWorld(words, async (world) => {
        const toll = await killFlooded(world);
        assert.ok(toll.unanswered > 0, "it was idle when it was killed");
      }));

    it("loses and doubles nothing when pull is killed again and again, taking mail in and delivering it", () =>
      inWorld(words, async (world) => {
        const toll = await killPull(world, { rounds: ROUNDS, random: seeded(12) });
        assert.ok(toll.kills > 0, "it had ended before each kill");
        assert.ok(toll.taken === ROUNDS * 60 && toll.delivered === toll.taken, JSON.stringify(toll));
      }));
  });
