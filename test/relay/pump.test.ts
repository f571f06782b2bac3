import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Delivery } from "../../src/delivery/delivery.ts";
import { silent } from "../../src/platform/log.ts";
import { pump } from "../../src/relay/pump.ts";
import { type Claim, type Held, SpoolError } from "../../src/spool/spool.ts";
import { reply } from "../../src/wire/reply.ts";
import { manualClock } from "../support/clock.ts";

const held = (id: string): Held => ({
  ...{ id, size: 10, arrived: 0, expires: 0, attempts: [0], content: () => [] },
  envelope: { from: "", smtputf8: false, recipients: [{ address: "bob@example.org", notify: [] }] },
});

const takes: Delivery = {
  deliver: async ({ envelope }) =>
    envelope.recipients.map(({ address }) => ({
      ...{ to: address, result: "delivered", reply: reply(250, "2.0.0", "ok") },
    })),
  close: async () => {},
};

describe("the pump", () => {
  it("tells of a settlement that failed while the next message was looked for, and takes no further one", async () => {
    const asked = Promise.withResolvers<void>();
    const told: string[] = [];
    const claim: Claim = {
      async next() {
        told.push("next");
        if (told.length === 1) return held("one");
        // The spool takes its time, and the settlement of the first fails meanwhile.
        asked.resolve();
        await new Promise((resolve) => setImmediate(resolve));
        return held("two");
      },
      limit: async () => {},
      async settle({ id }) {
        await asked.promise;
        if (id === "one") throw new SpoolError("io", "disk I/O error");
        told.push(`settled ${id}`);
      },
      release: async () => void told.push("released"),
    };
    const options = { clock: manualClock(), log: silent, backoff: () => 1, window: 10 };
    await assert.rejects(pump(claim, takes, options), { name: "SpoolError", fault: "io" });
    assert.deepEqual(told, ["next", "next", "settled two", "released"]);
  });
});
