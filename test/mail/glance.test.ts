import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderGlance } from "../../src/mail/glance.ts";
import { corpus, cut, octets } from "../support/mail.ts";

function glance(message: string | Uint8Array, piece = 1 << 20): HeaderGlance {
  const seen = new HeaderGlance();
  for (const bytes of cut(typeof message === "string" ? octets(message) : message, piece)) seen.write(bytes);
  return seen;
}

test("Received fields are counted and the subject is read, however the stream is cut", () => {
  const message =
    "RECEIVED: a\r\n\tReceived: no\r\nReceived: b\r\nReceived-SPF: no\r\n" +
    "Subject: =?utf-8?B?R3LDvMOf?=\r\n =?UTF-8?q?e_an?=\r\n alle\r\nSubject: another\r\n\r\nReceived: body\r\nSubject: body\r\n";
  for (let piece = 1; piece <= message.length; piece++) {
    const seen = glance(message, piece);
    assert.deepEqual([seen.received, seen.subject, seen.headerTooBig], [2, "Grüße an alle", false]);
  }
});

test("subjects of all kinds come out readable", () => {
  const rows: readonly (readonly [string | Uint8Array, string])[] = [
    ["plain", "plain"],
    ["=?iso-8859-1?Q?caf=E9?=", "café"],
    ["=?utf-8*en?Q?hi?= there", "hi there"],
    ["=?utf-8?B?4oI=?= =?utf-8?B?rA==?=", "€"],
    ["=?x-unknown?Q?caf=E9?=", "=?x-unknown?Q?caf=E9?="],
    ["=?utf-8?Q?a=1B[31mb?=", "a [31mb"],
    ["=?utf-8?B?!!!?=", ""],
    ["=?utf-8?Q?unended", "=?utf-8?Q?unended"],
    ["tab\tand\x1b[2J", "tab and [2J"],
    [Uint8Array.of(0x67, 0x72, 0xfc, 0xdf), "grüß"],
    ["grüß", "grüß"],
  ];
  for (const [value, shown] of rows) {
    const bytes = typeof value === "string" ? octets(value) : value;
    const seen = new HeaderGlance();
    for (const piece of [octets("Subject: "), bytes, octets("\r\n\r\n")]) seen.write(piece);
    assert.equal(seen.subject, shown);
  }
});

test("there is no subject where none is", () => {
  assert.equal(glance("From: a\r\n\r\nSubject: body\r\n").subject, undefined);
  assert.equal(glance("").subject, undefined);
});

test("a header of 100,000 lines is counted, and is too big", () => {
  const seen = glance(`${"Received: x\r\n".repeat(100_000)}\r\n`, 4096);
  assert.equal(seen.received, 100_000);
  assert.equal(seen.headerTooBig, true);
});

test("a line of four mebibytes and an endless subject are read in bounded memory", () => {
  assert.equal(
    glance(`Subject: ${"x".repeat(4 << 20)}\r\n\r\n`, 4096).subject?.length,
    1024 - "Subject: ".length,
  );
  const folded = glance(`Subject: a${"\r\n bbbbbbbb".repeat(50_000)}\r\n\r\n`, 4096);
  assert.ok((folded.subject?.length ?? 0) <= 8192);
});

test("a subject made of many encoded words takes no time", () => {
  const seen = glance(
    `Subject: ${"=?utf-8?Q?a?= ".repeat(70)}\r\n${` ${"=?utf-8?q?".repeat(90)}\r\n`.repeat(8)}\r\n`,
  );
  assert.match(seen.subject ?? "", /^a{70}/);
});

test("real mail is glanced at the same way whole and in pieces", async () => {
  for (const { name, canonical } of await corpus()) {
    const whole = glance(canonical);
    const pieces = glance(canonical, 7);
    assert.deepEqual([pieces.received, pieces.subject], [whole.received, whole.subject], name);
    assert.doesNotMatch(whole.subject ?? "", /[\x00-\x1f\x7f]/, name);
  }
});
