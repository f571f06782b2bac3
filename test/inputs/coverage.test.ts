/** The list of bad inputs that must be survived, item by item: where each is tried, and which test holds it. */
// What is tried at doors is looked up in the rows; all else is a file below test/ and words of a test's name, as they stand there.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { entrances, isReal, type Line, type Service, services } from "./doors.ts";
import { families } from "./rows/families.ts";
import { slow } from "./rows/slow.ts";

/** Words of a test in a file. */
type Test = readonly [file: string, ...words: string[]];
/** Where a row is tried: at every real line of these doors, or at those that are named. */
interface Tried {
  readonly at: readonly Service[];
  readonly lines?: readonly Line[];
}
type Held = Tried | Test;
type Items = Readonly<Record<string, Held | readonly Held[]>>;

const everywhere: Tried = { at: services };
const relay: readonly Service[] = ["intake", "lmtp", "submission", "odmr"];
const strangers: Tried = { at: ["intake", "lmtp", "reversed"] };
const login: Tried = { at: ["submission", "odmr"] };
const underTls: Tried = { ...login, lines: ["starttls", "implicit"] };
const odmr: Tried = { at: ["odmr"] };
const house: Tried = { at: ["reversed"] };

const each = (held: Held, ...items: readonly string[]): Items =>
  Object.fromEntries(items.map((item) => [item, held]));

const patterns = [
  ...["\\n.\\n", "\\n.\\r\\n", "\\r\\n.\\n", "\\r.\\r", "\\r.\\n", "\\n.\\r", "\\r.\\r\\n", "\\r\\n.\\r"],
  ...["\\r\\n\\u0000.\\r\\n", "\\r\\n.\\u0000\\r\\n", "\\r\\n.\\r\\r\\n", "\\r\\r\\n.\\r\\r\\n"],
].map((pattern) => `"${pattern}"`);

const http = "inputs/http.test.ts";
const sent = "inputs/sent.test.ts";
const servers = "inputs/servers.test.ts";
const call = "relay/call.test.ts";
const peers = "relay/turn-peers.test.ts";

