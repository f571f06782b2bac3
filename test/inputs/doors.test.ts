import { after, afterEach, before, describe, it } from "node:test";
import { Doors, tried as everyEntrance, nameOf } from "./doors.ts";
import { families } from "./rows/families.ts";
import { empty, envelopeAt, isKept, message, NEXT, quit, tried } from "./rows.ts";

let doors: Doors;
before(async () => {
  doors = await Doors.open();
});
after(() => doors.close());
afterEach(() => empty(doors));

for (const entrance of everyEntrance)
  describe(`at ${nameOf(entrance)},`, () => {
    for (const { name, rows } of families)
      for (const row of rows)
        if (row.at?.(entrance) ?? true) it(`${name}: ${row.name}`, () => row.holds(doors, entrance));

    it("after all of that the next peer is served as ever", async () => {
      await tried(doors, entrance, "known", [...envelopeAt(entrance), ...message, ...quit]);
      await isKept(doors, entrance, NEXT);
    });
  });
