import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  addressees,
  addressesIn,
  completed,
  NoAddress,
  submitted,
  untilDot,
} from "../../src/mail/submitted.ts";
import { collected, cut, octets, textOf } from "../support/mail.ts";

const completion = {
  from: "ann@example.org",
  name: 'Ann "A" Bee',
  at: Date.UTC(2026, 0, 2, 3, 4, 5),
  id: "1a",
  hostname: "home.test",
};

async function* stream(text: string, size = 7): AsyncGenerator<Uint8Array> {
  yield* cut(octets(text), size);
}

async function sent(text: string, size?: number): Promise<string> {
  const { fields, body } = await submitted(stream(text, size));
  return textOf(completed(fields, completion)) + textOf(await collected(body));
}

describe("a message that a program hands in", () => {
  test("gets what it lacks, and keeps what it has", async () => {
    assert.equal(
      await sent("Subject: x\r\n\r\nHi\r\n"),
      'Subject: x\r\nFrom: "Ann \\"A\\" Bee" <ann@example.org>\r\nDate: Fri, 02 Jan 2026 03:04:05 +0000\r\n' +
        "Message-ID: <1a@home.test>\r\n\r\nHi\r\n",
    );
    const whole = "From: a@b.test\r\nDate: now\r\nMessage-Id: <1@b>\r\nX: \xe4\r\n\r\nHi\r\n";
    assert.equal(await sent(whole), whole);
  });

  test("loses its blind copies, folded ones too", async () => {
    const text =
      "From: a\r\nDate: b\r\nMessage-ID: c\r\nBcc: eve@x.test,\r\n\tmallory@x.test\r\nTo: d\r\n\r\nBcc: body\r\n";
    assert.equal(await sent(text), "From: a\r\nDate: b\r\nMessage-ID: c\r\nTo: d\r\n\r\nBcc: body\r\n");
  });

  test("may have no header at all", async () => {
    assert.match(await sent("Hello\r\nyou\r\n"), /^From: [\s\S]*\r\n\r\nHello\r\nyou\r\n$/);
    assert.match(await sent("Subject: x\r\nHello\r\n"), /^Subject: x\r\nFrom: [\s\S]*\r\n\r\nHello\r\n$/);
    assert.match(await sent(""), /^From: [\s\S]*\r\n\r\n$/);
  });

  test("is the same wherever its pieces end", async () => {
    const text = "Subject: x\r\n y\r\n\r\nHi\r\n\r\nthere\r\n";
    const whole = await sent(text, 1_000);
    for (let size = 1; size < text.length; size++) assert.equal(await sent(text, size), whole);
  });

  test("names its recipients in To, Cc and Bcc, with names, comments, groups and without domains", async () => {
    const text =
      'To: "Bee, Ann" <ann@a.test>, bob@b.test (Bob)\r\nCc: team: c1@c.test, c2@c.test;\r\nBcc: root\r\n\r\n';
    const { fields } = await submitted(stream(text));
    assert.deepEqual(await addressees(fields, "example.org"), [
      ...["ann@a.test", "bob@b.test", "c1@c.test", "c2@c.test", "root@example.org"],
    ]);
  });

  test("that is sent anew goes to its Resent- fields", async () => {
    const { fields } = await submitted(
      stream("To: a@a.test\r\nResent-To: b@b.test\r\nResent-Bcc: c@c.test\r\n\r\n"),
    );
    assert.deepEqual(await addressees(fields, "x.test"), ["b@b.test", "c@c.test"]);
  });

  test("with an address that is none is told so", async () => {
    await assert.rejects(addressesIn("a b@c@d..e", "x.test"), NoAddress);
  });
});

describe("a lone dot", () => {
  const upTo = async (text: string, size: number) => textOf(await collected(untilDot(stream(text, size))));
  test("ends the message, wherever the pieces end", async () => {
    const cases = {
      "a\r\n.\r\nb\r\n": "a\r\n",
      ".\r\nb\r\n": "",
      "a\r\n..\r\n.b\r\n": "a\r\n..\r\n.b\r\n",
      "a.\r\n": "a.\r\n",
      "": "",
      "a\r\n": "a\r\n",
    };
    for (const [text, wanted] of Object.entries(cases))
      for (let size = 1; size <= Math.max(1, text.length); size++)
        assert.equal(await upTo(text, size), wanted, `${JSON.stringify(text)} by ${size}`);
  });
});
