import { after, afterEach, before, describe, it } from "node:test";
import { type ManualClock, manualClock } from "../support/clock.ts";
import { Doors, tried as everyEntrance, nameOf } from "./doors.ts";
import { slow } from "./rows/slow.ts";
import { empty } from "./rows.ts";

let doors: Doors;
let clock: ManualClock;
before(async () => {
  clock = manualClock();
  doors = await Doors.open(clock);
});
after(() => doors.close());
afterEach(() => empty(doors));

for (const entrance of everyEntrance)
  describe(`at ${nameOf(entrance)},`, () => {
    for (const row of slow)
      if (row.at?.(entrance) ?? true)
        it(`slow and many: ${row.name}`, () => row.holds(doors, entrance, clock));
  });
