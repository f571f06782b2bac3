import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newSha256, pbkdf2Sha256, sha256 } from "../../src/platform/hash.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const text = (s: string): Uint8Array => new TextEncoder().encode(s);

describe("hashes", () => {
  it("agree with the example of FIPS 180-2, whole and in pieces", () => {
    const known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert.equal(hex(sha256(text("abc"))), known);
    const hash = newSha256();
    for (const letter of "abc") hash.update(text(letter));
    assert.equal(hex(hash.digest()), known);
  });

  it("agree with the PBKDF2 vector of RFC 7914 §11", () => {
    const key = hex(pbkdf2Sha256("passwd", text("salt"), 1));
    assert.equal(key, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
  });
});
