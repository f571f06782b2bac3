import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Command,
  formatCommand,
  LINE_LIMIT,
  type Problem,
  parseCommand,
} from "../../src/wire/command.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const read = (line: string) => parseCommand(bytes(line));
const written = (command: Command) => new TextDecoder().decode(formatCommand(command));

const refusal = (line: string | Uint8Array): string => {
  const got = typeof line === "string" ? read(line) : parseCommand(line);
  if (!("problem" in got)) return `read as ${JSON.stringify(got)}`;
  return `${got.verb} ${got.problem.code} ${got.problem.enhanced}`;
};

const SPOOL = "018f3a5e-0000-7000-8000-0123456789ab";
const MESSAGE = "018f3a5e-1111-7000-8000-0123456789ab";

/** What is written is read back, and the other way round. */
const pairs: readonly (readonly [string, Command])[] = [
  ["EHLO relay.example.net", { verb: "EHLO", name: "relay.example.net" }],
  ["HELO [127.0.0.1]", { verb: "HELO", name: "[127.0.0.1]" }],
  ["LHLO a_b", { verb: "LHLO", name: "a_b" }],
  ["MAIL FROM:<>", { verb: "MAIL", from: "", parameters: {} }],
  [
    "MAIL FROM:<a@b.test> SIZE=812 BODY=8BITMIME RET=HDRS ENVID=a+2Bb+20c AUTH=<>",
    {
      verb: "MAIL",
      from: "a@b.test",
      parameters: { size: 812, body: "8BITMIME", ret: "HDRS", envid: "a+b c", auth: "<>" },
    },
  ],
  [
    `MAIL FROM:<ü@b.test> SMTPUTF8 AUTH=e+3Dmc2@example.com XODMRID=${SPOOL}.${MESSAGE}`,
    {
      verb: "MAIL",
      from: "ü@b.test",
      parameters: { smtputf8: true, auth: "e=mc2@example.com", origin: { spool: SPOOL, message: MESSAGE } },
    },
  ],
  ["RCPT TO:<postmaster>", { verb: "RCPT", to: "postmaster", parameters: {} }],
  ['RCPT TO:<"a b>"@c.test>', { verb: "RCPT", to: '"a b>"@c.test', parameters: {} }],
  [
    "RCPT TO:<ü@c.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c.test",
    {
      verb: "RCPT",
      to: "ü@c.test",
      parameters: { notify: ["SUCCESS", "DELAY"], orcpt: "rfc822;a+b@c.test" },
    },
  ],
  ["DATA", { verb: "DATA" }],
  ["RSET", { verb: "RSET" }],
  ["QUIT", { verb: "QUIT" }],
  ["STARTTLS", { verb: "STARTTLS" }],
  ["NOOP", { verb: "NOOP", argument: "" }],
  ["NOOP are you there", { verb: "NOOP", argument: "are you there" }],
  ["HELP MAIL", { verb: "HELP", argument: "MAIL" }],
  ["VRFY bob", { verb: "VRFY", argument: "bob" }],
  ["EXPN list", { verb: "EXPN", argument: "list" }],
  ["BDAT 0 LAST", { verb: "BDAT", size: 0, last: true }],
  ["BDAT 9007199254740991", { verb: "BDAT", size: Number.MAX_SAFE_INTEGER, last: false }],
  ["AUTH SCRAM-SHA-256", { verb: "AUTH", mechanism: "SCRAM-SHA-256", initial: undefined }],
  ["AUTH EXTERNAL =", { verb: "AUTH", mechanism: "EXTERNAL", initial: new Uint8Array(0) }],
  ["AUTH PLAIN AGEAYg==", { verb: "AUTH", mechanism: "PLAIN", initial: bytes("\0a\0b") }],
  ["ATRN", { verb: "ATRN", domains: [] }],
  ["ATRN a.test,b.test", { verb: "ATRN", domains: ["a.test", "b.test"] }],
  ["XODMRWAIT a.test", { verb: "XODMRWAIT", domains: ["a.test"] }],
  ["XODMRWAIT", { verb: "XODMRWAIT", domains: [] }],
  ["XODMRWAIT SIZE=1000", { verb: "XODMRWAIT", domains: [], size: 1_000 }],
  ["XODMRWAIT a.test,b.test SIZE=0", { verb: "XODMRWAIT", domains: ["a.test", "b.test"], size: 0 }],
  ["XODMRTURN", { verb: "XODMRTURN" }],
  [
    `XODMRPAIR ${"aB3_-".repeat(5)} sha256:${"0af9".repeat(16)}`,
    { verb: "XODMRPAIR", token: "aB3_-".repeat(5), certificate: "0af9".repeat(16) },
  ],
  ["ETRN @a.test", { verb: "ETRN", node: "@a.test" }],
];

