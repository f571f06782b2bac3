import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeBase64, encodeBase64 } from "../../src/wire/base64.ts";

test("all octets are written and read back", () => {
  for (let length = 0; length < 260; length++) {
    const octets = Uint8Array.from({ length }, (_, i) => (i * 7 + length) % 256);
    assert.equal(encodeBase64(octets), Buffer.from(octets).toString("base64"));
    assert.deepEqual(decodeBase64(encodeBase64(octets)), octets);
  }
});

test('"=" is the empty string, and what is not whole base64 is bad', () => {
  assert.deepEqual(decodeBase64("="), new Uint8Array(0));
  for (const bad of [
    "*",
    "a",
    "ab",
    "abc",
    "abcd=",
    "a===",
    "====",
    "ab=c",
    "ab d",
    "ab\nd",
    "-_-_",
    "abc\0",
  ])
    assert.equal(decodeBase64(bad), "bad", JSON.stringify(bad));
});