const list: Readonly<Record<string, Items>> = {
  "SMTP smuggling, receiving": each(
    everywhere,
    ...patterns.flatMap((pattern) => [`${pattern} in DATA`, `${pattern} in BDAT`]),
  ),
  "injection at the turn": {
    ...each(odmr, "220 and 250 in one segment", "a second ATRN in one segment", "one octet in one segment"),
    "250, EHLO and MAIL in one segment": [call, "EHLO and mail in the segment of the 250"],
  },
  ATRN: {
    ...each(odmr, "before AUTH", "after a failed AUTH", "inside a transaction"),
    "before TLS where required": [
      { ...odmr, lines: ["clear"] },
      ["relay/reception.test.ts", "before TLS where it is required"],
    ],
    ...each(
      odmr,
      "twice, where there is no mail",
      "../../etc",
      "example.org,",
      ",example.org",
      "example..org",
    ),
    ...each(odmr, "x".repeat(20), "example.org example.", "A.TEST is a.test", "[192.0.2.1]", "@example.org"),
    ...each(odmr, "*.test", "example.org\0b", "work.test,example.or", "example.org,work.tes"),
    "another customer's domain and nobody's are answered alike": odmr,
  },
  "the reversed session": {
    ...each(house, "RCPT for a foreign domain", "AUTH", "STARTTLS", "ATRN", "ETRN"),
    "250 then EHLO without waiting": [
      call,
      "EHLO and mail in the segment of the 250",
      "one octet behind the 250",
    ],
    "250 then close": [peers, 'by: "the end"'],
    "421 anywhere": [peers, "by a 421"],
    "a reply line of 1 MiB": [peers, "a line of 1 MiB"],
  },
  STARTTLS: {
    ...each(
      { at: relay, lines: ["starttls"] },
      ...["RSET and MAIL in one segment", "EHLO in one segment", "one octet in one segment"],
    ),
    "220 and capabilities before the handshake": [servers, "with capabilities behind 220"],
    "no STARTTLS in EHLO": [servers, "by no word of it in EHLO"],
    "454": [servers, "by 454"],
    "5xx": [servers, "by 5xx"],
    "wrong name": ["relay/call-tls.test.ts", "a wrong name is not"],
    expired: ["relay/call-tls.test.ts", "an expired one is not"],
    "self-signed": ["relay/call-tls.test.ts", "a self-signed one is not"],
    "pin mismatch": ["relay/call-tls.test.ts", "another one than the pinned is not"],
    ...each(
      { at: relay, lines: ["starttls"] },
      ...["the end within DATA", "the end within BDAT", "a reset within DATA"],
      "close_notify within BDAT, then an octet in the clear",
    ),
    "FIN within a body, at home": [
      "relay/call-tls.test.ts",
      "FIN without close_notify within DATA",
      "FIN within BDAT",
    ],
  },
  "an open relay": {
    ...each(strangers, "<v@other.test>", "<v%other.test@example.org>", "<@example.org:v@other.test>"),
    ...each(strangers, "<v@[192.0.2.1]>", "<v@example.org.>", "<postmaster>"),
    ...each(strangers, '<"v@other.test"@example.org>', "<other.test!v@example.org>"),
    ...each(login, "without AUTH", "after a failed AUTH", "after RSET", "in another's name, after AUTH"),
    "at home, in the name of nobody there": { at: ["home"] },
  },
  AUTH: {
    "1,000 guesses": ["inputs/crowd.test.ts", "a thousand guesses at one user", "wait half a minute each"],
    ...each(underTls, "an unknown user", "a wrong password and an unknown user are answered alike"),
    ...each(underTls, "=", "empty", "NULs", "authzid of somebody else"),
    ...each(login, "*", "20 kB", "20 kB in answer to a challenge", "not base64", "AUTH twice"),
    "an unknown user, without TLS": { ...login, lines: ["clear"] },
    "PLAIN without TLS": { ...login, lines: ["clear"] },
    "SCRAM with a wrong nonce": login,
    "SCRAM with i=1": [call, "that wants one iteration"],
    "SCRAM with i=2^31": ["smtp/sasl.test.ts", "2147483648"],
    "SCRAM with a downgraded binding": [
      "smtp/sasl.test.ts",
      "a binding that somebody talked down is refused",
    ],
    ...each(underTls, "EXTERNAL with another customer's certificate", "EXTERNAL with an expired certificate"),
    ...each(underTls, "EXTERNAL with the CA's own certificate"),
    "the same time for unknown users": [
      "relay/credentials.test.ts",
      "cost one derivation the first time, whoever it is",
    ],
  },
  "syntax and size": {
    ...each(
      everywhere,
      "513-octet command",
      "512-octet command",
      "MAIL over its limit",
      "RCPT over its limit",
    ),
    "AUTH over its limit": login,
    ...each(everywhere, "1 MB line without LF", "64 KiB header line", "100,000 header lines", "1e6 RCPT"),
    ...each(everywhere, "101 Received", "NUL in a command", "8-bit in a command", "ESC in a command"),
    ...each(everywhere, "SIZE=-1", "SIZE=1e99", "BODY=FOO", "SIZE=1 SIZE=1", "ENVID=ab+0D+0Acd"),
    ...each(everywhere, "quotes within quotes", "a hundred dots", "brackets within brackets"),
    "slow regular expressions": [
      "fuzz/fuzz.test.ts",
      "breaks nothing, whatever it makes of the golden talks",
    ],
  },
  BDAT: each(
    everywhere,
    ...["-1", "0 × 1e6", "18446744073709551616", "10 announced and 5 sent", "before RCPT", "DATA after BDAT"],
    ...["LAST twice", "RSET between", "more than the limit"],
  ),
  "other protocols and early talk": {
    "bytes before 220": [
      { at: services, lines: ["clear", "unix", "implicit"] },
      { at: ["reversed"] },
      ["relay/reception.test.ts", "before the greeting"],
    ],
    ...each(everywhere, "HTTP GET", "HTTP POST with mail in it", "a TLS ClientHello", "a PROXY header"),
    "100,000 pipelined NOOP": everywhere,
    "SMTP where TLS is due": { ...login, lines: ["implicit"] },
  },
  "slow and many": {
    ...each(everywhere, "one byte a minute before EHLO", "one byte a minute within a command"),
    ...each(everywhere, "one byte a minute within MAIL", "one byte a minute within DATA"),
    ...each(everywhere, "one byte a minute within BDAT", "one byte a minute within a refused BDAT"),
    "silence where TLS is due": { at: relay, lines: ["starttls"] },
    "less than the minimum rate within a message": { at: services, lines: ["octets"] },
    "no less than the minimum rate": { at: services, lines: ["clear"] },
    "a peer that never reads our replies": everywhere,
    "a peer that never reads our mail": [peers, "by a customer that reads no more"],
    "a customer that fills the disk": { at: relay },
    "caps over all and at one door": [
      "inputs/crowd.test.ts",
      "counts them over all its doors",
      "leaves the other ones their room",
    ],
    "a cap for each address": ["inputs/crowd.test.ts", "from one address, lets others in"],
    "a cap for each customer": ["inputs/crowd.test.ts", "are so many at once, over all doors"],
    "10,000 idle connections": ["inputs/process.test.ts", "holds 10,000 silent sessions and bounded memory"],
    "idle connections under TLS": ["net/listen.test.ts", "idle connections are opened and closed"],
    "the accept queue": ["inputs/process.test.ts", "all of them wait in the queue of the system"],
    "bounded memory": ["inputs/process.test.ts", "await Promise.all([", "flood(port"],
    "no descriptor left": ["fault/room.test.ts", "for more connections goes on"],
  },
  "SMTP smuggling, sending": {
    ...each([sent, ...["by BDAT", "by LMTP", "by import"].map((way) => `"${way}": `)], ...patterns),
    "the turn": [
      [sent, '"in a stream, as between our two ends"', '"in chunks"', '"line by line"'],
      [peers, "come to our own house octet for octet"],
    ],
    outgoing: [sent, '"in groups"', '"to an SMTP host of another make"'],
    LMTP: [sent, '"by LMTP": { lists'],
  },
  "a hostile server": {
    ...each([servers, '"a reply line of 1 MiB"', '"a reply line without an end"'], "a reply line of 1 MiB"),
    ...each([servers, '"a reply of 100,000 lines"'], "lines without end"),
    ...each([servers, '"a code that changes"', "garbage: ", "HTTP: "], "what is no reply"),
    ...each(
      [servers, '"421": ', '"half a line"', '"the end"', '"a reset"'],
      "421, the end and a reset anywhere",
    ),
    "silence anywhere": [servers, "that says nothing, wherever that is, is left in minutes"],
    "one byte a minute": [servers, "is given up after five minutes, not after days"],
  },
  bounces: {
    "null sender": ["spool/notices.test.ts", "is not where NOTIFY says so, nor to the null sender"],
    "a bounce of a bounce": ["relay/outgoing.test.ts", "and a bounce of it does not"],
    "hostile reply text that ends up in a DSN": [servers, "comes to the sender as text"],
    "hostile text in a notice": [
      "mail/bounce.test.ts",
      "lets no stranger's text end a line or begin a field",
    ],
    "written once": ["fault/notice.test.ts", "is written once by who comes after one that was killed"],
  },
  "delivery at home": {
    ...each(
      ["delivery/maildir.test.ts", "an address that would be another place is refused"],
      ...["../x", "a/b", ".", "NUL", "300 characters", "leading -"],
    ),
    "symlinked new/": [
      "delivery/maildir.test.ts",
      "that leads out of the base is refused",
      '"example.org/bob/new"',
    ],
    ...each(
      ["delivery/command.test.ts", "what is a shell's language stays one argument"],
      ...[";sh", "$(id)", "() { :;};"],
    ),
    "fewer replies than recipients": [servers, "fewer: nobody is delivered whose reply did not come"],
    "more replies than recipients": [servers, "more: each has its own, and the line is not used again"],
    newline: [
      "delivery/command.test.ts",
      "an address with controls, or one that looks like an option, is refused",
    ],
  },
  "the admin interface": {
    ...each([http, '"no token": '], "no token"),
    ...each([http, '"wrong token": ', "a guesser is slowed down, and its neighbour is not"], "wrong token"),
    "cross-site POST": [
      [http, '"cross-site POST": '],
      ["admin/gate.test.ts", "a page of another site changes nothing"],
    ],
    "foreign Host": [
      [http, '"foreign Host": '],
      ["admin/gate.test.ts", "a foreign Host is refused"],
    ],
    "HTML and ANSI escapes in Subject": [
      [http, "HTML and ANSI escapes in Subject come as the text that they are"],
      ["admin/pages.test.ts", "shows what strangers wrote as text"],
    ],
    "%2e%2e": [
      [http, '"%2e%2e": '],
      ["admin/gate.test.ts", "dots and escapes in paths lead nowhere"],
    ],
    "JSON bombs": [
      [http, '"JSON bombs": '],
      ["admin/gate.test.ts", "bodies that are no JSON, too deep"],
    ],
    "other protocols": [http, "SMTP: ", '"a TLS ClientHello": '],
    "more than can be kept": [
      http,
      '"a path of 1 MB": ',
      '"100,000 fields": ',
      '"a body without end in chunks": ',
    ],
    "a second request behind the first": [http, '"a length and chunks: a second request behind": '],
    "slow and many": [http, "has 256 connections at most", "stops within its fields"],
  },
  faults: {
    "SIGKILL at any moment": [
      ["fault/kill.test.ts", "when serve is killed again and again", "when pull is killed again and again"],
      ["fault/lossy.test.ts", "wherever the power is cut"],
    ],
    "disk full": ["fault/room.test.ts", "says 452 and loses nothing"],
    "disk full within a body": ["fault/disk.test.ts", "at the relay: ", "in the house: "],
    "fsync error": ["spool/faults.test.ts", "a body file that cannot be synced is not stored"],
    "250 after the sync": ["fault/synced.test.ts", "says 250 after the sync"],
    "read-only file system": ["fault/room.test.ts", "a relay whose disk is read-only"],
    "SQLite busy": ["spool/faults.test.ts", '["io", "corrupt", "busy"]'],
    "SQLite corrupt": ["spool/salvage.test.ts", "a database of which a page was overwritten"],
    "clock + 1 day": ["fault/away.test.ts", "for 29 days has all of its mail"],
    "clock - 1 day": ["spool/uuid.test.ts", "when the clock goes back"],
    "local target down": ["relay/home.test.ts", "a target that is down for 29 days loses nothing"],
    "local target slow": ["delivery/command.test.ts", "a program that takes too long is ended"],
    "mixed per recipient": [
      ["delivery/line-refused.test.ts", "whose recipients were all refused leaves the next one alone"],
      [peers, "for one recipient does not concern the other"],
    ],
    "two turns at once": [peers, "a second turn gets what the first has not leased"],
    "a message deleted during its turn": [
      "spool/contract.ts",
      "what was removed while it was delivered stays removed",
    ],
    "certificate replaced during a session": [
      "net/listen.test.ts",
      "a new certificate is shown to new peers, and old sessions go on",
    ],
    "upgrade with a full spool": ["spool/schema.test.ts", "climbs to a newer version with what is in it"],
    "all of them together": ["sim/sim.test.ts", "lose nothing and double nothing"],
  },
};

