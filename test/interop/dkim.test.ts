/** What we sign is verified by dkimpy, which is Debian's: every shape of message that mail has, and real mail. */
// Two implementations agree only on what the RFC says: nodemailer signs here, and neither is asked about itself.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, it } from "node:test";
import type { Delivery } from "../../src/delivery/delivery.ts";
import { signed } from "../../src/delivery/signed.ts";
import type { DkimKey } from "../../src/mail/dkim.ts";
import { collected, corpus, octets, parcelFor } from "../support/mail.ts";
import { withPeers } from "../support/processes.ts";
import { dkimVerdicts } from "../support/python.ts";

const { publicKey, privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "der" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});
const record = `v=DKIM1; k=rsa; p=${publicKey.toString("base64")}`;

/** One key for whatever domain is asked for. */
class AnyDomain extends Map<string, DkimKey> {
  override readonly size = 1;
  override get(): DkimKey {
    return { selector: "odmr", key: privateKey };
  }
}

/** The message as it leaves. */
async function leaves(content: Uint8Array): Promise<Uint8Array> {
  let left: Uint8Array = new Uint8Array();
  const line: Delivery = {
    async deliver(parcel) {
      left = await collected(parcel.content());
      assert.equal(left.length, parcel.size);
      return [];
    },
    close: async () => {},
  };
  await signed(line, new AnyDomain()).deliver(parcelFor(["eve@world.test"], { content }));
  return left;
}

const isSigned = (octets: Uint8Array): boolean =>
  Buffer.from(octets.subarray(0, 15)).toString("latin1") === "DKIM-Signature:";

const FROM = "From: Bob <bob@example.org>\r\n";
const head = (...fields: readonly string[]): string =>
  `${FROM}${fields.map((field) => `${field}\r\n`).join("")}\r\n`;
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));

const shapes: Readonly<Record<string, Uint8Array>> = {
  plain: bytes(`${head("To: eve@world.test", "Subject: plain")}text\r\n`),
  "folded fields": bytes(
    `${head("Subject: one\r\n\ttwo\r\n   three   four ", "To: eve@world.test,\r\n mallory@world.test", "References: <a@b>\r\n <c@d>\r\n\t<e@f>")}text\r\n`,
  ),
  "a folded From": bytes("From: Bob\r\n <bob@example.org>\r\nSubject: x\r\n\r\ntext\r\n"),
  // A blank before a colon (RFC 5322 §4.5) is left out: dkimpy does not read such a field.
  "blanks behind colons and at ends": bytes(`From:bob@example.org  \r\nSubject:\t x \t y  \r\n\r\ntext\r\n`),
  "fields twice": bytes(
    `${head("Received: a", "Received: b", "Subject: x", "Comments: one", "Comments: two")}text\r\n`,
  ),
  "an empty subject": bytes(`${head("Subject:", "To:")}text\r\n`),
  "a long field": bytes(`${head(`Subject: ${"word ".repeat(400)}`)}text\r\n`),
  "8-bit in the header": octets(`${head("Subject: Gr\u00fc\u00dfe \u2603")}text\r\n`),
  "latin1 in the header": bytes(`${head("Subject: Gr\u00fc\u00dfe")}text\r\n`),
  "8-bit in the body": octets(`${head("Subject: x")}\u00e4\u00f6\u00fc \u2603\r\n`),
  "latin1 in the body": bytes(`${head("Subject: x")}\u00e4\u00f6\u00fc\r\n`),
  "every octet": new Uint8Array([
    ...bytes(head("Subject: x")),
    ...Uint8Array.from({ length: 256 }, (_, i) => i).filter((octet) => octet !== 10 && octet !== 13),
    ...bytes("\r\n"),
  ]),
  "long lines": bytes(`${head("Subject: x")}${"x".repeat(5_000)}\r\n${"y ".repeat(70_000)}\r\n`),
  "no body": bytes(head("Subject: x")),
  "no blank line": bytes(`${FROM}Subject: x\r\n`),
  "blank lines at the end": bytes(`${head("Subject: x")}text\r\n\r\n\r\n\r\n`),
  "blank lines only": bytes(`${head("Subject: x")}\r\n\r\n`),
  "blanks in lines": bytes(`${head("Subject: x")} a  b\t\tc \t\r\n   \r\n\t\r\n`),
  dots: bytes(`${head("Subject: x")}.\r\n..\r\n.text\r\n`),
  "another signature": bytes(
    `DKIM-Signature: v=1; a=rsa-sha256; d=other.test; s=x; h=from; bh=AA==; b=AA==\r\n${head("Subject: x")}text\r\n`,
  ),
  large: bytes(
    `${head("Subject: x")}${"seventy-one characters of text, give or take, over and over again....\r\n".repeat(20_000)}`,
  ),
};

describe("dkimpy", withPeers("dkimverify"), () => {
  it("verifies what we sign, whatever its shape", async () => {
    const names = Object.keys(shapes);
    const left = await Promise.all(Object.values(shapes).map(leaves));
    const verdicts = await dkimVerdicts(left.map((octets) => ({ octets, record })));
    assert.deepEqual(
      Object.fromEntries(names.map((name, i) => [name, verdicts[i]])),
      Object.fromEntries(names.map((name) => [name, "pass odmr._domainkey.example.org."])),
    );
  });

  it("finds out when a field, the body or a From has changed", async () => {
    const left = Buffer.from(await leaves(shapes.plain!)).toString("latin1");
    const changes = [
      left.replace("Subject: plain", "Subject: other"),
      left.replace("text\r\n", "test\r\n"),
      `From: Mallory <mallory@world.test>\r\n${left}`,
    ];
    const verdicts = await dkimVerdicts(changes.map((text) => ({ octets: bytes(text), record })));
    assert.deepEqual(
      verdicts.map((verdict) => verdict.split(" ")[0]),
      ["fail", "fail", "fail"],
    );
  });

  it("verifies real mail", async () => {
    const messages = (await corpus()).filter((_, i) => i % 3 === 0);
    const left = await Promise.all(messages.map(({ canonical }) => leaves(canonical)));
    const signedOnes = left.flatMap((octets, i) =>
      isSigned(octets) ? [{ octets, name: messages[i]!.name }] : [],
    );
    assert.ok(signedOnes.length >= messages.length * 0.8, "mail with one From is signed");
    const verdicts = await dkimVerdicts(signedOnes.map(({ octets }) => ({ octets, record })));
    const wrong = signedOnes.flatMap(({ name }, i) =>
      verdicts[i]!.startsWith("pass ") ? [] : [`${name}: ${verdicts[i]}`],
    );
    assert.deepEqual(wrong, []);
  });
});
