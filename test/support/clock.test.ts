import assert from "node:assert/strict";
import { test } from "node:test";
import { pause } from "../../src/platform/clock.ts";
import { manualClock } from "./clock.ts";

test("timers ring in the order of their moments, also those that are set meanwhile", async () => {
  const clock = manualClock();
  const rung: string[] = [];
  clock.after(30, () => rung.push(`30 at ${clock.steady()}`));
  clock.after(10, () => {
    rung.push(`10 at ${clock.steady()}`);
    clock.after(10, () => rung.push(`20 at ${clock.steady()}`));
  });
  const never = clock.after(15, () => rung.push("stopped"));
  never.stop();
  await clock.advance(29);
  assert.deepEqual(rung, ["10 at 10", "20 at 20"]);
  await clock.advance(1);
  assert.deepEqual(rung, ["10 at 10", "20 at 20", "30 at 30"]);
  assert.equal(clock.timers, 0);
});

test("thirty days of pauses one after the other take one advance", async () => {
  const clock = manualClock(0);
  const day = 86_400_000;
  let days = 0;
  const counting = (async () => {
    for (; days < 30; days++) await pause(clock, day);
  })();
  await clock.advance(30 * day);
  await counting;
  assert.equal(days, 30);
  assert.equal(clock.now(), 30 * day);
});

test("a leap rings what fell due once, late, in order", async () => {
  const clock = manualClock(0);
  const rung: string[] = [];
  const every = (name: string, ms: number): void => {
    clock.after(ms, () => {
      rung.push(`${name} at ${clock.steady()}`);
      every(name, ms);
    });
  };
  every("minute", 60);
  every("second", 1);
  clock.after(101, () => rung.push("later"));
  await clock.leap(100);
  assert.deepEqual(rung, ["second at 100", "minute at 100"]);
  await clock.advance(1);
  assert.deepEqual(rung.slice(2).sort(), ["later", "second at 101"]);
});