describe("commands", () => {
  for (const [line, command] of pairs)
    test(`"${line}" is read and written`, () => {
      assert.deepEqual(read(line), command);
      assert.equal(written(command), `${line}\r\n`);
    });
});

describe("what the wild sends", () => {
  const forgiven: readonly (readonly [string, Command])[] = [
    ["mail from: <A@B.Test>  size=1 ", { verb: "MAIL", from: "A@b.test", parameters: { size: 1 } }],
    ["RCPT to: <@x.test,@y.test:a@b.test>", { verb: "RCPT", to: "a@b.test", parameters: {} }],
    ["RCPT TO:<PostMaster>", { verb: "RCPT", to: "postmaster", parameters: {} }],
    ["atrn A.test, b.TEST,a.test", { verb: "ATRN", domains: ["a.test", "b.test"] }],
    ["ATRN  ", { verb: "ATRN", domains: [] }],
    ["quit\t ", { verb: "QUIT" }],
    ["bdat 5 last", { verb: "BDAT", size: 5, last: true }],
    ["auth plain", { verb: "AUTH", mechanism: "PLAIN", initial: undefined }],
    [
      "RCPT TO:<a@b.test> ORCPT=utf-8;ü@b.test",
      { verb: "RCPT", to: "a@b.test", parameters: { orcpt: "utf-8;ü@b.test" } },
    ],
  ];
  for (const [line, command] of forgiven)
    test(`"${line}" is understood`, () => assert.deepEqual(read(line), command));

  test("an original recipient in UTF-8 is written so that it needs no SMTPUTF8", () => {
    const parameters = { orcpt: "utf-8;ü@b.test" };
    assert.equal(
      written({ verb: "RCPT", to: "a@b.test", parameters }),
      "RCPT TO:<a@b.test> ORCPT=utf-8;\\x{FC}@b.test\r\n",
    );
  });
});

