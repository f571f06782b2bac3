import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Unforged } from "../../src/mail/forged.ts";

const HOST = "relay.example.net";
const encode = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
const decode = (pieces: readonly Uint8Array[]) =>
  pieces.map((piece) => String.fromCharCode(...piece)).join("");

/** Through the filter, in pieces of so many octets. */
async function through(text: string, size: number) {
  const filter = new Unforged(HOST);
  const bytes = encode(text);
  const passed: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) passed.push(...filter.write(bytes.subarray(at, at + size)));
  passed.push(...filter.end());
  const original: Uint8Array[] = [];
  for await (const piece of filter.original(passed)) original.push(piece);
  return { passed: decode(passed), original: decode(original), removed: filter.removed };
}

const forgeries = [
  "Authentication-Results: relay.example.net; spf=pass\r\n",
  "authentication-RESULTS: Relay.Example.NET 1; dkim=pass\r\n\theader.d=x\r\n",
  "Authentication-Results :\r\n relay.example.net;\r\n dmarc=pass\r\n",
  'Authentication-Results: (a (nested\\) one)) "relay.example.net" (b); spf=pass\r\n',
  "Authentication-Results: relay.example.net\r\n",
  "Authentication-Results: (hidden)relay.example.net(x); spf=pass\r\n",
  `Authentication-Results: (${"x".repeat(9_000)}) relay.example.net; spf=pass\r\n`,
];
const others = [
  "Authentication-Results: mx.world.example; spf=pass\r\n",
  "Authentication-Results: relay.example.net.evil; spf=pass\r\n",
  "X-Authentication-Results: relay.example.net; spf=pass\r\n",
  "Authentication-Results-Old: relay.example.net\r\n",
  "Authentication-Results:\r\n",
  "Subject: Authentication-Results: relay.example.net; spf=pass\r\n Authentication-Results: relay.example.net\r\n",
  "no field at all\r\n",
];
const body = "\r\nAuthentication-Results: relay.example.net; spf=pass\r\n\r\n.text\r\n";

describe("a message with Authentication-Results", () => {
  for (const size of [1, 7, 100_000]) {
    for (const forged of forgeries)
      it(`loses ${JSON.stringify(forged.slice(0, 60))}, read ${size} at a time`, async () => {
        const rest = `From: a@b\r\n${others[0]}`;
        assert.deepEqual(await through(`${forged}From: a@b\r\n${forged}${others[0]}${forged}${body}`, size), {
          passed: `${rest}${body}`,
          original: `${forged}From: a@b\r\n${forged}${others[0]}${forged}${body}`,
          removed: 3,
        });
      });

    it(`keeps every other field, read ${size} at a time`, async () => {
      for (const text of [others.join("") + body, others.join(""), body, "", "\n", "\r\n", "\r", "x", "\n\n"])
        assert.deepEqual(await through(text, size), { passed: text, original: text, removed: 0 });
    });

    it(`loses one in a header without an end, read ${size} at a time`, async () => {
      const text = `From: a@b\r\n${forgeries[0]!.trimEnd()}`;
      assert.deepEqual(await through(text, size), {
        passed: "From: a@b\r\n",
        original: text,
        removed: 1,
      });
    });
  }

  it("is remembered within bounds, however much is taken out", async () => {
    const filter = new Unforged(HOST);
    for (let i = 0; i < 100; i++) [...filter.write(encode(forgeries[6]!))];
    const original: Uint8Array[] = [];
    for await (const piece of filter.original([])) original.push(piece);
    assert.equal(filter.removed, 100);
    assert.ok(original.reduce((sum, { length }) => sum + length, 0) <= 64 * 1024);
  });
});