/** Every entrance at which an item of a family is tried. */
const tried = new Map<string, Set<string>>();
for (const { name, rows } of [...families, { name: "slow and many", rows: slow }])
  for (const row of rows)
    for (const item of [row.name, ...(row.items ?? [])]) {
      const key = `${name}: ${item}`;
      const where = tried.get(key) ?? new Set();
      tried.set(key, where);
      for (const entrance of entrances)
        if (row.at?.(entrance) ?? true) where.add(`${entrance.service} ${entrance.line}`);
    }

const isTried = (held: Held): held is Tried => "at" in held && !Array.isArray(held);

function missing(family: string, item: string, held: Held): readonly string[] {
  if (isTried(held)) {
    const { at, lines } = held;
    const where = tried.get(`${family}: ${item}`) ?? new Set();
    return entrances
      .filter((entrance) => at.includes(entrance.service))
      .filter((entrance) => lines?.includes(entrance.line) ?? isReal(entrance))
      .map(({ service, line }) => `${service} ${line}`)
      .filter((entrance) => !where.has(entrance));
  }
  const [file, ...words] = held;
  const text = readFileSync(new URL(`../${file}`, import.meta.url), "utf8");
  return words.filter((word) => !text.includes(word)).map((word) => `${file}: ${word}`);
}

const isOne = (held: Held | readonly Held[]): held is Held =>
  !Array.isArray(held) || typeof held[0] === "string";

for (const [family, items] of Object.entries(list))
  describe(`of the bad inputs that must be survived, ${family}:`, () => {
    for (const [item, held] of Object.entries(items))
      it(`${JSON.stringify(item)} is held at each of its doors`, () => {
        const all = isOne(held) ? [held] : held;
        assert.deepEqual(
          all.flatMap((one) => missing(family, item, one)),
          [],
        );
      });
  });
