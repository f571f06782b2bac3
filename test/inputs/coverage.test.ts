/** The list of bad inputs that must be survived, row by row, and which tests hold each: a test that is gone is missed here. */
// A row names a file below test/ and words of a test's name (or of the table that makes its names), as they stand there.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

type Held = readonly (readonly [file: string, ...words: string[]])[];

const rows: Readonly<Record<string, Held>> = {
  "smuggling by line ends and dots, received": [
    [
      "inputs/smuggling.test.ts",
      "is refused once, and the line ends",
      "by NULs about the dot is one message",
    ],
    [
      "relay/reception.test.ts",
      "in DATA is refused once",
      "in BDAT is refused once",
      "makes them line ends, and it is one message",
    ],
    ["relay/house.test.ts", "in DATA: one refusal and the end", "in BDAT: one refusal and the end"],
  ],
  "smuggling, sent: what is held goes out dot-stuffed, octet for octet": [
    ["delivery/line-plain.test.ts", "gets every line in a write of its own"],
    ["fuzz/fuzz.test.ts", "breaks nothing, whatever it makes of the golden talks"],
  ],
  "octets on the wrong side of the turn": [
    ["relay/reception.test.ts", "behind it in one segment ends the connection, and no mail moves"],
    ["relay/call.test.ts", "end the call, and nothing is taken"],
  ],
  "ATRN: at the wrong time, for what is no domain, for another's": [
    [
      "relay/reception.test.ts",
      "nothing moves, and the session goes on",
      "does not tell another customer's domain from nobody's",
    ],
    [
      "relay/atrn.test.ts",
      "is 450 for whatever is not the customer's",
      "never hands one customer's mail to another",
    ],
  ],
  "the reversed session: foreign recipients, commands, ends and endless replies": [
    [
      "relay/house.test.ts",
      "takes the recipients that are its own out of a mixed list",
      "and the next turn works",
    ],
    ["relay/turn-peers.test.ts", "a turn that goes wrong", "by silence", "by octets behind ATRN"],
    ["relay/cut.test.ts", "of what the house says", "of what the relay says"],
  ],
  "STARTTLS: octets behind it, stripped, torn, and certificates that do not fit": [
    ["inputs/rude.test.ts", "STARTTLS with octets behind it in one segment"],
    ["relay/call-tls.test.ts", "ends the call, and no secret was sent", "the half message is not taken"],
    [
      "relay/call.test.ts",
      "the call fails closed, and no secret was sent",
      "what was listed before TLS does not count after it",
    ],
    [
      "net/tls.test.ts",
      "octets before the handshake are an injection",
      "an expired certificate is refused",
      "a self-signed certificate is refused",
      "a certificate for another name is refused",
      "a good certificate that is not the pinned one is refused",
      "a line that is cut within a TLS record ends",
    ],
  ],
  "open relay": [["relay/reception.test.ts", "finds for", "also after a failed one and after RSET"]],
  "AUTH: guesses, malformed responses, SCRAM that was tampered with": [
    [
      "relay/guesses.test.ts",
      "is sent away after five wrong passwords",
      "waits ever longer",
      "does not slow the owner",
      "from one /64 is one guesser",
    ],
    [
      "relay/reception.test.ts",
      "is refused, and the right one is welcome",
      "a response of 20 kB ends the session",
      "without TLS is never by PLAIN or LOGIN",
      "says the same to an unknown user",
    ],
    [
      "smtp/sasl.test.ts",
      "takes the user for himself and for nobody else",
      "the client leaves a server that is not to be trusted",
      "2147483648",
      "a binding that somebody talked down is refused",
      "refuses what is no UTF-8",
    ],
    ["relay/call.test.ts", "that wants one iteration"],
    ["relay/external.test.ts", "that was revoked hears nothing more"],
  ],
  "syntax and size": [
    [
      "relay/reception.test.ts",
      "SIZE=1 SIZE=1",
      "ENVID=ab+0D+0Acd",
      "BODY=FOO",
      "a reply never carries what could move a cursor",
      "a million RCPT are not listened to",
      "101 Received fields are a circle",
      "a header line of 64 KiB is kept as it is",
      "NUL and 8-bit octets in a body come through",
    ],
    ["inputs/rude.test.ts", "a line of 1 MB without an end", "100,000 header lines are mail like any other"],
    ["inputs/size.test.ts", "is no size"],
  ],
  "BDAT: sizes that are none, out of order, cut short": [
    [
      "relay/reception.test.ts",
      "-1 ends the session",
      "2^64 ends the session",
      "10 announced and 5 sent is no message",
      "before RCPT, the octets are dropped",
      "DATA behind BDAT is out of order",
      "a second LAST is out of order",
      "RSET between chunks forgets them",
      "2,000 chunks of nothing",
    ],
    ["smtp/server.test.ts", "does not take a body whose announced octets never came"],
  ],
  "other protocols and early talk": [
    ["inputs/rude.test.ts", "an HTTP GET", "a TLS ClientHello", "a PROXY header"],
    ["relay/reception.test.ts", "before the greeting", "100,000 pipelined NOOPs"],
  ],
  "slow and many": [
    ["inputs/slow.test.ts", "minutes, and nothing is stored", "is given up after five minutes"],
    ["net/socket.test.ts", "a peer that never reads makes the write time out"],
    ["net/listen.test.ts", "idle connections are opened and closed"],
    ["relay/reception.test.ts", "is not what a full customer is"],
  ],
  bounces: [
    ["mail/bounce.test.ts", "lets no stranger's text end a line or begin a field"],
    ["fault/notice.test.ts", "is written once by who comes after one that was killed"],
    [
      "relay/reception.test.ts",
      "mail with the null sender is held like any other, and expires without a word",
    ],
  ],
  "delivery at home": [
    [
      "delivery/maildir.test.ts",
      "an address that would be another place is refused",
      "that leads out of the base is refused",
    ],
    [
      "delivery/command.test.ts",
      "what is a shell's language stays one argument",
      "one that looks like an option",
    ],
    ["delivery/line-refused.test.ts", "whose recipients were all refused leaves the next one alone"],
  ],
  "the admin interface": [
    [
      "admin/gate.test.ts",
      "no token, a wrong one",
      "a foreign Host is refused",
      "a page of another site changes nothing",
      "dots and escapes in paths lead nowhere",
      "bodies that are no JSON, too deep",
      "what a hostile sender wrote",
    ],
    ["admin/pages.test.ts", "shows what strangers wrote as text"],
  ],
  "a hostile provider": [
    ["relay/call.test.ts", "and the next turn works", "does not get ATRN"],
    ["inputs/slow.test.ts", "a server that answers an octet a minute"],
  ],
  faults: [
    ["fault/kill.test.ts", "when serve is killed again and again", "when pull is killed again and again"],
    ["fault/lossy.test.ts", "wherever the power is cut"],
    ["fault/synced.test.ts", "says 250 after the sync"],
    ["fault/room.test.ts", "says 452 and loses nothing", "a relay whose disk is read-only"],
    ["fault/disk.test.ts", "at the relay: ", "in the house: "],
    ["delivery/named.test.ts", "named for good"],
    ["spool/salvage.test.ts", "a database of which a page was overwritten"],
    ["net/listen.test.ts", "a new certificate is shown to new peers, and old sessions go on"],
    ["sim/sim.test.ts", "lose nothing and double nothing"],
  ],
};

describe("of the bad inputs that must be survived", () => {
  for (const [row, held] of Object.entries(rows))
    it(`"${row}" is held by tests that are there`, () => {
      const missing = held.flatMap(([file, ...words]) => {
        const text = readFileSync(new URL(`../${file}`, import.meta.url), "utf8");
        return words.filter((each) => !text.includes(each)).map((each) => `${file}: ${each}`);
      });
      assert.deepEqual(missing, []);
    });
});
