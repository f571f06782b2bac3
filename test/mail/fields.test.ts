import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fieldsOf } from "../../src/mail/fields.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const found = async (text: string, ...names: readonly string[]) =>
  Object.fromEntries(await fieldsOf([encode(text)], names));

describe("fields of a message", () => {
  test("names have no case, folds and encoded words are resolved, and all of a name are found", async () => {
    const text =
      "SUBJECT: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\tan alle\r\nX-A: 1\r\nx-a : 2\r\n\r\nX-A: body\r\n";
    assert.deepEqual(await found(text, "subject", "x-a", "x-b"), {
      subject: ["Grüße an alle"],
      "x-a": ["1", "2"],
      "x-b": [],
    });
  });

  test("the header ends at its blank line wherever the pieces are cut", async () => {
    const text = "A: 1\r\nB: 2\r\n\r\nA: body\r\n";
    for (let cut = 0; cut <= text.length; cut++) {
      const pieces = [encode(text.slice(0, cut)), encode(text.slice(cut))];
      assert.deepEqual((await fieldsOf(pieces, ["a"])).get("a"), ["1"], String(cut));
    }
  });

  test("a message without a header has no fields, and one of nothing but header is read", async () => {
    assert.deepEqual(await found("\r\nA: body\r\n", "a"), { a: [] });
    assert.deepEqual(await found("A: 1", "a"), { a: ["1"] });
  });

  test("a header without end is not read to its end", async () => {
    let read = 0;
    function* endless() {
      for (;;) {
        read++;
        yield encode(`X-Long: ${"x".repeat(10_000)}\r\n`);
      }
    }
    const fields = await fieldsOf(endless(), ["x-long"]);
    assert.ok(read < 40, String(read));
    assert.ok(fields.get("x-long")!.every(({ length }) => length <= 8_192));
  });
});
