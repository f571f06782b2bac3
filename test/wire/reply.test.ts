import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  formatReply,
  isPermanent,
  isPositive,
  isTransient,
  type Reply,
  ReplyReader,
  ReplySyntaxError,
  reply,
  replyLine,
} from "../../src/wire/reply.ts";

function readAll(lines: readonly string[]): Reply | undefined {
  const reader = new ReplyReader();
  let read: Reply | undefined;
  for (const line of lines) read = reader.line(line);
  return read;
}

describe("a reply", () => {
  const pairs: readonly (readonly [Reply, string])[] = [
    [reply(250, "2.0.0", "reversing"), "250 2.0.0 reversing\r\n"],
    [
      reply(250, undefined, "relay.test", "PIPELINING", "ATRN"),
      "250-relay.test\r\n250-PIPELINING\r\n250 ATRN\r\n",
    ],
    [reply(451, "4.3.0", "cannot", "say"), "451-4.3.0 cannot\r\n451 4.3.0 say\r\n"],
    [reply(334, undefined, ""), "334 \r\n"],
  ];
  for (const [given, wire] of pairs)
    test(`of ${given.text.length} lines with code ${given.code} is written and read back`, () => {
      assert.equal(formatReply(given), wire);
      assert.deepEqual(readAll(wire.split("\r\n").slice(0, -1)), given);
    });

  test("brings nothing onto the line but printable ASCII", () => {
    assert.equal(formatReply(reply(550, "5.1.1", "a\r\n250 ok\x1b[2J\0ü")), "550 5.1.1 a??250 ok?[2J??\r\n");
    assert.equal(replyLine(reply(550, "5.1.1", "a\nb", "c")), "550 5.1.1 a?b c");
    assert.equal(replyLine(reply(250, undefined)), "250");
  });

  test("is positive, transient or permanent by its first digit", () => {
    const kinds = [250, 354, 451, 550].map((code) =>
      [isPositive, isTransient, isPermanent].map((is) => is(reply(code, undefined))),
    );
    assert.deepEqual(kinds, [
      [true, false, false],
      [false, false, false],
      [false, true, false],
      [false, false, true],
    ]);
  });
});

describe("a reply reader", () => {
  test("is liberal with a lone code, and knows when it is midway", () => {
    assert.deepEqual(readAll(["250"]), { code: 250, text: [""] });
    const reader = new ReplyReader();
    assert.equal(reader.line("250-a"), undefined);
    assert.equal(reader.midway, true);
    assert.deepEqual(reader.line("250 b"), { code: 250, text: ["a", "b"] });
    assert.equal(reader.midway, false);
  });

  test("takes an enhanced code only for the reply's own class", () => {
    assert.deepEqual(readAll(["250 5.0.0 odd"]), { code: 250, text: ["5.0.0 odd"] });
    assert.deepEqual(readAll(["250 2.0.0"]), { code: 250, enhanced: "2.0.0", text: [""] });
    assert.deepEqual(readAll(["550-5.1.1 a", "550 b"]), { code: 550, enhanced: "5.1.1", text: ["a", "b"] });
  });

  test("refuses what is no reply", () => {
    for (const lines of [
      [""],
      ["25"],
      ["2500"],
      ["199 x"],
      ["600 x"],
      ["250_x"],
      ["250-a", "251 b"],
      ["hello"],
    ])
      assert.throws(() => readAll(lines), ReplySyntaxError, lines.join("|"));
    assert.throws(() => readAll(Array.from({ length: 200 }, () => "250-x")), ReplySyntaxError);
  });
});
