import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { receive } from "../../src/relay/reception.ts";
import type { DoorSettings, Relay } from "../../src/relay/relay.ts";
import { manualClock } from "../support/clock.ts";
import { type PipeOptions, pipe } from "../support/pipe.ts";
import { contentOf, entries, HOME, openPost, type Post } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";

const WORK = {
  ...HOME,
  name: "work",
  domains: ["work.test"],
  recipients: ["ann@work.test", "sales-*@work.test"],
  quota: 600,
};
const secure = { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" };
const hello: Talk = ["P: 220 relay.test *", "C: EHLO world.test", "list"];
const from: Talk = ["C: MAIL FROM:<a@world.test>", "P: 250 *"];
const to = (...addresses: readonly string[]): Talk =>
  addresses.flatMap((address) => [`C: RCPT TO:<${address}>`, "P: 250 *"]);
const data = (...lines: readonly string[]): Talk => [
  "C: DATA",
  "P: 354 *",
  ...lines.map((line) => `C: ${line}`),
  "C: .",
];
const stored = "P: 250 2.0.0 *";
const message: Talk = [...from, ...to("bob@example.org"), ...data("Subject: hello", "", "text"), stored];
const reset: Talk = ["C: RSET", "P: 250 *"];
const quit: Talk = ["C: QUIT", "P: 221 *", "end"];
const login = (user: string, password = `${user} secret`): Talk => [
  `C: AUTH PLAIN ${btoa(`\0${user}\0${password}`)}`,
];
const known: Talk = [...hello, ...login("home"), "P: 235 2.7.0 *"];
const splits = ["whole", "octets"] as const;

let post: Post;
beforeEach(async () => {
  post = await openPost({ customers: [HOME, WORK], messageSize: 100_000 });
});
afterEach(() => post.close());

interface Visit extends Partial<DoorSettings> {
  readonly line?: PipeOptions;
  /** Octets that are there before the relay says a word. */
  readonly early?: string;
  readonly relay?: Relay;
}

/** Comes in at a door (intake, if none is named) and follows the talk. @returns all that the relay said */
async function visit(
  talk: Talk,
  { line, early = "", relay = post.relay, ...settings }: Visit = {},
): Promise<string> {
  const [here, there] = pipe({ clock: relay.clock, ...line });
  await here.write(new TextEncoder().encode(early), 1_000);
  const over = receive(
    relay,
    { service: "intake", startTls: false, requireTls: false, bareLineEnds: "refuse", ...settings },
    there,
  );
  const heard = await play(here, "C", talk, { clock: relay.clock });
  await over;
  return heard;
}

const odmr = { service: "odmr", line: { tls: secure } } as const;
const subjects = async () => (await entries(post.relay.spool)).map(({ subject }) => subject);

/** After it, the next peer is served as ever. */
async function nextIsServed(): Promise<void> {
  const before = (await subjects()).length;
  await visit([...hello, ...message, ...quit]);
  assert.equal((await subjects()).length, before + 1);
}

/** Plays a table's rows with the line whole and cut at every octet. */
function each(
  rows: readonly { readonly name: string; readonly talk: Talk; readonly stays?: readonly string[] }[],
  settings: Visit = {},
): void {
  for (const { name, talk, stays = [] } of rows)
    for (const split of splits)
      it(`${name}, ${split}`, async () => {
        await visit(talk, { ...settings, line: { ...settings.line, split } });
        assert.deepEqual(await subjects(), stays);
        await nextIsServed();
      });
}

describe("who speaks another language is let go:", () => {
  each([
    { name: "GET", talk: ["P: 220 *", "C: GET / HTTP/1.1", "P: 421 4.7.0 *", "end"] },
    {
      name: "POST with mail in it",
      talk: [
        "P: 220 *",
        "C: POST / HTTP/1.1",
        "C: ",
        "C: EHLO x",
        "C: MAIL FROM:<a@b.test>",
        "P: 421 4.7.0 *",
        "end",
      ],
    },
    { name: "a TLS ClientHello", talk: ["P: 220 *", "C: \x16\x03\x01\x02\n\\", "P: 421 4.7.0 *", "end"] },
    {
      name: "a PROXY header",
      talk: ["P: 220 *", "C: PROXY TCP4 192.0.2.1 192.0.2.2 1 2", "P: 421 4.7.0 *", "end"],
    },
    { name: "SSH", talk: ["P: 220 *", "C: SSH-2.0-OpenSSH_9.9", "P: 421 4.7.0 *", "end"] },
    {
      name: "20,000 octets without a line end",
      talk: ["P: 220 *", `C: ${"x".repeat(20_000)}\\`, "P: 500 5.5.2 *", "end"],
    },
    { name: "2,000 NOOPs", talk: [...hello, `C: ${"NOOP\r\n".repeat(2_000)}\\`, "rest"] },
    { name: "2,000 unknown words", talk: [...hello, `C: ${"WHAT\r\n".repeat(2_000)}\\`, "rest"] },
    {
      name: "2,000 chunks of nothing",
      talk: [...hello, ...from, ...to("bob@example.org"), `C: ${"BDAT 0\r\n".repeat(2_000)}\\`, "rest"],
    },
  ]);

  for (const early of ["EHLO world.test\r\n", "\r\n", "\0", "\x16\x03\x01"])
    it(`who sends ${JSON.stringify(early)} before the greeting`, async () => {
      assert.match(await visit(["rest"], { early }), /^554 5\.5\.1 [^\r]*\r\n$/);
      await nextIsServed();
    });

  it("100,000 pipelined NOOPs get 1,000 answers at most", async () => {
    const heard = await visit([...hello, `C: ${"NOOP\r\n".repeat(100_000)}\\`, "rest"]);
    assert.match(heard, /421 4\.7\.0 [^\r]*\r\n$/);
    assert.ok(heard.split("\r\n").length < 1_020);
  });
});

describe("who is silent", () => {
  const places: readonly { at: string; talk: Talk }[] = [
    { at: "before EHLO", talk: ["P: 220 *"] },
    { at: "after EHLO", talk: hello },
    { at: "within a transaction", talk: [...hello, ...from, ...to("bob@example.org")] },
    {
      at: "within DATA",
      talk: [...hello, ...from, ...to("bob@example.org"), "C: DATA", "P: 354 *", "C: Subject: half"],
    },
    {
      at: "within BDAT",
      talk: [...hello, ...from, ...to("bob@example.org"), "C: BDAT 100 LAST", "C: Subject: half"],
    },
  ];
  for (const { at, talk } of places)
    it(`${at} is told 421 4.4.2 after five minutes, and nothing is stored`, async () => {
      const clock = manualClock();
      const visited = visit([...talk, "P: 421 4.4.2 *", "end"], { relay: { ...post.relay, clock } });
      await clock.advance(300_000);
      await visited;
      assert.deepEqual(await subjects(), []);
      await nextIsServed();
    });
});

describe("ATRN", () => {
  const held = async () => {
    await visit([...hello, ...message, ...quit]);
  };
  const refused: readonly [argument: string, code: string][] = [
    ["../../etc", "501 5.5.4"],
    ["example.org,", "501 5.5.4"],
    [",example.org", "501 5.5.4"],
    ["example..org", "501 5.5.4"],
    ["example.org example.com", "501 5.5.4"],
    ["[192.0.2.1]", "501 5.5.4"],
    ["@example.org", "501 5.5.4"],
    ["*.org", "501 5.5.4"],
    ["*", "501 5.5.4"],
    ["localhost", "501 5.5.4"],
    ["example.org.", "501 5.5.4"],
    ["-a.test", "501 5.5.4"],
    ["example.org\0b", "501 5.5.2"],
    ["exämple.org", "501 5.5.4"],
    ["example.org;work.test", "501 5.5.4"],
    [`${"a".repeat(600)}.test`, "500 5.5.2"],
    ["work.test", "450 4.7.1"],
    ["nobody.test", "450 4.7.1"],
    ["work.test,example.org", "450 4.7.1"],
    ["example.org,work.test", "450 4.7.1"],
    ["example.org,example.com,nobody.test", "450 4.7.1"],
    ["sub.example.org", "450 4.7.1"],
    ["example.com", "453 4.0.0"],
  ];
  for (const [argument, code] of refused)
    it(`${JSON.stringify(argument.slice(0, 40))} is answered ${code}, nothing moves, and the session goes on`, async () => {
      await held();
      await visit([...known, `C: ATRN ${argument}`, `P: ${code} *`, "C: NOOP", "P: 250 *", ...quit], odmr);
      assert.deepEqual(await subjects(), ["hello"]);
    });

  for (const argument of [
    "",
    " example.org",
    " EXAMPLE.ORG",
    " example.org,example.com",
    " example.org, example.com",
    " Example.com,example.org,example.org",
  ])
    it(`"ATRN${argument}" turns the line`, async () => {
      await held();
      await visit(
        [...known, `C: ATRN${argument}`, "P: 250 2.0.0 *", "C: 220 home.test", "P: EHLO relay.test", "close"],
        odmr,
      );
    });

  it("does not tell another customer's domain from nobody's", async () => {
    const heard = await visit(
      [...known, "C: ATRN work.test", "P: 450 *", "C: ATRN nobody.test", "P: 450 *", ...quit],
      odmr,
    );
    const [first, second] = heard.match(/^450 .*$/gm) ?? [];
    assert.equal(first, second);
  });

  const untimely: readonly { name: string; talk: Talk; settings?: Visit }[] = [
    { name: "before EHLO", talk: ["P: 220 *", "C: ATRN", "P: 503 5.5.1 *"] },
    { name: "before AUTH", talk: [...hello, "C: ATRN example.org", "P: 530 5.7.0 *"] },
    {
      name: "after a failed AUTH",
      talk: [...hello, ...login("home", "wrong"), "P: 535 *", "C: ATRN", "P: 530 5.7.0 *"],
    },
    { name: "after HELO only", talk: ["P: 220 *", "C: HELO world.test", "P: 250 *", "C: ATRN", "P: 5?? *"] },
    {
      name: "before TLS where it is required",
      talk: [...hello, "C: ATRN", "P: 530 5.7.0 *"],
      settings: { line: {}, requireTls: true },
    },
    {
      name: "within a transaction",
      talk: [
        ...known,
        "C: MAIL FROM:<bob@example.org>",
        "P: 250 *",
        ...to("ann@work.test"),
        "C: ATRN",
        "P: 503 5.5.1 *",
      ],
    },
  ];
  for (const { name, talk, settings } of untimely)
    it(`${name} moves nothing`, async () => {
      await held();
      await visit([...talk, ...quit], { ...odmr, ...settings });
      assert.deepEqual(await subjects(), ["hello"]);
    });

  const injected: readonly { name: string; talk: Talk }[] = [
    { name: "a greeting and answers", talk: ["C: ATRN example.org", "C: 220 x", "C: 250 x"] },
    { name: "a second ATRN", talk: ["C: ATRN", "C: ATRN"] },
    { name: "one octet", talk: ["C: ATRN", "C: 2\\"] },
    { name: "QUIT", talk: ["C: ATRN", "C: QUIT"] },
  ];
  for (const { name, talk } of injected)
    it(`with ${name} behind it in one segment ends the connection, and no mail moves`, async () => {
      await held();
      await visit([...known, ...talk, "P: 421 4.7.0 *", "end"], odmr);
      assert.deepEqual(await subjects(), ["hello"]);
      assert.ok(post.logged.some(({ event }) => event === "session failed"));
      assert.equal((await post.call()).messages, 1);
    });

  it("is known at the ODMR door alone", async () => {
    await visit([
      ...hello,
      "C: ATRN example.org",
      "P: 502 5.5.1 *",
      "C: AUTH PLAIN AGEAYg==",
      "P: 502 5.5.1 *",
      ...quit,
    ]);
  });
});

describe("STARTTLS", () => {
  const relay = () => ({ ...post.relay, book: { ...post.relay.book, tls: { certificate: "", key: "" } } });
  const door = { service: "odmr", startTls: true, requireTls: true } as const;
  const client = { as: "client", tls: { servername: "relay.test" } } as const;

  for (const behind of ["RSET\r\nMAIL FROM:<evil@x.test>", "E", "EHLO evil.test"])
    it(`with ${JSON.stringify(behind)} behind it in one segment ends the connection`, async () => {
      await visit([...hello, "C: STARTTLS", `C: ${behind}`, "P: 421 4.7.0 *", "end"], {
        ...door,
        relay: relay(),
      });
      await nextIsServed();
    });

  it("makes everything forgotten", async () => {
    const [here, there] = pipe();
    const over = receive(relay(), { ...door, requireTls: false, bareLineEnds: "refuse" }, there);
    const talk = [
      ...hello,
      "C: STARTTLS",
      "P: 220 *",
      "starttls",
      "C: MAIL FROM:<a@b.test>",
      "P: 503 5.5.1 *",
      "C: EHLO home.test",
      "list",
      "C: STARTTLS",
      "P: 503 5.5.1 *",
      ...login("home"),
      "P: 235 *",
      ...quit,
    ];
    const heard = await play(here, "C", talk, { tls: client });
    await over;
    assert.match(heard, /250-STARTTLS\r\n/);
    assert.doesNotMatch(heard.slice(heard.indexOf("503")), /STARTTLS\r\n/);
    assert.doesNotMatch(heard.slice(0, heard.indexOf("503")), /PLAIN/);
  });

  it("is wanted before AUTH and MAIL where the operator says so", async () => {
    await visit(
      [
        ...hello,
        ...login("home"),
        "P: 530 5.7.0 *",
        ...["C: MAIL FROM:<a@b.test>", "P: 530 5.7.0 *"],
        ...quit,
      ],
      { ...door, relay: relay() },
    );
  });

  it("is not known without a certificate, nor within a transaction", async () => {
    await visit([...hello, "C: STARTTLS", "P: 502 5.5.1 *", ...quit], door);
    await visit([...hello, ...from, "C: STARTTLS", "P: 503 5.5.1 *", ...quit], {
      service: "intake",
      startTls: true,
      relay: relay(),
    });
  });
});

describe("an open relay", () => {
  const refused: readonly [path: string, code: string][] = [
    ["<v@other.test>", "550 5.7.1"],
    ["<v%other.test@example.org>", "550 5.7.1"],
    ["<@example.org:v@other.test>", "550 5.7.1"],
    ["<@example.org,@example.com:v@other.test>", "550 5.7.1"],
    ['<"v%other.test"@example.org>', "550 5.7.1"],
    ["<v@[192.0.2.1]>", "550 5.7.1"],
    ["<v@example.org.>", "501 5.5.4"],
    ["<v@example.org@other.test>", "501 5.5.4"],
    ["<postmaster>", "550 5.7.1"],
    ["<v>", "501 5.5.4"],
    ["<>", "501 5.5.4"],
    ["<v@example.org\0other.test>", "501 5.5.2"],
    ["<v@xexample.org>", "550 5.7.1"],
    ["<v@sub.example.org>", "550 5.7.1"],
    ["<bob@work.test>", "550 5.1.1"],
    ["<sales@work.test>", "550 5.1.1"],
  ];
  for (const sender of ["", "postmaster@example.org", "a@other.test"])
    for (const [path, code] of refused)
      it(`is not what <${sender}> finds for ${JSON.stringify(path)}: ${code}`, async () => {
        await visit([
          ...hello,
          `C: MAIL FROM:<${sender}>`,
          "P: 250 *",
          `C: RCPT TO:${path}`,
          `P: ${code} *`,
          "C: DATA",
          "P: 503 5.5.1 *",
          ...reset,
          ...quit,
        ]);
        assert.deepEqual(await subjects(), []);
      });

  it("is not made by odd local parts: they go to the customer whose domain it is", async () => {
    for (const path of [
      '"v@other.test"@example.org',
      "other!v@example.org",
      "@other.test:bob@EXAMPLE.ORG",
      '"a b"@example.org',
    ])
      await visit([...hello, ...from, ...to(path), ...data("Subject: odd", "", "text"), stored, ...quit]);
    const all = await entries(post.relay.spool);
    assert.equal(all.length, 4);
    for (const { direction, customer } of all) assert.deepEqual([direction, customer], ["turn", "home"]);
  });

  it("is not at the ODMR door: MAIL wants AUTH, also after a failed one and after RSET", async () => {
    const talk = [
      ...hello,
      "C: MAIL FROM:<a@b.test>",
      "P: 530 5.7.0 *",
      ...login("home", "no"),
      "P: 535 *",
      "C: MAIL FROM:<a@b.test>",
      "P: 530 *",
      ...reset,
      "C: MAIL FROM:<a@b.test>",
      "P: 530 *",
      ...quit,
    ];
    await visit(talk, odmr);
  });

  const withPostmaster = (postmaster: string) => ({
    ...post.relay,
    book: { ...post.relay.book, postmaster },
  });

  for (const path of ["<postmaster>", "<Postmaster>", "<POSTMASTER@relay.test>", '<"postmaster"@Relay.TEST>'])
    it(`is not what ${path} makes: it is the postmaster that the book names (RFC 5321 §4.5.1)`, async () => {
      await visit(
        [...hello, ...from, `C: RCPT TO:${path}`, "P: 250 *", ...data("Subject: help"), stored, ...quit],
        { relay: withPostmaster("postmaster@example.org") },
      );
      const [entry] = await entries(post.relay.spool);
      assert.deepEqual(
        [entry?.customer, entry?.recipients.map(({ address }) => address)],
        ["home", ["postmaster@example.org"]],
      );
      assert.equal((await post.call(["example.org"])).messages, 1);
    });

  it("is not what another host's postmaster makes", async () => {
    await visit([...hello, ...from, "C: RCPT TO:<postmaster@other.test>", "P: 550 5.7.1 *", ...quit], {
      relay: withPostmaster("postmaster@example.org"),
    });
  });

  it("each domain has its postmaster, though a customer's list does not say so", async () => {
    await visit([...hello, ...from, ...to("PostMaster@work.test"), ...quit]);
  });

  it("takes names that fit a customer's list, and mail for two customers as two entries", async () => {
    await visit([
      ...hello,
      ...from,
      ...to("ANN@work.test", "sales-eu@work.test", "bob@example.org"),
      ...data("Subject: both", "", "text"),
      stored,
      ...quit,
    ]);
    const all = (await entries(post.relay.spool)).map(({ customer, recipients }) => [
      customer,
      recipients.length,
    ]);
    assert.deepEqual(all.sort(), [
      ["home", 1],
      ["work", 2],
    ]);
  });

  it("is not what a full customer is: 452 until there is room", async () => {
    await visit([
      ...hello,
      ...from,
      ...to("ann@work.test"),
      ...data("Subject: big", "", "x".repeat(600)),
      stored,
      ...quit,
    ]);
    await visit([
      ...hello,
      ...from,
      "C: RCPT TO:<ann@work.test>",
      "P: 452 4.2.2 *",
      ...to("bob@example.org"),
      ...data("Subject: other", "", "text"),
      stored,
      ...quit,
    ]);
    assert.deepEqual((await subjects()).sort(), ["big", "other"]);
  });
});

describe("AUTH", () => {
  const rows: readonly { name: string; talk: Talk }[] = [
    { name: "a wrong password", talk: [...login("home", "wrong"), "P: 535 5.7.8 *"] },
    { name: "an unknown user", talk: [...login("nobody"), "P: 535 5.7.8 *"] },
    {
      name: "another customer's name to act under",
      talk: [`C: AUTH PLAIN ${btoa("work\0home\0home secret")}`, "P: 535 5.7.8 *"],
    },
    { name: "an empty response", talk: ["C: AUTH PLAIN =", "P: 535 5.7.8 *"] },
    { name: "an empty line", talk: ["C: AUTH PLAIN", "P: 334 *", "C: ", "P: 535 5.7.8 *"] },
    { name: "a star", talk: ["C: AUTH PLAIN", "P: 334 *", "C: *", "P: 501 5.7.0 *"] },
    { name: "no base64", talk: ["C: AUTH PLAIN §§", "P: 501 5.5.2 *"] },
    { name: "no base64 in a response", talk: ["C: AUTH CRAM-MD5", "P: 334 *", "C: !!!", "P: 501 5.5.2 *"] },
    { name: "NULs alone", talk: [`C: AUTH PLAIN ${btoa("\0\0")}`, "P: 535 5.7.8 *"] },
    { name: "too many NULs", talk: [`C: AUTH PLAIN ${btoa("\0home\0home secret\0")}`, "P: 535 5.7.8 *"] },
    { name: "nothing to choose by", talk: ["C: AUTH", "P: 50? *"] },
    { name: "an unknown mechanism", talk: ["C: AUTH X-NEW", "P: 504 5.5.4 *"] },
    { name: "EXTERNAL without a certificate", talk: ["C: AUTH EXTERNAL =", "P: 504 5.5.4 *"] },
    {
      name: "SCRAM with one iteration's worth of nonsense",
      talk: [
        `C: AUTH SCRAM-SHA-256 ${btoa("n,,n=home,r=abc")}`,
        "P: 334 *",
        `C: ${btoa("c=biws,r=abc,p=AAAA")}`,
        "P: 535 5.7.8 *",
      ],
    },
    {
      name: "SCRAM that claims a binding",
      talk: [`C: AUTH SCRAM-SHA-256 ${btoa("p=tls-exporter,,n=home,r=abc")}`, "P: 535 5.7.8 *"],
    },
  ];
  for (const { name, talk } of rows)
    for (const split of splits)
      it(`${name} is refused, and the right one is welcome, ${split}`, async () => {
        await visit(
          [
            ...hello,
            ...talk,
            "C: ATRN",
            "P: 530 *",
            ...login("home"),
            "P: 235 *",
            ...login("home"),
            "P: 503 5.5.1 *",
            ...quit,
          ],
          { ...odmr, line: { ...odmr.line, split } },
        );
      });

  it("a response of 20 kB ends the session", async () => {
    await visit([...hello, `C: AUTH PLAIN ${"A".repeat(20_000)}`, "P: 500 5.5.2 *", "end"], odmr);
    await visit(
      [...hello, "C: AUTH PLAIN", "P: 334 *", `C: ${"A".repeat(20_000)}`, "P: 500 5.5.2 *", "end"],
      odmr,
    );
  });

  it("without TLS is never by PLAIN or LOGIN", async () => {
    const heard = await visit(
      [...hello, ...login("home"), "P: 504 5.5.4 *", "C: AUTH LOGIN", "P: 504 5.5.4 *", ...quit],
      { service: "odmr" },
    );
    assert.match(heard, /250-AUTH SCRAM-SHA-256 CRAM-MD5\r\n/);
  });

  it("says the same to an unknown user as to a wrong password", async () => {
    const heard = await visit(
      [...hello, ...login("nobody"), "P: 535 *", ...login("home", "x"), "P: 535 *", ...quit],
      odmr,
    );
    const [unknown, wrong] = heard.match(/^535 .*$/gm) ?? [];
    assert.equal(unknown, wrong);
  });

  it("no secret and no response is in the log", async () => {
    await visit([...known, ...quit], odmr);
    await visit([...hello, ...login("home", "nearly right"), "P: 535 *", ...quit], odmr);
    assert.doesNotMatch(JSON.stringify(post.logged), /secret|nearly|AGhvbWU/);
  });
});

describe("syntax and size:", () => {
  const refused: readonly [command: string, reply: string][] = [
    [`NOOP ${"x".repeat(506)}`, "500 5.5.2 *"],
    [`EHLO ${"x".repeat(506)}`, "500 5.5.2 *"],
    ["NOOP \x1b[2J", "5?? *"],
    ["MAIL FROM:<a\0b@c.test>", "501 5.5.2 *"],
    ["MAIL FROM:<ä@c.test>", "553 5.6.7 *"],
    ["MAIL FROM:<a@b.test> SIZE=-1", "501 5.5.4 *"],
    ["MAIL FROM:<a@b.test> SIZE=1e99", "501 5.5.4 *"],
    ["MAIL FROM:<a@b.test> SIZE=99999999999999999999", "501 5.5.4 *"],
    ["MAIL FROM:<a@b.test> SIZE=100001", "552 5.3.4 *"],
    ["MAIL FROM:<a@b.test> BODY=FOO", "501 5.5.4 *"],
    ["MAIL FROM:<a@b.test> BODY=BINARYMIME", "555 5.5.4 *"],
    ["MAIL FROM:<a@b.test> SIZE=1 SIZE=1", "501 5.5.4 *"],
    ["MAIL FROM:<a@b.test> ENVID=ab+0D+0Acd", "501 5.5.4 *"],
    ["MAIL FROM:<a@b.test> X=Y", "555 5.5.4 *"],
    [
      "MAIL FROM:<a@b.test> XODMRID=11111111-1111-7111-8111-111111111111.22222222-2222-7222-8222-222222222222",
      "555 5.5.4 *",
    ],
    ["MAIL FROM:a@b.test", "501 5.5.4 *"],
    ["MAIL FROM:<a@b.test", "501 5.5.4 *"],
    ["MAIL TO:<a@b.test>", "501 5.5.4 *"],
    [`MAIL FROM:<${"a".repeat(65)}@b.test>`, "501 5.5.4 *"],
    [`MAIL FROM:<${'"\\'.repeat(200)}@b.test>`, "501 5.5.4 *"],
    [`MAIL FROM:<${"a.".repeat(200)}@b.test>`, "501 5.5.4 *"],
    ["RCPT TO:<bob@example.org>", "503 5.5.1 *"],
    ["DATA", "503 5.5.1 *"],
    ["DATA now", "501 5.5.4 *"],
    ["", "500 5.5.2 *"],
    ["\x1b[A\x1b[B", "500 5.5.2 *"],
  ];
  each(
    refused.map(([command, answer]) => ({
      name: `${JSON.stringify(command.slice(0, 50))} is answered ${answer.slice(0, -2)}`,
      talk: [...hello, `C: ${command}`, `P: ${answer}`, ...message, ...quit],
      stays: ["hello"],
    })),
  );

  it("a reply never carries what could move a cursor", async () => {
    const heard = await visit([
      ...hello,
      "C: MAIL FROM:<a@b.test> \x1b[2J=1",
      "P: 5?? *",
      "C: MAIL FROM:<a@b.test> ÜÜ=1",
      "P: 5?? *",
      ...quit,
    ]);
    assert.doesNotMatch(heard, /[^\r\n\x20-\x7e]/);
  });

  it("the 101st recipient is told 452, and the message goes to the hundred", async () => {
    const many = Array.from({ length: 100 }, (_, i) => `bob${i}@example.org`);
    await visit([
      ...hello,
      ...from,
      ...to(...many),
      "C: RCPT TO:<ann@example.org>",
      "P: 452 4.5.3 *",
      ...data("Subject: many", "", "text"),
      stored,
      ...quit,
    ]);
    assert.equal((await entries(post.relay.spool))[0]?.recipients.length, 100);
  });

  it("a million RCPT are not listened to", async () => {
    await visit([...hello, ...from, `C: ${"RCPT TO:<bob@example.org>\r\n".repeat(20_000)}\\`, "rest"]);
    assert.deepEqual(await subjects(), []);
    await nextIsServed();
  });

  each([
    {
      name: "101 Received fields are a circle",
      talk: [
        ...hello,
        ...from,
        ...to("bob@example.org"),
        ...data(...Array<string>(101).fill("Received: by x")),
        "P: 554 5.4.6 *",
        ...message,
        ...quit,
      ],
      stays: ["hello"],
    },
    {
      name: "a message over the size is read and refused",
      talk: [
        ...hello,
        ...from,
        ...to("bob@example.org"),
        ...data(...Array<string>(110).fill("x".repeat(998))),
        "P: 552 5.3.4 *",
        ...message,
        ...quit,
      ],
      stays: ["hello"],
    },
    {
      name: "a header line of 64 KiB is kept as it is",
      talk: [
        ...hello,
        ...from,
        ...to("bob@example.org"),
        ...data("Subject: long", `X: ${"y".repeat(65_536)}`, "", "text"),
        stored,
        ...quit,
      ],
      stays: ["long"],
    },
    {
      name: "10,000 header lines are kept",
      talk: [
        ...hello,
        ...from,
        ...to("bob@example.org"),
        ...data("Subject: wide", ...Array<string>(10_000).fill("X: y"), "", "text"),
        stored,
        ...quit,
      ],
      stays: ["wide"],
    },
  ]);

  it("NUL and 8-bit octets in a body come through", async () => {
    await visit([
      ...hello,
      ...from,
      ...to("bob@example.org"),
      ...data("Subject: odd", "", "\0ä\x7f\x1b"),
      stored,
      ...quit,
    ]);
    const [entry] = await entries(post.relay.spool);
    assert.match(await contentOf(post.relay.spool, entry!.id), /\r\n\r\n\0ä\x7f\x1b\r\n$/);
  });
});

describe("BDAT:", () => {
  const ready: Talk = [...hello, ...from, ...to("bob@example.org")];
  each([
    { name: "-1 ends the session", talk: [...ready, "C: BDAT -1", "P: 501 5.5.4 *", "end"] },
    { name: "2^64 ends the session", talk: [...ready, "C: BDAT 18446744073709551616 LAST", "P: 5*", "end"] },
    {
      name: "more than the limit ends the session",
      talk: [...ready, "C: BDAT 100001 LAST", "P: 552 5.3.4 *", "end"],
    },
    { name: "no size ends the session", talk: [...ready, "C: BDAT LAST", "P: 501 5.5.4 *", "end"] },
    {
      name: "10 announced and 5 sent is no message",
      talk: [...ready, "C: BDAT 10 LAST", "C: 12345\\", "close"],
    },
    {
      name: "before RCPT, the octets are dropped",
      talk: [...hello, ...from, "C: BDAT 6", "C: RSET", "P: 503 5.5.1 *", ...reset, ...message, ...quit],
      stays: ["hello"],
    },
    {
      name: "before MAIL, the octets are dropped",
      talk: [...hello, "C: BDAT 6 LAST", "C: QUIT", "P: 503 5.5.1 *", ...message, ...quit],
      stays: ["hello"],
    },
    {
      name: "DATA behind BDAT is out of order",
      talk: [
        ...ready,
        "C: BDAT 3",
        "C: x",
        "P: 250 *",
        "C: DATA",
        "P: 503 5.5.1 *",
        ...reset,
        ...message,
        ...quit,
      ],
      stays: ["hello"],
    },
    {
      name: "a second LAST is out of order",
      talk: [
        ...ready,
        "C: BDAT 13 LAST",
        "C: Subject: once\\",
        "P: 250 2.0.0 *",
        "C: BDAT 3 LAST",
        "C: x",
        "P: 503 5.5.1 *",
        ...quit,
      ],
      stays: ["once"],
    },
    {
      name: "RSET between chunks forgets them",
      talk: [...ready, "C: BDAT 3", "C: x", "P: 250 *", ...reset, ...message, ...quit],
      stays: ["hello"],
    },
    {
      name: "EHLO between chunks forgets them",
      talk: [...ready, "C: BDAT 3", "C: x", "P: 250 *", "C: EHLO again.test", "list", ...message, ...quit],
      stays: ["hello"],
    },
    {
      name: "chunks that come to too much are refused",
      talk: [
        ...ready,
        "C: BDAT 60000",
        `C: ${"x".repeat(59_998)}`,
        "P: 250 *",
        "C: BDAT 60000 LAST",
        `C: ${"x".repeat(59_998)}`,
        "P: 552 5.3.4 *",
        ...reset,
        ...message,
        ...quit,
      ],
      stays: ["hello"],
    },
    {
      name: "1,500 chunks are one message",
      talk: [
        ...ready,
        `C: BDAT 15\r\nSubject: many\r\n${"BDAT 50\r\n".concat("x".repeat(48), "\r\n").repeat(1_500)}BDAT 0 LAST`,
        ...Array<string>(1_502).fill("P: 250 2.0.0 *"),
        ...quit,
      ],
      stays: ["many"],
    },
    {
      name: "an empty message is one",
      talk: [...ready, "C: BDAT 0 LAST", "P: 250 2.0.0 *", ...quit],
      stays: [""],
    },
  ]);
});

describe("smuggling at intake:", () => {
  const evil = "MAIL FROM:<evil@x.test>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: evil\r\n\r\n.\r\n";
  const ready: Talk = [...hello, ...from, ...to("bob@example.org")];
  for (const pattern of [
    "\n.\n",
    "\n.\r\n",
    "\r\n.\n",
    "\r.\r",
    "\r.\n",
    "\n.\r",
    "\r.\r\n",
    "\r\n.\r",
    "\r\n.\r\r\n",
    "\r\r\n.\r\r\n",
  ]) {
    const body = `Subject: hello${pattern}${evil}`;
    each([
      {
        name: `${JSON.stringify(pattern)} in DATA is refused once, and the line ends`,
        talk: [...ready, "C: DATA", "P: 354 *", `C: ${body}\\`, "P: 554 5.5.2 *", "end"],
      },
      {
        name: `${JSON.stringify(pattern)} in BDAT is refused once, and the line ends`,
        talk: [...ready, `C: BDAT ${body.length} LAST`, `C: ${body}\\`, "P: 554 5.5.2 *", "end"],
      },
    ]);
  }
  for (const pattern of ["\r\n\0.\r\n", "\r\n.\0\r\n"])
    each([
      {
        name: `${JSON.stringify(pattern)} ends nothing`,
        talk: [...ready, "C: DATA", "P: 354 *", `C: Subject: hello${pattern}${evil}\\`, stored, ...quit],
        stays: ["hello"],
      },
    ]);

  it("an LMTP door for a trusted server makes them line ends, and it is one message", async () => {
    const talk = [
      "P: 220 *",
      "C: LHLO mx.test",
      "list",
      ...ready.slice(3),
      "C: DATA",
      "P: 354 *",
      "C: Subject: one\n.\nMAIL FROM:<evil@x.test>\r.\rx",
      "C: .",
      "P: 250 *",
      ...quit,
    ];
    await visit(talk, { service: "lmtp", bareLineEnds: "normalise" });
    const [entry, ...others] = await entries(post.relay.spool);
    assert.equal(others.length, 0);
    assert.match(
      await contentOf(post.relay.spool, entry!.id),
      /Subject: one\r\n\.\r\nMAIL FROM:<evil@x\.test>\r\n\.\r\nx\r\n$/,
    );
  });
});

describe("bounces:", () => {
  it("mail with the null sender is held like any other, and expires without a word", async () => {
    const clock = manualClock();
    const relay = { ...post.relay, clock };
    await visit(
      [
        ...hello,
        "C: MAIL FROM:<>",
        "P: 250 *",
        ...to("bob@example.org"),
        ...data("Subject: failed", "", "text"),
        stored,
        ...quit,
      ],
      { relay },
    );
    assert.equal((await entries(post.relay.spool))[0]?.sender, "");
    assert.deepEqual(await post.relay.spool.expire(clock.now() + HOME.hold - 1), []);
    assert.equal((await post.relay.spool.expire(clock.now() + HOME.hold + 1)).length, 1);
    assert.deepEqual(await entries(post.relay.spool), []);
    const all = await entries(post.relay.spool, true);
    assert.deepEqual(
      all.map(({ state }) => state),
      ["expired"],
    );
  });
});
