import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Untraced } from "../../src/mail/untraced.ts";

const body = "\r\nReceived: this is text\r\n\r\nReceived: and this\r\n";
const kept = `Subject: hello\r\nMessage-ID: <1@world.test>\r\nX-Received: no trace\r\n${body}`;
const whole =
  "Return-Path: <a@world.test>\r\nReceived: from a\r\n\tby b\r\nSubject: hello\r\n" +
  "RECEIVED: from c\r\n by d;\r\n date\r\nMessage-ID: <1@world.test>\r\nDelivered-To: bob@x.test\r\n" +
  `Authentication-Results: relay;\r\n\tspf=pass\r\nX-Received: no trace\r\nReceived-SPF: pass\r\n${body}`;

function without(text: string, pieces: number): { text: string; id: string | undefined } {
  let out = "";
  const untraced = new Untraced((piece) => {
    out += new TextDecoder().decode(piece);
  });
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += pieces) untraced.write(bytes.subarray(at, at + pieces));
  untraced.end();
  return { text: out, id: untraced.messageId };
}

describe("a message without its trace", () => {
  it("keeps all other fields and the body, however it was cut", () => {
    for (let pieces = 1; pieces <= whole.length; pieces++)
      assert.deepEqual(without(whole, pieces), { text: kept, id: "1@world.test" }, `in pieces of ${pieces}`);
  });

  it("passes lines of any length, and drops those of a trace", () => {
    const long = "y".repeat(100_000);
    const { text } = without(`Received: ${long}\r\nX: ${long}\r\n\r\n`, 7_000);
    assert.equal(text, `X: ${long}\r\n\r\n`);
  });

  it("gives the last line of a header without a body, and an id without brackets", () => {
    assert.deepEqual(without("Message-Id:  1@world.test\r\nTo: b", 5), {
      text: "Message-Id:  1@world.test\r\nTo: b",
      id: "1@world.test",
    });
    assert.equal(without("Subject: x\r\n\r\nMessage-ID: <2@world.test>\r\n", 64).id, undefined);
  });
});
