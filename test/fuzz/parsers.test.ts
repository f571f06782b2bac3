import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseEndpoint, parsePlace } from "../../src/config/endpoint.ts";
import { formatTarget, parseTarget, TargetError } from "../../src/config/target.ts";
import { formatDuration, parseDuration, parseSize } from "../../src/config/units.ts";
import { parseAccountUri, UriError } from "../../src/config/uri.ts";
import { fieldText } from "../../src/mail/encodedword.ts";
import { HeaderGlance } from "../../src/mail/glance.ts";
import { NoMbox, parts } from "../../src/mail/mbox.ts";
import { readContents } from "../../src/mail/reading.ts";
import { clientAuth, SaslError } from "../../src/smtp/sasl/client.ts";
import { serverAuth } from "../../src/smtp/sasl/server.ts";
import { makeVerifier, parseVerifier, portablePbkdf2 } from "../../src/smtp/sasl/verifier.ts";
import { matchesGlob, parseAddress, parsePath } from "../../src/wire/address.ts";
import { decodeBase64, encodeBase64 } from "../../src/wire/base64.ts";
import { formatCommand, parseCommand } from "../../src/wire/command.ts";
import { isDomain, parseDomainList } from "../../src/wire/domain.ts";
import { DotReader, DotWriter, PlainReader } from "../../src/wire/dots.ts";
import { Inbox } from "../../src/wire/inbox.ts";
import { formatReply, ReplyReader, ReplySyntaxError } from "../../src/wire/reply.ts";
import { decodeXtext, encodeXtext } from "../../src/wire/xtext.ts";

/** The same runs each time: what a run of the day finds is for the fuzzer, with its seed. */
fc.configureGlobal({ seed: 20_260_101, numRuns: 300, endOnFailure: true });

const holds = <T>(arbitrary: fc.Arbitrary<T>, fits: (value: T) => void): void =>
  fc.assert(fc.property(arbitrary, (value) => fits(value)));

/** Text of what parsers trip over. */
const nasty = fc.string({
  unit: fc.oneof(
    fc.constantFrom(..."\r\n\0\t \"\\<>@:;,.=+-[](){}'%!/#*?0129azAZ\u00e4\u3002\u200b\ufeff\ud83d\ude00"),
    fc.constantFrom("MAIL FROM:", "250", "LAST", "rfc822;", "\r\n.\r\n", "=3D", "=?utf-8?q?", "?=", "1e99"),
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
  ),
  maxLength: 60,
});
const octets = fc.oneof(
  fc.uint8Array({ maxLength: 80 }),
  nasty.map((text) => new TextEncoder().encode(text)),
);
const tricky = fc.array(fc.constantFrom(..."\r\n.ax\0"), { maxLength: 40 }).map((all) => all.join(""));
const encode = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));
const gather = (pieces: readonly Uint8Array[]): string => Buffer.concat(pieces).toString("latin1");

/** Octets, and where they are cut. */
const cutUp = (text: fc.Arbitrary<string>) =>
  fc.tuple(text, fc.array(fc.nat(), { maxLength: 6 })).map(([whole, places]) => {
    const at = [...new Set(places.map((place) => place % (whole.length + 1)))].sort((a, b) => a - b);
    return { whole, pieces: [0, ...at].map((from, i) => encode(whole.slice(from, at[i] ?? whole.length))) };
  });

