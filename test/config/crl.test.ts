import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { readCrl } from "../../src/config/crl.ts";
import { certs, type Identity } from "../support/certs.ts";

const der = ({ certificate }: Identity): Uint8Array => new X509Certificate(certificate).raw;
const IN_2026 = Date.UTC(2026, 0, 1);

describe("a revocation list", () => {
  it("tells the revoked certificate from the others of its CA, and knows nothing of a stranger's", async () => {
    const { crl, ca, client, revoked, selfSigned } = certs();
    const list = await readCrl(crl, ca);
    assert.deepEqual(
      [client, revoked, selfSigned].map((each) => list.standing(der(each), IN_2026)),
      ["good", "revoked", "unknown"],
    );
    assert.equal(list.nextUpdate, Date.UTC(2099, 0, 1));
  });

  it("that is out of date still knows what was revoked, and vouches for nothing", async () => {
    const { staleCrl, ca, client, revoked } = certs();
    const list = await readCrl(staleCrl, ca);
    const before = Date.UTC(2020, 0, 15);
    assert.deepEqual(
      [client, revoked].map((each) => [list.standing(der(each), before), list.standing(der(each), IN_2026)]),
      [
        ["good", "unknown"],
        ["revoked", "revoked"],
      ],
    );
  });

  it("may stand with that of another CA in one file", async () => {
    const { crl, otherCrl, ca, otherCa, client, revoked } = certs();
    const list = await readCrl(otherCrl + crl, otherCa + ca);
    assert.deepEqual(
      [client, revoked].map((each) => list.standing(der(each), IN_2026)),
      ["good", "revoked"],
    );
  });

  it("of another CA is none of ours", () =>
    assert.rejects(readCrl(certs().otherCrl, certs().ca), {
      name: "CrlError",
      message: /signed by no certificate in tls\.clientCa/,
    }));

  it("whose octets were changed is none of ours", async () => {
    const [head = "", text = "", end = ""] = certs().crl.split(/(?<=LIST-----|CRL-----\n)|(?=-----END)/);
    const octets = Buffer.from(text, "base64");
    octets[octets.length - 90]! ^= 1; // in the serial number or the date, before the signature
    await assert.rejects(readCrl(`${head}${octets.toString("base64")}\n${end}`, certs().ca), {
      name: "CrlError",
    });
  });

  it("that is a certificate, or nothing, is told so", async () => {
    for (const text of ["", certs().ca])
      await assert.rejects(readCrl(text, certs().ca), {
        name: "CrlError",
        message: /-----BEGIN X509 CRL-----/,
      });
    await assert.rejects(readCrl("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", certs().ca), {
      name: "CrlError",
      message: /cannot be read/,
    });
  });
});
