import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { giveBack, lend } from "../../src/platform/memory.ts";

const onBun = "Bun" in globalThis;

describe("octets that were used up", () => {
  it("leave memory at once if the network lent them whole", { skip: !onBun }, () => {
    const bytes = new Uint8Array(10_000);
    lend(bytes);
    giveBack(bytes);
    assert.equal(bytes.buffer.byteLength, 0);
  });

  it("stay if nobody lent them, if they are a part of what was lent, or share a buffer", () => {
    const own = new Uint8Array(10_000);
    giveBack(own);
    const lent = new Uint8Array(10_000);
    lend(lent);
    giveBack(lent.subarray(1));
    const shared = new Uint8Array(20_000);
    lend(shared.subarray(0, 10_000));
    giveBack(shared.subarray(0, 10_000));
    assert.deepEqual(
      [own, lent, shared].map(({ buffer }) => buffer.byteLength),
      [10_000, 10_000, 20_000],
    );
  });

  it("may be given back twice", () => {
    const bytes = new Uint8Array(10_000);
    lend(bytes);
    giveBack(bytes);
    giveBack(bytes);
    assert.equal(bytes.length, onBun ? 0 : 10_000);
  });
});
