import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { unwrapped, wrapped } from "../../src/spool/parcel.ts";

const octets = fc.uint8Array({ maxLength: 40 });
const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    octets,
    fc.string({ unit: "binary" }),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 8 }), tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

describe("a parcel", () => {
  it("brings what was put in", () => {
    fc.assert(
      fc.property(
        plain.filter((value) => !JSON.stringify(value)?.includes("__proto__")),
        (value) => {
          assert.deepEqual(unwrapped(wrapped(value)), value);
        },
      ),
    );
  });

  it("has all octets in one block, and leaves those that were put in as they were", () => {
    const [a, b] = [new Uint8Array([1, 2, 3]), new Uint8Array([4, 5, 6, 7]).subarray(1, 3)];
    const parcel = wrapped([{ a }, { deep: [{ b }] }, { none: new Uint8Array() }]);
    assert.deepEqual(new Uint8Array(parcel.block), new Uint8Array([1, 2, 3, 5, 6]));
    assert.deepEqual([a, b], [new Uint8Array([1, 2, 3]), new Uint8Array([5, 6])]);
    assert.deepEqual(unwrapped(parcel), [
      { a: new Uint8Array([1, 2, 3]) },
      { deep: [{ b: new Uint8Array([5, 6]) }] },
      { none: new Uint8Array() },
    ]);
  });

  it("takes a text that looks like its own words for a text", () => {
    const text = '{"octets in the block":[0,3]}';
    assert.deepEqual(unwrapped(wrapped({ text, bytes: new Uint8Array(3) })), {
      text,
      bytes: new Uint8Array(3),
    });
  });

  it("leaves out what is undefined", () => {
    assert.deepEqual(unwrapped(wrapped([{ a: undefined, b: 1 }])), [{ b: 1 }]);
  });

  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, new Map(), new Set()])
    it(`does not take ${Object.prototype.toString.call(value)} ${String(value)}, which would not arrive`, () => {
      assert.throws(() => wrapped([{ value }]), TypeError);
    });
});
