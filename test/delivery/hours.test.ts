import assert from "node:assert/strict";
import { test } from "node:test";
import { withHours } from "../../src/delivery/hours.ts";
import { openingOf } from "../../src/relay/schedule.ts";
import { Hop, parcelTo } from "./parcels.ts";

const opening = openingOf("* 8-18 * * 1-5", "Europe/Berlin");
/** Friday, 3 May 2024, in Berlin's summer. */
const friday = (hour: number, minute = 0) => Date.UTC(2024, 4, 3, hour - 2, minute);

async function at(now: number) {
  const hop = new Hop();
  const [outcome] = await withHours(hop, opening, { now: () => now }).deliver(parcelTo(["bob@a.test"]));
  return { tried: hop.given.length, result: outcome!.result, due: outcome!.due };
}

test("within its hours a target is given mail", async () => {
  for (const now of [friday(8), friday(12, 30), friday(18, 59)])
    assert.deepEqual(await at(now), { tried: 1, result: "delivered", due: undefined });
});

test("outside of them mail waits for the next opening, over the night and over the weekend", async () => {
  assert.deepEqual(await at(friday(7, 59)), { tried: 0, result: "postponed", due: friday(8) });
  assert.deepEqual(await at(friday(19)), { tried: 0, result: "postponed", due: friday(8) + 3 * 86_400_000 });
});
