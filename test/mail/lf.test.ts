import assert from "node:assert/strict";
import { test } from "node:test";
import { withLf } from "../../src/mail/lf.ts";
import { collected, cut, octets, textOf } from "../support/mail.ts";

test("CRLF becomes LF and every other octet stays, however the stream is cut", async () => {
  const text = "a\r\n\r\r\nb\rc\n\0\r\n\r";
  for (let piece = 1; piece <= text.length; piece++)
    assert.equal(textOf(await collected(withLf(cut(octets(text), piece)))), "a\n\r\nb\rc\n\0\n\r");
});
