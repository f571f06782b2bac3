import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ageText,
  coloured,
  left,
  right,
  safe,
  safeLines,
  screenOf,
  shortAddress,
  shortened,
  sizeText,
  widthOf,
} from "../../cmd/table.ts";

test("what cannot be seen is written out, and what can be seen stays", () => {
  assert.equal(
    safe("a\x1b[31mb\r\n\0\x9b\u202e\u2028\u200b"),
    "a\\x1b[31mb\\x0d\\x0a\\x00\\x9b\\u{202e}\\u{2028}\\u{200b}",
  );
  assert.equal(safe("Grüße, 世界 🎉"), "Grüße, 世界 🎉");
  assert.equal(safe("\ud800"), "\ufffd");
  assert.equal(safeLines("a\n\tb\x1b\r"), "a\n\tb\\x1b\\x0d");
});

test("a long text ends in … and never takes more columns than it may", () => {
  assert.equal(shortened("hello", 5), "hello");
  assert.equal(shortened("hello", 4), "hel…");
  assert.equal(shortened("世界世界", 5), "世界…");
  for (const text of ["hello world", "世界世界", "e\u0301e\u0301e\u0301", "🎉🎉🎉"])
    for (let width = 0; width < 12; width++) assert.ok(widthOf(shortened(text, width)) <= width);
});

test("a long address keeps the beginning of both its parts", () => {
  assert.equal(shortAddress("bob@example.org", 15), "bob@example.org");
  assert.equal(shortAddress("bob@example.org", 12), "bob@example…");
  assert.equal(shortAddress("a-very-long-name@example.org", 20), "a-very-lo…@example.…");
  assert.equal(shortAddress(`${"a".repeat(60)}@${"b".repeat(60)}`, 21), "aaaaaaaaa…@bbbbbbbbb…");
  for (let width = 0; width < 40; width++)
    assert.ok(widthOf(shortAddress("some-long-name@mail.example.org", width)) <= width);
});

test("widths are those of terminals, and where these disagree the larger", () => {
  const widths: Readonly<Record<string, number>> = {
    世界: 4,
    각: 2,
    ｶ: 1,
    "⌚✅⭐": 6,
    "👍🏽": 4,
    "🇩🇪": 2,
    "❤\ufe0f": 2,
    "e\u0301": 1,
    שלום: 4,
    𠀀: 2,
  };
  for (const [text, width] of Object.entries(widths)) assert.equal(widthOf(text), width, text);
});

test("columns are filled by what is seen of a text", () => {
  assert.equal(left("世", 4), "世  ");
  assert.equal(right("12", 4), "  12");
  assert.equal(left("12345", 4), "12345");
});

test("sizes take five columns and ages four", () => {
  const sizes = [0, 999, 1000, 1024, 10_188, 10_240, 1_048_064, 1_048_576, 123_456_789, 5e12];
  assert.deepEqual(sizes.map(sizeText), [
    "0",
    "999",
    "1.0K",
    "1.0K",
    "9.9K",
    "10K",
    "1.0M",
    "1.0M",
    "118M",
    "4.5T",
  ]);
  const ages = [0, 59_999, 60_000, 3_600_000, 86_400_000, 40 * 86_400_000, -5000];
  assert.deepEqual(ages.map(ageText), ["0s", "59s", "1m", "1h", "1d", "40d", "-5s"]);
});

test("a terminal has colour unless NO_COLOR is set, and a pipe has neither colour nor columns", () => {
  const terminal = { isTTY: true, columns: 100 };
  assert.deepEqual(screenOf(terminal), { columns: 100, colour: true });
  assert.deepEqual(screenOf(terminal, { NO_COLOR: "1" }), { columns: 100, colour: false });
  assert.deepEqual(screenOf({ isTTY: true }, {}), { columns: 80, colour: true });
  assert.deepEqual(screenOf({}, {}), { columns: undefined, colour: false });
  assert.deepEqual(screenOf({}, { COLUMNS: "60" }), { columns: 60, colour: false });
  assert.equal(coloured("held", "held", { columns: 80, colour: true }), "\x1b[33mheld\x1b[0m");
  assert.equal(coloured("held", "held", { columns: 80, colour: false }), "held");
});
