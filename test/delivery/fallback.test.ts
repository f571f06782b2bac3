import assert from "node:assert/strict";
import { test } from "node:test";
import { withFallback } from "../../src/delivery/fallback.ts";
import { Hop, parcelTo, results } from "./parcels.ts";

test("what a target refuses for good goes to the other one, and what it cannot take now does not", async () => {
  const first = new Hop({ "gone@a.test": "refused", "full@a.test": "deferred" });
  const other = new Hop();
  const delivery = withFallback(first, other);
  const outcomes = await delivery.deliver(parcelTo(["bob@a.test", "gone@a.test", "full@a.test"]));
  assert.deepEqual(results(outcomes), [
    "bob@a.test delivered",
    "gone@a.test delivered",
    "full@a.test deferred",
  ]);
  assert.deepEqual(other.given, [["gone@a.test"]]);
  await delivery.close();
  assert.deepEqual([first.closed, other.closed], [1, 1]);
});

test("a target that refuses nobody leaves the other one alone", async () => {
  const other = new Hop();
  await withFallback(new Hop(), other).deliver(parcelTo(["bob@a.test"]));
  assert.deepEqual(other.given, []);
});
