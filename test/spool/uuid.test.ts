import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { uuids } from "../../src/spool/uuid.ts";
import { HandClock, START, seeded } from "./support.ts";

describe("ids", () => {
  it("carry the time, the version and the variant where RFC 9562 has them", () => {
    const id = uuids(new HandClock(), seeded(1))();
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(Number.parseInt(id.replace("-", "").slice(0, 12), 16), START);
  });

  it("grow, within a millisecond, over more than its counter holds, and when the clock goes back", () => {
    const clock = new HandClock();
    const make = uuids(clock, seeded(2));
    const ids = Array.from({ length: 10_000 }, make);
    clock.sleep(-60_000);
    ids.push(make(), make());
    clock.sleep(120_000);
    ids.push(make());
    assert.deepEqual([...ids].sort(), ids);
    assert.equal(new Set(ids).size, ids.length);
  });
});
