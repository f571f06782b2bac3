import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { test } from "node:test";
import { systemRandom } from "../../src/platform/random.ts";
import { fingerprintOf, newKey, selfSigned } from "../../src/platform/selfsigned.ts";

const since = Date.parse("2026-11-27T08:00:00Z");
const make = (key: string, name = "relay.example.net") =>
  selfSigned(key, { name, since, random: systemRandom });

test("a certificate vouches for itself, is for its name and its key, and does not run out", async () => {
  const key = newKey();
  const shown = new X509Certificate(await make(key));
  assert.deepEqual(
    {
      subject: shown.subject,
      issuer: shown.issuer,
      names: shown.subjectAltName,
      from: Date.parse(shown.validFrom),
      to: shown.validTo,
      own: shown.checkPrivateKey(createPrivateKey(key)),
    },
    {
      subject: "CN=relay.example.net",
      issuer: "CN=relay.example.net",
      names: "DNS:relay.example.net",
      from: since,
      to: "Dec 31 23:59:59 9999 GMT",
      own: true,
    },
  );
});

test("two are never the same, and each is known by its fingerprint", async () => {
  const key = newKey();
  const [one, two] = [await make(key), await make(key)];
  assert.notEqual(fingerprintOf(one), fingerprintOf(two));
  assert.equal(fingerprintOf(one), new X509Certificate(one).fingerprint256.replaceAll(":", "").toLowerCase());
});

test("a name that is too long for a common name is whole among the others", async () => {
  const name = `${"a".repeat(60)}.${"b".repeat(60)}.example.net`;
  assert.equal(new X509Certificate(await make(newKey(), name)).subjectAltName, `DNS:${name}`);
});