describe("whatever comes,", () => {
  it("a command that is read is written and read back as the same one, or not written at all", () =>
    holds(
      fc.oneof(
        octets,
        fc
          .tuple(
            fc.constantFrom("MAIL FROM:<", "RCPT TO:<", "BDAT ", "ATRN ", "AUTH ", "EHLO ", "XODMRWAIT "),
            nasty,
            nasty,
          )
          .map(([verb, a, b]) =>
            new TextEncoder().encode(`${verb}${a}${verb.includes("<") ? ">" : ""} ${b}`),
          ),
      ),
      (line) => {
        const command = parseCommand(line);
        if ("problem" in command) {
          assert.match(formatReply(command.problem), /^5\d\d [\x20-\x7e]*\r\n$/);
          return;
        }
        let written: Uint8Array;
        try {
          written = formatCommand(command);
        } catch (fault) {
          assert.ok(fault instanceof RangeError);
          return;
        }
        assert.deepEqual(parseCommand(written.subarray(0, -2)), command);
      },
    ));

  it("an address that is read is its own one spelling, without controls", () =>
    holds(nasty, (text) => {
      const address = parseAddress(text);
      if (address === undefined) return;
      assert.equal(parseAddress(address), address);
      assert.doesNotMatch(address, /[\x00-\x1f\x7f]/);
      assert.deepEqual(parsePath(`<${address}>`), { address, rest: "" });
    }));

  it("a glob fits or does not, and * fits all", () =>
    holds(fc.tuple(nasty, nasty), ([pattern, address]) => {
      matchesGlob(pattern, address);
      assert.equal(matchesGlob("*", address), true);
    }));

  it("a list of domains is domains, each once, in lower case", () =>
    holds(nasty, (text) => {
      const list = parseDomainList(text);
      for (const domain of list ?? []) assert.ok(isDomain(domain) && domain === domain.toLowerCase());
      assert.equal(new Set(list).size, list?.length ?? 0);
    }));

  it("xtext comes back, and decodes to no control", () => {
    holds(fc.string({ unit: "grapheme" }), (text) => {
      const decoded = decodeXtext(encodeXtext(text));
      if (!/[\x00-\x1f\x7f]/.test(text)) assert.equal(decoded, text);
    });
    holds(nasty, (text) => assert.doesNotMatch(decodeXtext(text) ?? "", /[\x00-\x1f\x7f]/));
  });

  it("base64 comes back, and there is one spelling", () => {
    holds(octets, (bytes) => assert.deepEqual(decodeBase64(encodeBase64(bytes)), new Uint8Array(bytes)));
    holds(nasty, (text) => void decodeBase64(text));
  });

  it("a reply is read, or refused with its own error; what is written is printable and is read back", () => {
    holds(fc.array(nasty, { maxLength: 4 }), (lines) => {
      const reader = new ReplyReader();
      for (const line of lines)
        try {
          reader.line(line);
        } catch (fault) {
          assert.ok(fault instanceof ReplySyntaxError);
          return;
        }
    });
    holds(
      fc.tuple(fc.integer({ min: 200, max: 599 }), fc.array(nasty, { minLength: 1, maxLength: 3 })),
      ([code, text]) => {
        const written = formatReply({ code, text });
        assert.match(written, /^(?:\d{3}-[\x20-\x7e]*\r\n)*\d{3} [\x20-\x7e]*\r\n$/);
        const reader = new ReplyReader();
        const read = written
          .split("\r\n")
          .slice(0, -1)
          .map((line) => reader.line(line))
          .at(-1);
        assert.equal(read?.code, code);
      },
    );
  });
});

describe("wherever a stream is cut,", () => {
  it("its lines are the same", () =>
    holds(cutUp(tricky), ({ whole, pieces }) => {
      const inbox = new Inbox();
      const lines: string[] = [];
      for (const piece of pieces) {
        inbox.push(piece);
        for (let line = inbox.line(1_000); line instanceof Uint8Array; line = inbox.line(1_000))
          lines.push(gather([line]));
      }
      assert.deepEqual(
        lines,
        whole
          .split("\n")
          .slice(0, -1)
          .map((line) => line.replace(/\r$/, "")),
      );
    }));

  it("a body after DATA ends at the first CRLF.CRLF and nowhere else", () =>
    holds(cutUp(tricky.map((text) => `${text}\r\n.\r\nQUIT\r\n`)), ({ whole, pieces }) => {
      const reader = new DotReader("normalise");
      const body: Uint8Array[] = [];
      const rest: Uint8Array[] = [];
      for (const piece of pieces) rest.push(piece.subarray(reader.read(piece, (out) => body.push(out))));
      const end = `\r\n${whole}`.indexOf("\r\n.\r\n");
      assert.equal(gather(rest), whole.slice(end + 3));
      const lines = whole
        .slice(0, end)
        .split("\r\n")
        .map((line) => line.replace(/^\./, ""));
      assert.equal(gather(body), lines.join("\r\n").replace(/\r\n|\r|\n/g, "\r\n"));
    }));

  it("a canonical body is written and read back", () =>
    holds(cutUp(tricky), ({ pieces }) => {
      const canonical: Uint8Array[] = [];
      const plain = new PlainReader("normalise");
      for (const piece of pieces) plain.read(piece, (out) => canonical.push(out));
      plain.finish((out) => canonical.push(out));
      const wire: Uint8Array[] = [];
      const writer = new DotWriter();
      for (const piece of canonical) writer.write(piece, (out) => wire.push(out));
      if (canonical.length === 0) return;
      writer.end((out) => wire.push(out));
      const reader = new DotReader("refuse");
      const back: Uint8Array[] = [];
      const text = encode(gather(wire));
      assert.equal(
        reader.read(text, (out) => back.push(out)),
        text.length,
      );
      assert.deepEqual([reader.done, reader.bare, gather(back)], [true, false, gather(canonical)]);
    }));
});