describe("what is refused", () => {
  const refused: Readonly<Record<string, readonly string[]>> = {
    "undefined 500 5.5.2": [
      "",
      " ",
      "GET / HTTP/1.1",
      "MAIL:<a@b>",
      "XYZZY",
      "\x16\x03\x01",
      "constructor",
      "ÄHLO x",
    ],
    "MAIL 501 5.5.4": [
      "MAIL",
      "MAIL FROM",
      "MAIL FROM:a@b.test",
      "MAIL FROM:<a@b.test",
      "MAIL FROM:<postmaster>",
      "MAIL FROM:<a@b.test>SIZE=1",
      "MAIL FROM:<a@b.test> SIZE=-1",
      "MAIL FROM:<a@b.test> SIZE=1e99",
      "MAIL FROM:<a@b.test> SIZE=9007199254740993",
      "MAIL FROM:<a@b.test> SIZE",
      "MAIL FROM:<a@b.test> SIZE=1 SIZE=1",
      "MAIL FROM:<a@b.test> size=1 SIZE=2",
      "MAIL FROM:<a@b.test> BODY=FOO",
      "MAIL FROM:<a@b.test> SMTPUTF8=yes",
      "MAIL FROM:<a@b.test> RET=ALL",
      "MAIL FROM:<a@b.test> ENVID=ab+0D+0Acd",
      "MAIL FROM:<a@b.test> ENVID=",
      `MAIL FROM:<a@b.test> ENVID=${"x".repeat(101)}`,
      "MAIL FROM:<a@b.test> AUTH=+00",
      `MAIL FROM:<a@b.test> XODMRID=${SPOOL}`,
      `MAIL FROM:<a@b.test> XODMRID=${SPOOL}.${MESSAGE}.${MESSAGE}`,
    ],
    "MAIL 555 5.5.4": [
      "MAIL FROM:<a@b.test> FOO",
      "MAIL FROM:<a@b.test> __proto__=1",
      "MAIL FROM:<a@b.test> NOTIFY=NEVER",
      "MAIL FROM:<a@b.test> BODY=BINARYMIME",
    ],
    "MAIL 553 5.6.7": ["MAIL FROM:<ü@b.test>"],
    "RCPT 501 5.5.4": [
      "RCPT TO:<>",
      "RCPT FROM:<a@b.test>",
      "RCPT TO:<a@b.test> NOTIFY=NEVER,DELAY",
      "RCPT TO:<a@b.test> NOTIFY=DELAY,DELAY",
      "RCPT TO:<a@b.test> NOTIFY=",
      "RCPT TO:<a@b.test> ORCPT=a@b.test",
      "RCPT TO:<a@b.test> ORCPT=rfc822;a+0Ab",
    ],
    "RCPT 555 5.5.4": ["RCPT TO:<a@b.test> SIZE=1"],
    "EHLO 501 5.5.4": ["EHLO", "EHLO a b", "EHLO ü"],
    "DATA 501 5.5.4": ["DATA now"],
    "STARTTLS 501 5.5.4": ["STARTTLS please"],
    "VRFY 501 5.5.4": ["VRFY"],
    "BDAT 501 5.5.4": [
      "BDAT",
      "BDAT -1",
      "BDAT 18446744073709551616",
      "BDAT 5 FIRST",
      "BDAT 1e3",
      "BDAT 5LAST",
      "BDAT 0x5",
    ],
    "AUTH 501 5.5.4": ["AUTH", "AUTH PLAIN a b"],
    "AUTH 504 5.5.4": ["AUTH PLA!N", `AUTH ${"X".repeat(21)}`],
    "AUTH 501 5.5.2": ["AUTH PLAIN *", "AUTH PLAIN abc", "AUTH PLAIN ====", "AUTH PLAIN a=b="],
    "ATRN 501 5.5.4": [
      "ATRN ../../etc",
      "ATRN a.test,",
      "ATRN ,a.test",
      "ATRN a..test",
      "ATRN a.test b.test",
      "ATRN [1.2.3.4]",
      "ATRN @a.test",
      "ATRN *.test",
      "ATRN test",
      "ATRN a.test.",
      "ATRN -a.test",
    ],
    "XODMRWAIT 501 5.5.4": [
      "XODMRWAIT SIZE=-1",
      "XODMRWAIT SIZE=99999999999999999999",
      "XODMRWAIT SIZE=1 a.test",
      "XODMRWAIT a.test SIZE=",
      "XODMRWAIT a.test,SIZE=1",
    ],
    "XODMRTURN 501 5.5.4": ["XODMRTURN now"],
    "XODMRPAIR 501 5.5.4": [
      "XODMRPAIR",
      `XODMRPAIR ${"a".repeat(22)}`,
      `XODMRPAIR ${"a".repeat(21)} sha256:${"0".repeat(64)}`,
      `XODMRPAIR ${"a".repeat(129)} sha256:${"0".repeat(64)}`,
      `XODMRPAIR ${"a".repeat(22)} sha256:${"0".repeat(63)}`,
      `XODMRPAIR ${"a".repeat(22)} md5:${"0".repeat(64)}`,
      `XODMRPAIR ${"a".repeat(22)} sha256:${"0".repeat(64)} more`,
      `XODMRPAIR ${"a".repeat(21)}. sha256:${"0".repeat(64)}`,
    ],
    "ATRN 501 5.5.2": ["ATRN a.test\0b", "ATRN a.test\x1b[2J", "ATRN a.test\rQUIT"],
    "ATRN 500 5.5.2": [`ATRN ${"a.test,".repeat(86)}`],
    "NOOP 501 5.5.2": ["NOOP \x7f"],
    "ETRN 501 5.5.4": ["ETRN", "ETRN a b"],
  };
  for (const [reply, lines] of Object.entries(refused))
    for (const line of lines)
      test(`${JSON.stringify(line.slice(0, 80))} gets ${reply}`, () => assert.equal(refusal(line), reply));

  test("octets that are no UTF-8 are a fault of syntax", () => {
    assert.equal(refusal(Uint8Array.of(...bytes("NOOP "), 0xff)), "NOOP 501 5.5.2");
    assert.equal(refusal(Uint8Array.of(...bytes("RCPT TO:<"), 0xc3, ...bytes("@b.test>"))), "RCPT 501 5.5.2");
  });
});

