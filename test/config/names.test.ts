import assert from "node:assert/strict";
import { test } from "node:test";
import { parseEndpoint, parsePlace } from "../../src/config/endpoint.ts";
import { isAddressPattern, isHostname, isNetwork, parseFingerprint } from "../../src/config/names.ts";

const HEX = "0123456789abcdef".repeat(4);

test("a fingerprint is read however it was copied", () => {
  const colons = HEX.toUpperCase().replace(/..(?=.)/g, "$&:");
  for (const text of [
    HEX,
    `sha256:${HEX}`,
    colons,
    `SHA256 Fingerprint=${colons}`,
    `sha256 Fingerprint=${colons}`,
  ])
    assert.equal(parseFingerprint(text), HEX);
  for (const text of ["", "sha256:", HEX.slice(1), `${HEX}0`, `sha1:${HEX}`])
    assert.equal(parseFingerprint(text), undefined);
});

test("a network is an address with or without a length that fits", () => {
  for (const text of ["192.0.2.1", "192.0.2.0/24", "2001:db8::/32", "::1"]) assert.ok(isNetwork(text), text);
  for (const text of ["", "192.0.2", "192.0.2.0/33", "::/129", "::/", "a/8", "10.0.0.0/8/8"])
    assert.ok(!isNetwork(text), text);
});

test("an address pattern has one @, or is * alone", () => {
  for (const text of ["*", "bob@example.org", "*@example.org", "b?b@*"])
    assert.ok(isAddressPattern(text), text);
  for (const text of ["", "bob", "a@b@c", "a b@c", "@c"]) assert.ok(!isAddressPattern(text), text);
});

test("a host may call itself by a name or an address in brackets", () => {
  for (const text of ["relay.example.net", "Home", "[192.0.2.1]", "[IPv6:2001:db8::1]"])
    assert.ok(isHostname(text), text);
  for (const text of ["", "a b", "-a", "a..b", "relay.example.net.", "a_b"])
    assert.ok(!isHostname(text), text);
});

test("a place is a host and a port, with brackets around IPv6", () => {
  assert.deepEqual(parsePlace("relay:366"), { host: "relay", port: 366 });
  assert.deepEqual(parsePlace("[2001:db8::1]:25"), { host: "2001:db8::1", port: 25 });
  assert.deepEqual(parsePlace("relay", 366), { host: "relay", port: 366 });
  for (const text of ["relay", ":25", "::1:25", "a:b", "a:70000", "a b:1", ""])
    assert.equal(parsePlace(text), undefined, text);
});

test("an endpoint may be a socket file too", () => {
  assert.deepEqual(parseEndpoint("unix:/run/odmr.sock"), { path: "/run/odmr.sock" });
  assert.equal(parseEndpoint("unix:"), undefined);
});