describe("SASL:", () => {
  const secret = { known: true, password: "secret", pbkdf2: portablePbkdf2 };
  const scram = makeVerifier("secret", new Uint8Array(16), 4_096, portablePbkdf2);
  const context = {
    secretOf: () => ({ ...secret, scram }),
    ...{ nonce: new Uint8Array(18), hostname: "relay.test", now: 0 },
  };
  const messages = fc.array(
    fc.oneof(octets, fc.constantFrom("n,,n=home,r=abc", "c=biws,r=abc,p=AA==", "\0home\0secret").map(encode)),
    {
      maxLength: 3,
    },
  );

  for (const mechanism of ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "EXTERNAL"])
    it(`a client may say anything to ${mechanism}: it is challenged, refused, or let in with the right password alone`, () =>
      holds(messages, (said) => {
        const auth = serverAuth(mechanism, context);
        if (auth === undefined) return;
        for (const response of [undefined, ...said]) {
          const step = auth.step(response);
          if (step.type === "accepted") assert.ok(said.some((each) => gather([each]).includes("secret")));
          if (step.type !== "challenge") return;
        }
      }));

  for (const mechanism of ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
    it(`a server may say anything to ${mechanism}: it is answered, or left with a SaslError`, () =>
      holds(messages, (said) => {
        const have = { user: "home", password: "secret", secure: true, nonce: new Uint8Array(18) };
        const auth = clientAuth([mechanism], have)!;
        try {
          for (const challenge of said) auth.step(challenge);
        } catch (fault) {
          assert.ok(fault instanceof SaslError);
        }
      }));

  it("a verifier is read or not", () => holds(nasty, (text) => void parseVerifier(text)));
});

describe("configuration:", () => {
  it("durations, sizes and endpoints are read or not; what is formatted is read back", () => {
    holds(nasty, (text) => {
      for (const read of [parseDuration, parseSize, parseEndpoint]) read(text);
      parsePlace(text, 25);
    });
    holds(fc.nat(), (ms) => assert.equal(parseDuration(formatDuration(ms)), ms));
  });

  it("a target that is read is its own one spelling; another is refused with what to write", () =>
    holds(
      fc.tuple(
        fc.constantFrom("", "smtp:", "lmtp:", "lmtp://", "maildir:/", "mbox:/", "command:", "discard:"),
        nasty,
      ),
      ([scheme, text]) => {
        try {
          const target = parseTarget(scheme + text);
          assert.deepEqual(parseTarget(formatTarget(target)), target);
        } catch (fault) {
          assert.ok(fault instanceof TargetError, String(fault));
        }
      },
    ));

  it("an account on one line is read, or refused with its own error", () =>
    holds(
      fc.tuple(fc.constantFrom("", "odmr://", "odmrs://", "odmr://home@relay.test/"), nasty),
      ([start, text]) => {
        try {
          parseAccountUri(start + text);
        } catch (fault) {
          assert.ok(fault instanceof UriError, String(fault));
        }
      },
    ));
});

describe("mail:", () => {
  const mails = fc
    .tuple(fc.array(nasty, { maxLength: 6 }), octets)
    .map(([lines, end]) => Buffer.concat([Buffer.from(lines.join("\r\n")), end]));

  it("headers, parts and encoded words of anything are read", () =>
    holds(mails, (mail) => {
      new HeaderGlance().write(mail);
      readContents(mail);
      assert.doesNotMatch(fieldText(mail), /[\r\n\0]/);
    }));

  it("an mbox is read, or is none", async () => {
    await fc.assert(
      fc.asyncProperty(mails, async (mail) => {
        try {
          for await (const _ of parts([mail]));
        } catch (fault) {
          assert.ok(fault instanceof NoMbox);
        }
      }),
    );
  });
});
