import assert from "node:assert/strict";
import { test } from "node:test";
import { inOneGo, openLog } from "../../cmd/log.ts";
import type { Clock } from "../../src/platform/clock.ts";
import type { Fields, Level } from "../../src/platform/log.ts";

const clock: Clock = {
  now: () => Date.UTC(2026, 10, 24, 20),
  steady: () => 0,
  after: () => ({ stop: () => {} }),
};

function logged(format: "text" | "json", fields: Fields, { level = "info", colour = false } = {}) {
  const lines: string[] = [];
  openLog({ format, level: level as Level, clock, write: (line) => lines.push(line), colour }).log(
    "info",
    "accepted",
    fields,
  );
  return lines.join("");
}

test("a text line has time, level, event and what varies", () => {
  assert.equal(
    logged("text", {
      id: "0199",
      from: "a@sender.example",
      size: 812,
      to: ["b@c.d", "e@f.g"],
      auth: undefined,
    }),
    "2026-11-24T20:00:00Z info accepted id=0199 from=a@sender.example size=812 to=b@c.d,e@f.g\n",
  );
});

test("what is not plain is in quotes, and nothing of it moves a cursor or ends a line", () => {
  assert.equal(
    logged("text", { reply: '550 "no"', bad: "a\r\nb\x1b[2J\u202e\u0085", empty: "" }),
    '2026-11-24T20:00:00Z info accepted reply="550 \\"no\\"" bad="a\\r\\nb\\u001b[2J\\u202e\\u0085" empty=""\n',
  );
});

test("a json line is one object", () => {
  const line = logged("json", { id: "0199", text: "a\nb", none: undefined });
  assert.deepEqual(JSON.parse(line), {
    time: "2026-11-24T20:00:00Z",
    level: "info",
    event: "accepted",
    id: "0199",
    text: "a\nb",
  });
  assert.equal(line.indexOf("\n"), line.length - 1);
});

test("what is below the level is dropped", () => {
  assert.equal(logged("text", {}, { level: "warn" }), "");
});

test("a terminal gets the level in colour", () => {
  assert.equal(logged("text", {}, { colour: true }), "2026-11-24T20:00:00Z \x1b[32minfo\x1b[0m accepted\n");
});

test("lines that come in one go are written in one, in their order", async () => {
  const written: string[] = [];
  const write = inOneGo((lines) => written.push(lines));
  write("a\n");
  write("b\n");
  await undefined;
  write("c\n");
  await undefined;
  assert.deepEqual(written, ["a\nb\n", "c\n"]);
});
