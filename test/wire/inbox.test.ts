import assert from "node:assert/strict";
import { test } from "node:test";
import { Inbox } from "../../src/wire/inbox.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (octets: Uint8Array | "long" | undefined) =>
  octets instanceof Uint8Array ? new TextDecoder().decode(octets) : octets;

function filled(...chunks: readonly string[]): Inbox {
  const inbox = new Inbox();
  for (const chunk of chunks) inbox.push(bytes(chunk));
  return inbox;
}

test("a line comes without its line end, and what follows it stays", () => {
  const inbox = filled("EHLO a\r\nQUIT\nrest");
  assert.equal(text(inbox.line(512)), "EHLO a");
  assert.equal(text(inbox.line(512)), "QUIT");
  assert.equal(inbox.line(512), undefined);
  assert.equal(inbox.length, 4);
  assert.equal(text(inbox.peek()), "rest");
});

test("lines are the same wherever the stream is cut", () => {
  const stream = "a\r\n\r\n\nlonger line\r\nb\r\r\n";
  const lines = ["a", "", "", "longer line", "b\r"];
  for (let cut = 0; cut <= stream.length; cut++) {
    const inbox = filled(stream.slice(0, cut), stream.slice(cut));
    assert.deepEqual(
      lines.map(() => text(inbox.line(512))),
      lines,
      `cut at ${cut}`,
    );
    assert.equal(inbox.length, 0);
  }
});

test("only one CR is taken off a line", () => {
  assert.equal(text(filled("a\r", "\r", "\n").line(9)), "a\r");
});

test("a line is long as soon as its limit came without an LF, whole or in pieces", () => {
  assert.equal(text(filled("12345678\r\n").line(10)), "12345678");
  assert.equal(filled("123456789\r\n").line(10), "long");
  assert.equal(filled("123456789").line(10), undefined);
  assert.equal(filled("1234567890").line(10), "long");
  assert.equal(filled("12345", "67890\n").line(10), "long");
});

test("a piece is a view of the first chunk and never more than was asked for", () => {
  const chunk = bytes("abcdef");
  const inbox = new Inbox();
  inbox.push(chunk);
  inbox.push(bytes("gh"));
  const piece = inbox.take(4);
  assert.equal(text(piece), "abcd");
  assert.equal(piece.buffer, chunk.buffer);
  assert.equal(text(inbox.take(4)), "ef");
  assert.equal(text(inbox.take(4)), "gh");
  assert.equal(inbox.take(4).length, 0);
});

test("skipping goes over chunks and stops at the end", () => {
  const inbox = filled("abc", "def", "ghi");
  inbox.skip(4);
  assert.equal(inbox.length, 5);
  assert.equal(text(inbox.peek()), "ef");
  inbox.skip(100);
  assert.equal(inbox.length, 0);
});

test("lines and pieces take turns on one stream", () => {
  const inbox = filled("BDAT 3\r\nab", "cRSET\r", "\nBDAT");
  assert.equal(text(inbox.line(512)), "BDAT 3");
  assert.equal(text(inbox.take(3)), "ab");
  assert.equal(text(inbox.take(1)), "c");
  assert.equal(text(inbox.line(512)), "RSET");
  assert.equal(inbox.line(512), undefined);
  inbox.push(bytes(" 0 LAST\r\n"));
  assert.equal(text(inbox.line(512)), "BDAT 0 LAST");
});

test("a line of a million octets that come one by one is searched once", { timeout: 20_000 }, () => {
  const inbox = new Inbox();
  const octet = bytes("x");
  for (let i = 0; i < 1_000_000; i++) {
    inbox.push(octet);
    assert.equal(inbox.line(2_000_000), undefined);
  }
  inbox.push(bytes("\r\n"));
  const line = inbox.line(2_000_000);
  assert.ok(line instanceof Uint8Array);
  assert.equal(line.length, 1_000_000);
});

test("a hundred thousand lines in one chunk, and as many chunks of one line, come at once", {
  timeout: 20_000,
}, () => {
  const one = filled("NOOP\r\n".repeat(100_000));
  const many = filled(...Array.from({ length: 100_000 }, () => "NOOP\r\n"));
  for (let i = 0; i < 100_000; i++) {
    assert.equal(one.line(512)?.length, 4);
    assert.equal(many.line(512)?.length, 4);
  }
  assert.equal(one.length + many.length, 0);
});
