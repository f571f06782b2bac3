import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { copies } from "../../src/delivery/copies.ts";
import { Hop, parcelTo, results } from "./parcels.ts";

describe("copies", () => {
  test("a recipient has its mail when all targets have it", async () => {
    const [a, b] = [new Hop(), new Hop()];
    const delivery = copies([
      { name: "a", delivery: a },
      { name: "b", delivery: b },
    ]);
    assert.deepEqual(results(await delivery.deliver(parcelTo(["bob@a.test"]))), ["bob@a.test delivered"]);
    assert.deepEqual([a.given, b.given], [[["bob@a.test"]], [["bob@a.test"]]]);
    await delivery.close();
    assert.deepEqual([a.closed, b.closed], [1, 1]);
  });

  test("another try repeats only what failed", async () => {
    const [a, b] = [new Hop(), new Hop({ "bob@a.test": "deferred" })];
    const delivery = copies([
      { name: "a", delivery: a },
      { name: "b", delivery: b },
    ]);
    const parcel = parcelTo(["bob@a.test", "eve@a.test"]);
    const [bob, eve] = await delivery.deliver(parcel);
    assert.deepEqual([bob!.result, bob!.done, eve!.result], ["deferred", ["a"], "delivered"]);
    const [again] = await delivery.deliver({
      ...parcelTo(["bob@a.test"]),
      done: new Map([["bob@a.test", bob!.done!]]),
    });
    assert.equal(again!.result, "deferred");
    assert.deepEqual([a.given.length, b.given.length], [1, 2]);
  });

  test("a refusal counts when all the others have it or have refused it", async () => {
    const of = (first: "deferred" | "delivered") =>
      copies([
        { name: "a", delivery: new Hop({ "*": first }) },
        { name: "b", delivery: new Hop({ "*": "refused" }) },
      ]).deliver(parcelTo(["bob@a.test"]));
    assert.deepEqual(results(await of("deferred")), ["bob@a.test deferred"]);
    assert.deepEqual(results(await of("delivered")), ["bob@a.test refused"]);
  });
});
