/** Syntax and size: lines that are too long, numbers that are none, parameters twice, addresses made to keep a parser busy. */
import assert from "node:assert/strict";
import type { Talk } from "../../support/provider.ts";
import { type Entrance, hasLogin, isReal, MESSAGE_SIZE } from "../doors.ts";
import {
  endless,
  envelopeAt,
  type Family,
  isKept,
  quit,
  type Row,
  senderAt,
  talkRow,
  talksRow,
  tried,
} from "../rows.ts";

type Said = readonly [item: string, talk: Talk | ((entrance: Entrance) => Talk)];

const command = (name: string, said: (sender: string) => string, answer: string): Said => [
  name,
  (entrance) => [`C: ${said(senderAt(entrance))}`, `P: ${answer} *`],
];

const mail = (parameter: string, answer: string): Said =>
  command(parameter.slice(0, 30), (sender) => `MAIL FROM:<${sender}> ${parameter}`, answer);

/** In a recipient, with a sender before it. */
const rcpt = (name: string, path: string): Said => [
  name,
  (entrance) => [
    ...envelopeAt(entrance).slice(0, 2),
    ...[`C: RCPT TO:${path}`, "P: 501 5.5.4 *", "C: RSET", "P: 250 *"],
  ],
];

const body = (name: string, text: string, answer: string): Row => ({
  name,
  // By single octets it is a matter of seconds.
  at: (entrance) => text.length < 10_000 || isReal(entrance),
  async holds(doors, entrance) {
    const talk = ["C: DATA", "P: 354 *", `C: ${text}\\`, "C: .", `P: ${answer} *`, ...quit];
    await tried(doors, entrance, "addressed", talk);
    await isKept(doors, entrance, ...(answer.startsWith("250") ? [text] : []));
  },
});

const MILLION = 1_000_000;
/** Recipients at most where there are most, and as many commands for no mail. */
const HEARD = 2_100;

const long = (count: number): string => "x".repeat(count);

const commands: readonly Said[] = [
  command("513-octet command", () => `NOOP ${long(506)}`, "500 5.5.2"),
  command("512-octet command", () => `NOOP ${long(505)}`, "250 2.0.0"),
  command("MAIL over its limit", (from) => `MAIL FROM:<${from}> ENVID=${long(1_300)}`, "500 5.5.2"),
  command("RCPT over its limit", () => `RCPT TO:<bob@example.org> ORCPT=rfc822;${long(1_100)}`, "500 5.5.2"),
  command("NUL in a command", (from) => `MAIL FROM:<${from}\0>`, "501 5.5.2"),
  command("8-bit in a command", () => "MAIL FROM:<ä@c.test>", "553 5.6.7"),
  command("ESC in a command", () => "NOOP \x1b[2J", "5??"),
  mail("SIZE=-1", "501 5.5.4"),
  mail("SIZE=1e99", "501 5.5.4"),
  mail(`SIZE=${"9".repeat(30)}`, "501 5.5.4"),
  mail("SIZE=0x10", "501 5.5.4"),
  mail("SIZE=", "501 5.5.4"),
  mail("SIZE=1.5", "501 5.5.4"),
  mail("SIZE=+1", "501 5.5.4"),
  mail("SIZE=1,000", "501 5.5.4"),
  mail(`SIZE=${MESSAGE_SIZE + 1}`, "552 5.3.4"),
  mail("BODY=FOO", "501 5.5.4"),
  mail("BODY=BINARYMIME", "555 5.5.4"),
  mail("BODY=8BITMIME BODY=8BITMIME", "501 5.5.4"),
  mail("SIZE=1 SIZE=1", "501 5.5.4"),
  mail("ENVID=ab+0D+0Acd", "501 5.5.4"),
  rcpt("quotes within quotes", `<${'"\\'.repeat(200)}@b.test>`),
  rcpt("a hundred dots", `<${"a.".repeat(200)}@b.test>`),
  rcpt("brackets within brackets", `<${"<".repeat(200)}a@b.test${">".repeat(200)}>`),
  rcpt("a domain of hyphens", `<a@${"-".repeat(300)}>`),
  rcpt("a route without an end", `<${"@a.test,".repeat(60)}>`),
];

export const syntax: Family = {
  name: "syntax and size",
  rows: [
    talksRow("commands that are none, or too long", "known", commands),
    talkRow("AUTH over its limit", "open", [`C: AUTH PLAIN ${long(12_288)}`, "P: 500 5.5.2 *", "end"], {
      at: hasLogin,
    }),
    {
      name: "1 MB line without LF",
      async holds(doors, entrance) {
        await tried(doors, entrance, "known", [`C: ${long(1_000_000)}\\`, "P: 500 5.5.2 *", "end"]);
        await isKept(doors, entrance);
      },
    },
    body("64 KiB header line", `Subject: long\r\nX: ${long(65_536)}\r\n\r\ntext\r\n`, "250 2.0.0"),
    body("100,000 header lines", `Subject: wide\r\n${"X: y\r\n".repeat(100_000)}\r\ntext\r\n`, "250 2.0.0"),
    body("101 Received", `${"Received: by x\r\n".repeat(101)}\r\ntext\r\n`, "554 5.4.6"),
    body(
      "more than the announced SIZE",
      `${`${long(998)}\r\n`.repeat(MESSAGE_SIZE / 1_000 + 1)}`,
      "552 5.3.4",
    ),
    {
      name: "1e6 RCPT",
      at: isReal,
      async holds(doors, entrance) {
        const answers = await endless(doors, entrance, "RCPT TO:<bob@example.org>\r\n", MILLION);
        assert.ok(answers < HEARD, `${answers} were answered`);
        await isKept(doors, entrance);
      },
    },
    {
      name: "no answer moves a cursor",
      async holds(doors, entrance) {
        const talk = [
          "MAIL FROM:<a@b.test> \x1b[2J=1",
          "MAIL FROM:<a@b.test> ÜÜ=1",
          "\x1b[A",
          "RCPT TO:<\x1b[A>",
        ];
        const said = talk.flatMap((line) => [`C: ${line}`, "P: 5?? *"]);
        const heard = await tried(doors, entrance, "known", [...said, ...quit]);
        assert.doesNotMatch(heard, /[^\r\n\x20-\x7e]/);
      },
    },
  ],
};
