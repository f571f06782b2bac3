import assert from "node:assert/strict";
import { test } from "node:test";
import { Pace } from "../../src/relay/pace.ts";

const MINUTE = 60_000;

test("a customer's hour fills again while it is silent, and no more than full", () => {
  const pace = new Pace();
  const home = { name: "home", sendPerHour: 6 };
  const most = (now: number): number => {
    let taken = 0;
    while (pace.takes(home, now)) taken++;
    return taken;
  };
  assert.equal(most(0), 6);
  assert.equal(most(9 * MINUTE), 0);
  assert.equal(most(20 * MINUTE), 2);
  assert.equal(most(10 * 60 * MINUTE), 6);
});

test("a customer's hour is its own, and without one there is no end", () => {
  const pace = new Pace();
  assert.ok(pace.takes({ name: "home", sendPerHour: 1 }, 0));
  assert.ok(pace.takes({ name: "work", sendPerHour: 1 }, 0));
  assert.ok(!pace.takes({ name: "home", sendPerHour: 1 }, 0));
  for (let i = 0; i < 1_000; i++) assert.ok(pace.takes({ name: "free" }, 0));
});
