import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { composeNotice, type Notice, type NoticedRecipient } from "../../src/mail/bounce.ts";
import { composeWarning } from "../../src/mail/warning.ts";
import { octets, textOf } from "../support/mail.ts";

const AT = Date.UTC(2026, 10, 24, 12);
const original =
  "From: a@world.test\r\nSubject: gr\u00fc\u00dfe\r\n\r\nbody\r\n.\r\nSubject: not a field\r\n";
const refused: NoticedRecipient = {
  address: "bob@example.org",
  orcpt: "rfc822;b+x@example.org",
  kind: "refused",
  reply: "550 5.1.1 No such user",
};

const notice = (facts: Partial<Notice> = {}, content = original): Notice => ({
  hostname: "relay.test",
  id: "0123",
  at: AT,
  envelope: { from: "a@world.test", envid: "e+1" },
  arrived: AT - 60_000,
  expires: AT + 86_400_000,
  recipients: [refused],
  size: octets(content).length,
  content: () => [octets(content)],
  ...facts,
});

const SCRIPT = `
import sys, json, email, email.policy
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
parts = list(m.iter_parts())
status = [[[k, str(v)] for k, v in b.items()] for b in parts[1].get_payload()]
third = parts[2]
inner = third.get_payload(0).as_bytes().decode("latin1") if third.get_content_type() == "message/rfc822" else third.get_payload(decode=True).decode("latin1")
print(json.dumps({"type": m.get_content_type(), "report": m.get_param("report-type"), "to": m["to"], "subject": m["subject"],
  "auto": m["auto-submitted"], "parts": [p.get_content_type() for p in parts], "status": status, "third": inner,
  "defects": [str(d) for p in m.walk() for d in p.defects]}))
`;

interface Read {
  readonly type: string;
  readonly report: string;
  readonly to: string;
  readonly subject: string;
  readonly auto: string;
  readonly parts: readonly string[];
  readonly status: readonly (readonly (readonly [string, string])[])[];
  readonly third: string;
  readonly defects: readonly string[];
}

/** Read by another hand: Python's email package. */
async function read(what: Notice): Promise<Read> {
  const { bytes } = await composeNotice(what);
  const { stdout, stderr } = spawnSync("python3", ["-c", SCRIPT], { input: bytes });
  assert.equal(stderr.toString(), "");
  return JSON.parse(stdout.toString()) as Read;
}

const python = spawnSync("python3", ["--version"]).status === 0;
if (!python && process.env.CI) throw new Error("not installed: python3");

describe("a notice", { skip: !python && "not installed: python3" }, () => {
  it("is a report that others can read, field by field", async () => {
    const { status, third, ...rest } = await read(notice());
    assert.deepEqual(rest, {
      type: "multipart/report",
      report: "delivery-status",
      to: "a@world.test",
      subject: "Your message could not be delivered",
      auto: "auto-replied",
      parts: ["text/plain", "message/delivery-status", "text/rfc822-headers"],
      defects: [],
    });
    assert.deepEqual(status, [
      [
        ["Reporting-MTA", "dns; relay.test"],
        ["Original-Envelope-Id", "e+1"],
        ["Arrival-Date", "Tue, 24 Nov 2026 11:59:00 +0000"],
      ],
      [
        ["Original-Recipient", "rfc822;b+x@example.org"],
        ["Final-Recipient", "rfc822; bob@example.org"],
        ["Action", "failed"],
        ["Status", "5.1.1"],
        ["Diagnostic-Code", "smtp; 550 5.1.1 No such user"],
        ["Last-Attempt-Date", "Tue, 24 Nov 2026 12:00:00 +0000"],
      ],
    ]);
    assert.equal(third, Buffer.from("From: a@world.test\r\nSubject: gr\u00fc\u00dfe\r\n").toString("latin1"));
  });

  it("has the whole message where RET=FULL asked for it and something failed, and it is not too large", async () => {
    const envelope = { from: "a@world.test", ret: "FULL" } as const;
    const full = await read(notice({ envelope }));
    assert.equal(full.parts[2], "message/rfc822");
    assert.ok(full.third.replaceAll("\r\n", "\n").endsWith("body\n.\nSubject: not a field\n"));
    const late = { ...refused, kind: "delayed" as const };
    for (const facts of [{ recipients: [late] }, { size: 2_000_000 }])
      assert.equal((await read(notice({ envelope, ...facts }))).parts[2], "text/rfc822-headers");
  });

  it("tells each kind of news by its own action", async () => {
    const kinds = ["refused", "expired", "delayed", "relayed"] as const;
    const { status } = await read(
      notice({ recipients: kinds.map((kind) => ({ ...refused, kind, reply: "451 4.2.0 busy" })) }),
    );
    const told = status.slice(1).map((fields) => {
      const field = new Map(fields);
      return [
        field.get("Action"),
        field.get("Status"),
        field.has("Will-Retry-Until"),
        field.has("Last-Attempt-Date"),
      ];
    });
    assert.deepEqual(told, [
      ["failed", "5.0.0", false, true],
      ["failed", "4.4.7", false, false],
      ["delayed", "4.2.0", true, true],
      ["relayed", "2.0.0", false, true],
    ]);
  });

  it("lets no stranger's text end a line or begin a field", async () => {
    const evil = "x\r\nBcc: v@x.test\r\n\r\n--0123\u2028\u00e9\x1b[2J";
    const { status, defects, parts } = await read(
      notice({
        envelope: { from: "a@world.test", envid: evil },
        recipients: [{ ...refused, orcpt: `rfc822;${evil}`, reply: `550 5.1.1 ${evil.repeat(40)}` }],
      }),
    );
    assert.deepEqual([defects, parts.length, status.length], [[], 3, 2]);
    const names = status.flat().map(([name]) => name);
    assert.ok(!names.includes("Bcc"));
  });

  it("writes an address in other letters so that ASCII can carry it", async () => {
    const { status } = await read(notice({ recipients: [{ ...refused, address: "b\u00f6b@example.org" }] }));
    assert.equal(new Map(status[1]).get("Final-Recipient"), "utf-8; b\\x{F6}b@example.org");
  });

  for (const [name, content] of Object.entries({
    "no header": "\r\nbody\r\n",
    "no body": "Subject: x\r\n",
    "no end of its header": `X: ${"x".repeat(70)}\r\n`.repeat(5_000),
  }))
    it(`is whole for a message with ${name}`, async () => {
      const { defects, parts } = await read(notice({}, content));
      assert.deepEqual([defects, parts.length], [[], 3]);
    });
});

describe("a warning", () => {
  it("lists what will go back, and how much more", async () => {
    const messages = Array.from({ length: 60 }, (_, i) => ({
      from: "a@world.test",
      subject: `n${i}\r\nBcc: x`,
      expires: AT,
    }));
    const letter = {
      hostname: "relay.test",
      id: "1",
      at: AT,
      to: "bob@example.net",
      customer: "home",
      messages,
    };
    const text = textOf(await composeWarning(letter));
    assert.match(text, /^Subject: 60 messages wait for you and will go back soon\r$/m);
    assert.match(text, /and 10 more/);
    assert.doesNotMatch(text, /^Bcc/m);
  });
});