test("each command has its own longest line, counted with its CRLF", () => {
  assert.ok("verb" in read(`NOOP ${"x".repeat(505)}`) && !("problem" in read(`NOOP ${"x".repeat(505)}`)));
  assert.equal(refusal(`NOOP ${"x".repeat(506)}`), "NOOP 500 5.5.2");
  assert.equal(refusal(`AUTH PLAIN ${"A".repeat(LINE_LIMIT - 12)}`), "AUTH 500 5.5.2");
  assert.ok(!("problem" in read(`AUTH PLAIN ${"A".repeat(LINE_LIMIT - 16)}`)));
  const full = `MAIL FROM:<${"l".repeat(64)}@${"d".repeat(63)}.test> ENVID=${"x".repeat(100)} AUTH=${"y".repeat(500)}`;
  assert.ok(!("problem" in read(full)));
});

describe("writing refuses what would be read as something else", () => {
  const bad: readonly Command[] = [
    { verb: "EHLO", name: "a\r\nQUIT" },
    { verb: "EHLO", name: "a b" },
    { verb: "EHLO", name: "" },
    { verb: "MAIL", from: "a b@c.test", parameters: {} },
    { verb: "MAIL", from: "a@c.test> SIZE=1", parameters: {} },
    { verb: "MAIL", from: "a@c.test\r\nRSET", parameters: {} },
    { verb: "MAIL", from: "a@c.test", parameters: { size: -1 } },
    { verb: "MAIL", from: "a@c.test", parameters: { envid: "a\r\nb" } },
    { verb: "MAIL", from: "a@c.test", parameters: { origin: { spool: "x y", message: MESSAGE } } },
    { verb: "RCPT", to: "", parameters: { orcpt: "rfc822" } },
    { verb: "RCPT", to: "a@c.test\0", parameters: {} },
    { verb: "RCPT", to: "a@c.test", parameters: { orcpt: "rfc822;a\nb" } },
    { verb: "NOOP", argument: "a\nQUIT" },
    { verb: "BDAT", size: -1, last: false },
    { verb: "BDAT", size: 1.5, last: false },
    { verb: "AUTH", mechanism: "PLAIN x", initial: undefined },
    { verb: "ATRN", domains: ["a.test b.test"] },
    { verb: "ATRN", domains: [""] },
    { verb: "ETRN", node: "a b" },
  ];
  for (const command of bad)
    test(JSON.stringify(command), () => assert.throws(() => formatCommand(command), RangeError));
});

test("ten kilobytes made for slow regular expressions are refused at once", { timeout: 10_000 }, () => {
  const n = 11_000;
  const hostile = [
    `MAIL FROM:<${"a".repeat(n)}@${"b".repeat(500)}>`,
    `AUTH ${" ".repeat(n)}x y`,
    `AUTH PLAIN ${"A".repeat(n)}!`,
    `NOOP${" ".repeat(n)}x`,
    `RCPT TO:<${"@a,".repeat(340)}:b@c>`,
    `RCPT TO:<${'"\\'.repeat(500)}@c>`,
    `RCPT TO:<a@${"a-".repeat(500)}>`,
    `RCPT TO:<a@${"a.".repeat(500)}>`,
    `MAIL FROM:<a@b> ${"+".repeat(1000)}`,
    `ATRN ${"a-".repeat(250)}`,
    "A".repeat(n),
  ];
  for (let round = 0; round < 200; round++)
    for (const line of hostile) assert.ok("problem" in (read(line) as Problem));
});
