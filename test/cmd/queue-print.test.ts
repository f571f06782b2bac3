import assert from "node:assert/strict";
import { test } from "node:test";
import { entryInFull, entryJson, entryLine, tableHead, tableRow } from "../../cmd/queue/print.ts";
import { widthOf } from "../../cmd/table.ts";
import type { Entry } from "../../src/spool/spool.ts";

const now = Date.UTC(2026, 10, 24, 12);
const plain = { columns: 80, colour: false };

const entry: Entry = {
  id: "0192d0c8-1c00-7000-8000-000000000001",
  direction: "turn",
  customer: "home",
  state: "waiting",
  sender: "ann@example.net",
  recipients: [{ address: "bob@example.org", state: "waiting", attempts: 0, nextAttempt: now }],
  size: 4321,
  arrived: now - 3 * 86_400_000,
  expires: now + 27 * 86_400_000,
  subject: "Grüße",
  source: { protocol: "ESMTPS", peer: "192.0.2.1" },
};

const hostile: Entry = {
  ...entry,
  id: "0192d0c8-1c00-7000-8000-000000000002",
  state: "held",
  customer: "a-customer-with-a-long-name",
  sender: "",
  recipients: ["\x1b]0;evil\x07@example.org", "b@x", "c@x"].map((address) => ({
    address,
    state: "held",
    attempts: 2,
    reply: "451 4.3.0 \x1b[2J",
  })),
  subject: `\x1b[31m${"世界".repeat(40)}`,
  source: { protocol: "ESMTP", peer: "192.0.2.1", auth: "x\ny" },
};

test("the list at 80 columns", () => {
  const lines = [tableHead(80), tableRow(entry, now, plain), tableRow(hostile, now, plain)].join("\n");
  assert.equal(
    lines,
    `STATE       SIZE   AGE  CUSTOMER    FROM                   TO
waiting     4.2K    3d  home        ann@example.net        bob@example.org
  0192d0c8-1c00-7000-8000-000000000001  Grüße
held        4.2K    3d  a-custome…  <>                     \\x1b]0;e…@example… +2
  0192d0c8-1c00-7000-8000-000000000002  \\x1b[31m世界世界世界世界世界世界世界世…`,
  );
});

test("the list at 80 columns of mail that means no good: wide, right to left, combined, control", () => {
  const rows: readonly Partial<Entry>[] = [
    { sender: "王小明@例子.example", subject: "世界".repeat(30), customer: "客户客户客户客户" },
    { sender: "👩‍🚀🎉@emoji.example", subject: "🎉".repeat(50), customer: "🇩🇪🇩🇪" },
    { sender: "שלום@דוגמה.example", subject: "\u202eשלום עולם \u2066evil\u2069", customer: "עברית" },
    { sender: "e\u0301\u0302@x.example", subject: "a\u0301".repeat(80), customer: "é" },
    { sender: "a\r\nb@x", subject: "\x1b[2J\x1b]0;title\x07\x9b31m\0\ttab\nline", customer: "\x1b[H" },
  ];
  const lines = rows.flatMap((row) => tableRow({ ...entry, ...row }, now, plain).split("\n"));
  for (const line of lines) assert.ok(widthOf(line) <= 80, line);
  assert.equal(
    lines.join("\n"),
    `waiting     4.2K    3d  客户客户…   王小明@例子.example    bob@example.org
  0192d0c8-1c00-7000-8000-000000000001  世界世界世界世界世界世界世界世界世界世…
waiting     4.2K    3d  🇩🇪🇩🇪        👩\\u{200d…@emoji.exa…  bob@example.org
  0192d0c8-1c00-7000-8000-000000000001  🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉…
waiting     4.2K    3d  עברית       שלום@דוגמה.example     bob@example.org
  0192d0c8-1c00-7000-8000-000000000001  \\u{202e}שלום עולם \\u{2066}evil\\u{2069}
waiting     4.2K    3d  é           é̂@x.example            bob@example.org
  0192d0c8-1c00-7000-8000-000000000001  ááááááááááááááááááááááááááááááááááááááá…
waiting     4.2K    3d  \\x1b[H      a\\x0d\\x0ab@x           bob@example.org
  0192d0c8-1c00-7000-8000-000000000001  \\x1b[2J\\x1b]0;title\\x07\\x9b31m\\x00\\x09t…`,
  );
});

test("no line is wider than the terminal, from 40 columns on", () => {
  for (let columns = 40; columns < 140; columns++)
    for (const each of [entry, hostile])
      for (const line of [tableHead(columns), ...tableRow(each, now, { columns, colour: false }).split("\n")])
        if (!line.includes(each.id)) assert.ok(widthOf(line) <= columns, `${columns}: ${line}`);
});

test("JSON has the contract's fields, times in UTC, and null for what is unknown", () => {
  assert.deepEqual(JSON.parse(entryJson(entry)), {
    id: entry.id,
    direction: "turn",
    customer: "home",
    state: "waiting",
    sender: "ann@example.net",
    recipients: [
      {
        address: "bob@example.org",
        state: "waiting",
        attempts: 0,
        nextAttempt: "2026-11-24T12:00:00.000Z",
        reply: null,
      },
    ],
    size: 4321,
    arrived: "2026-11-21T12:00:00.000Z",
    expires: "2026-12-21T12:00:00.000Z",
    subject: "Grüße",
    source: { protocol: "ESMTPS", peer: "192.0.2.1", auth: null },
  });
  assert.doesNotMatch(entryJson(hostile), /[\x00-\x1f]/);
});

test("hostile mail moves no cursor, in lines, rows or in full", () => {
  for (const text of [
    entryLine(hostile).replaceAll("\t", ""),
    tableRow(hostile, now, plain),
    entryInFull(hostile, plain),
  ])
    assert.doesNotMatch(text.replaceAll("\n", ""), /[\x00-\x1f\x7f-\x9f]/);
  assert.equal(entryLine(hostile).split("\n").length, 1);
});

test("an entry in full tells of each recipient", () => {
  assert.equal(
    entryInFull(
      {
        ...entry,
        recipients: [...entry.recipients, { address: "c@x", state: "refused", attempts: 1, reply: "550 no" }],
      },
      plain,
    ),
    `id         0192d0c8-1c00-7000-8000-000000000001
state      waiting
direction  turn home
sender     ann@example.net
subject    Grüße
size       4321 (4.2K)
arrived    2026-11-21T12:00:00.000Z
expires    2026-12-21T12:00:00.000Z
source     ESMTPS 192.0.2.1
recipient  bob@example.org  waiting, next 2026-11-24T12:00:00.000Z
recipient  c@x  refused, 1 attempt
             550 no`,
  );
});
