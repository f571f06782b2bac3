import assert from "node:assert/strict";
import { test } from "node:test";
import { fromLine, NoMbox, parts, quoted } from "../../src/mail/mbox.ts";
import { collected, cut, octets, textOf } from "../support/mail.ts";

async function messagesOf(text: string, piece: number): Promise<readonly (readonly [string, string])[]> {
  const found: [string, string][] = [];
  for await (const part of parts(cut(octets(text), piece)))
    if (part instanceof Uint8Array) found[found.length - 1]![1] += textOf(part);
    else found.push([part.sender, ""]);
  return found;
}

const BOX =
  "From a@x Wed Nov  4 07:08:09 2026\nSubject: 1\n\n>From home\n>>From far\n>Frob\nno From here\nFrom inside\n\n" +
  "From MAILER-DAEMON Wed Nov  4 07:08:09 2026\nSubject: 2\n\nends in blanks\n\n\n" +
  "From c@x Wed Nov  4 07:08:09 2026\n\n";

test("an mbox is taken apart at From_ lines behind blank lines, unquoted, however it is cut", async () => {
  for (let piece = 1; piece <= BOX.length; piece++)
    assert.deepEqual(await messagesOf(BOX, piece), [
      ["a@x", "Subject: 1\n\nFrom home\n>From far\n>Frob\nno From here\nFrom inside\n"],
      ["", "Subject: 2\n\nends in blanks\n\n"],
      ["c@x", ""],
    ]);
});

test("an mbox with CRLF, without a last line end, or empty is read too", async () => {
  for (const piece of [1, 2, 3, 100])
    assert.deepEqual(await messagesOf("From a@x\r\nb\r\n\r\nFrom c@x\r\nd", piece), [
      ["a@x", "b\r\n"],
      ["c@x", "d"],
    ]);
  assert.deepEqual(await messagesOf("", 1), []);
});

test("what does not begin with a From_ line is no mbox", async () => {
  for (const text of ["Subject: 1\n\n", "\nFrom a@x\n", "Fro", `From ${"x".repeat(100_000)}`])
    await assert.rejects(messagesOf(text, 1000), NoMbox);
});

test("quoting is undone by reading, however it is cut", async () => {
  const message = "From a\n>From b\n\nFrom \nFro\nx From y\n>>>From c\n>\nFrom";
  for (let piece = 1; piece <= message.length; piece++) {
    const kept = textOf(await collected(quoted(cut(octets(message), piece))));
    assert.equal(kept, ">From a\n>>From b\n\n>From \nFro\nx From y\n>>>>From c\n>\nFrom");
    assert.deepEqual(await messagesOf(`From s@x\n${kept}\n\n`, piece), [["s@x", `${message}\n`]]);
  }
});

test("a From_ line has the sender in one word and the date of asctime", () => {
  const at = Date.UTC(2026, 10, 4, 7, 8, 9);
  assert.equal(fromLine("a@x", at), "From a@x Wed Nov  4 07:08:09 2026\n");
  assert.equal(fromLine("", at), "From MAILER-DAEMON Wed Nov  4 07:08:09 2026\n");
  assert.equal(fromLine('"a b"@x', at), 'From "a-b"@x Wed Nov  4 07:08:09 2026\n');
});
