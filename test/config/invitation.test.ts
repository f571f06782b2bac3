import assert from "node:assert/strict";
import { test } from "node:test";
import { formatInvitation, InvitationError, parseInvitation } from "../../src/config/invitation.ts";

const TOKEN = "5TCkZGyXMjoALSXyxMbzCw";
const PIN = "2v6hQqnTeynwayz7zu3GBOGGlYVwak2Yr6XGaJ9dHMs";
const pin = Buffer.from(PIN, "base64url").toString("hex");

test("an invitation is written on one line, and read back as the same", () => {
  for (const [line, tls, host, port] of [
    [`odmr-join://relay.example.net:366/${TOKEN}/${PIN}`, "starttls", "relay.example.net", 366],
    [`odmrs-join://192.0.2.1:3660/${TOKEN}/${PIN}`, "implicit", "192.0.2.1", 3660],
    [`odmr-join://[2001:db8::1]:366/${TOKEN}/${PIN}`, "starttls", "2001:db8::1", 366],
  ] as const) {
    const invitation = { tls, provider: { host, port }, token: TOKEN, pin };
    assert.equal(formatInvitation(invitation), line);
    assert.deepEqual(parseInvitation(line), invitation);
  }
});

test("what a terminal or a mail program did to the line is forgiven", () => {
  const line = `  ODMR-JOIN://relay.example.net/${TOKEN.slice(0, 9)}\r\n  ${TOKEN.slice(9)}/${PIN}\n`;
  assert.deepEqual(parseInvitation(line), {
    tls: "starttls",
    provider: { host: "relay.example.net", port: 366 },
    token: TOKEN,
    pin,
  });
});

test("what is no invitation is told without a word of it", () => {
  const good = `odmr-join://relay.example.net:366/${TOKEN}/${PIN}`;
  for (const [text, why] of [
    ["", "this is no invitation; it begins with odmr-join://"],
    ["odmr://home@relay.example.net", "this is no invitation; it begins with odmr-join://"],
    [good.slice(0, -1), "this invitation is not whole, or more than one; copy all of the line"],
    [good + good, "this invitation is not whole, or more than one; copy all of the line"],
    [`${good}A`, "this invitation is not whole, or more than one; copy all of the line"],
    [
      good.replace(TOKEN, TOKEN.slice(1)),
      "this invitation is not whole, or more than one; copy all of the line",
    ],
    [good.replace(":366", ":99999"), '"relay.example.net:99999" in this invitation names no host'],
    [good.replace("relay", "re@lay"), '"re@lay.example.net:366" in this invitation names no host'],
  ] as const)
    assert.throws(
      () => parseInvitation(text),
      (error: Error) => error instanceof InvitationError && error.message === why,
      text,
    );
});
