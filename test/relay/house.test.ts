import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { CallError } from "../../src/relay/callerror.ts";
import { takeIn } from "../../src/relay/house.ts";
import { pipe, type Split } from "../support/pipe.ts";
import { contentOf, entries, openPost, type Post } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";

const hello: Talk = ["C: 220 house.test *", "P: EHLO relay.test", "list"];
const quit: Talk = ["P: QUIT", "C: 221 *", "end"];
const from: Talk = ["P: MAIL FROM:<a@world.test>", "C: 250 *"];
const to = (...addresses: readonly string[]): Talk =>
  addresses.flatMap((address) => [`P: RCPT TO:<${address}>`, "C: 250 *"]);
const data = (...lines: readonly string[]): Talk => [
  "P: DATA",
  "C: 354 *",
  ...lines.map((line) => `P: ${line}`),
  "P: .",
];
const text = data("Subject: hello", "", "text");
const stored = "C: 250 2.0.0 Stored*";
const SPOOL = "11111111-1111-7111-8111-111111111111";
const MESSAGE = "22222222-2222-7222-8222-222222222222";

let post: Post;
beforeEach(async () => {
  post = await openPost();
});
afterEach(() => post.close());

/** One turn of the house. @returns messages taken, or the fault */
async function turn(talk: Talk, split: Split = "whole", messageSize = 1_000): Promise<string> {
  const [here, there] = pipe({ split });
  const house = {
    spool: post.house,
    clock: post.clock,
    log: post.log,
    hostname: "house.test",
    account: "vps",
    domains: ["example.org"],
    messageSize,
  };
  const taking = takeIn(house, here).then(
    ({ messages }) => `taken ${messages}`,
    (fault: unknown) => {
      if (!(fault instanceof CallError)) throw fault;
      return `${fault.fault} ${fault.taken?.messages}`;
    },
  );
  const ended = taking.finally(() => here.close());
  await play(there, "P", talk);
  return ended;
}

/** Recipients in the house, each with its message's subject. */
async function housed(): Promise<readonly string[]> {
  const all = (await entries(post.house)).flatMap(({ recipients, subject }) =>
    recipients.map(({ address }) => `${address} ${subject}`),
  );
  return all.sort();
}

describe("after the turn the house", () => {
  const refusals: readonly { name: string; talk: Talk }[] = [
    {
      name: "takes no recipient of a foreign domain",
      talk: [...from, "P: RCPT TO:<v@other.test>", "C: 550 5.7.1 *"],
    },
    {
      name: "nor one by a source route",
      talk: [...from, "P: RCPT TO:<@example.org:v@other.test>", "C: 550 5.7.1 *"],
    },
    {
      name: "nor one of a domain below",
      talk: [...from, "P: RCPT TO:<v@sub.example.org>", "C: 550 5.7.1 *"],
    },
    {
      name: "nor one of a domain that ends like it",
      talk: [...from, "P: RCPT TO:<v@evilexample.org>", "C: 550 5.7.1 *"],
    },
    { name: "nor an address literal", talk: [...from, "P: RCPT TO:<v@[192.0.2.1]>", "C: 550 5.7.1 *"] },
    { name: "nor postmaster without a domain", talk: [...from, "P: RCPT TO:<postmaster>", "C: 550 5.7.1 *"] },
    {
      name: "nor a domain with a dot at its end",
      talk: [...from, "P: RCPT TO:<v@example.org.>", "C: 50? *"],
    },
    { name: "knows no AUTH", talk: ["P: AUTH PLAIN AGEAYg==", "C: 502 5.5.1 *"] },
    { name: "knows no STARTTLS", talk: ["P: STARTTLS", "C: 502 5.5.1 *"] },
    { name: "does not turn again", talk: ["P: ATRN example.org", "C: 502 5.5.1 *"] },
    { name: "knows no ETRN", talk: ["P: ETRN example.org", "C: 502 5.5.1 *"] },
    { name: "knows no XODMRWAIT", talk: ["P: XODMRWAIT", "C: 502 5.5.1 *"] },
    { name: "says so within a transaction too", talk: [...from, "P: ATRN", "C: 50? 5.5.1 *"] },
    { name: "tells nobody who is known", talk: ["P: VRFY bob", "C: 252 *", "P: EXPN all", "C: 502 *"] },
    {
      name: "refuses what is announced as too big",
      talk: ["P: MAIL FROM:<a@world.test> SIZE=1001", "C: 552 5.3.4 *"],
    },
    {
      name: "refuses what turns out to be too big",
      talk: [...from, ...to("bob@example.org"), ...data("x".repeat(998), "x"), "C: 552 5.3.4 *"],
    },
    {
      name: "refuses chunks that come to too much",
      talk: [
        ...from,
        ...to("bob@example.org"),
        "P: BDAT 600",
        `P: ${"x".repeat(598)}`,
        "C: 250 *",
        "P: BDAT 600 LAST",
        `P: ${"x".repeat(598)}`,
        "C: 552 5.3.4 *",
        "P: RSET",
        "C: 250 *",
      ],
    },
    { name: "takes no body without a recipient", talk: [...from, "P: DATA", "C: 503 5.5.1 *"] },
    {
      name: "takes no body whose recipients were all refused",
      talk: [...from, "P: RCPT TO:<v@other.test>", "C: 550 *", "P: BDAT 3 LAST", "P: x", "C: 503 5.5.1 *"],
    },
  ];
  for (const { name, talk } of refusals)
    for (const split of ["whole", "octets"] as const)
      it(`${name}, ${split}, and goes on`, async () => {
        assert.equal(
          await turn(
            [
              ...hello,
              ...talk,
              "P: RSET",
              "C: 250 *",
              ...from,
              ...to("bob@example.org"),
              ...text,
              stored,
              ...quit,
            ],
            split,
          ),
          "taken 1",
        );
        assert.deepEqual(await housed(), ["bob@example.org hello"]);
      });

  it("takes the recipients that are its own out of a mixed list", async () => {
    const talk = [
      ...hello,
      ...from,
      "P: RCPT TO:<v@other.test>",
      "C: 550 *",
      ...to("Bob@EXAMPLE.org"),
      ...text,
      stored,
      ...quit,
    ];
    assert.equal(await turn(talk), "taken 1");
    assert.deepEqual(await housed(), ["Bob@example.org hello"]);
  });

  it("takes a recipient that is named twice once", async () => {
    assert.equal(
      await turn([...hello, ...from, ...to("bob@example.org", "bob@EXAMPLE.org"), ...text, stored, ...quit]),
      "taken 1",
    );
    assert.deepEqual(await housed(), ["bob@example.org hello"]);
  });

  it("lets mail run in no circle: 101 Received fields are too many, 100 are not", async () => {
    const hops = (count: number) =>
      data(...Array<string>(count).fill("Received: from a by b"), "Subject: round", "", "text");
    const talk = [
      ...hello,
      ...from,
      ...to("bob@example.org"),
      ...hops(101),
      "C: 554 5.4.6 *",
      ...from,
      ...to("bob@example.org"),
      ...hops(100),
      stored,
      ...quit,
    ];
    assert.equal(await turn(talk, "whole", 10_000), "taken 1");
  });

  it("takes mail with the null sender", async () => {
    assert.equal(
      await turn([
        ...hello,
        "P: MAIL FROM:<>",
        "C: 250 *",
        ...to("bob@example.org"),
        ...text,
        stored,
        ...quit,
      ]),
      "taken 1",
    );
    assert.equal((await entries(post.house))[0]?.sender, "");
  });

  const endings: readonly { name: string; talk: Talk; result: string }[] = [
    {
      name: "a provider that closes after its mail",
      talk: [...hello, ...from, ...to("bob@example.org"), ...text, stored, "close"],
      result: "later 1",
    },
    {
      name: "a provider that speaks HTTP",
      talk: ["C: 220 *", "P: GET / HTTP/1.1", "C: 421 *", "end"],
      result: "later 0",
    },
    {
      name: "a line without an end",
      talk: ["C: 220 *", `P: ${"x".repeat(1 << 20)}\\`, "C: 500 *", "end"],
      result: "later 0",
    },
    {
      name: "100,000 NOOPs",
      talk: [...hello, `P: ${"NOOP\r\n".repeat(100_000)}\\`, "rest"],
      result: "later 0",
    },
    {
      name: "an unreadable BDAT",
      talk: [
        ...hello,
        ...from,
        ...to("bob@example.org"),
        "P: BDAT 18446744073709551616 LAST",
        "C: 5*",
        "end",
      ],
      result: "later 0",
    },
    {
      name: "a bare LF in a body",
      talk: [
        ...hello,
        ...from,
        ...to("bob@example.org"),
        ...data("Subject: hello\n.\nMAIL FROM:<evil@x.test>"),
        "C: 554 5.5.2 *",
        "end",
      ],
      result: "later 0",
    },
  ];
  for (const { name, talk, result } of endings)
    it(`${name}: ${result}, and the next turn works`, async () => {
      assert.equal(await turn(talk), result);
      // Whoever made the call tells of its error: a second word on it would be noise.
      assert.equal(post.logged.filter(({ event }) => event === "session failed").length, 0);
      const before = (await housed()).length;
      assert.equal(before, Number(result.at(-1)));
      assert.equal(
        await turn([...hello, ...from, ...to("bob@example.org"), ...text, stored, ...quit]),
        "taken 1",
      );
      assert.equal((await housed()).length, before + 1);
    });

  it("what came before its greeting is nobody's answer to it", async () => {
    const [here, there] = pipe();
    await there.write(new TextEncoder().encode("EHLO p\r\n"), 1_000);
    const house = {
      spool: post.house,
      clock: post.clock,
      log: post.log,
      hostname: "h",
      account: "vps",
      domains: undefined,
      messageSize: 1,
    };
    await assert.rejects(takeIn(house, here), (fault: CallError) => fault.fault === "protocol");
  });
});

describe("the ledger", () => {
  const marked = (id = MESSAGE): Talk => [`P: MAIL FROM:<a@world.test> XODMRID=${SPOOL}.${id}`, "C: 250 *"];

  it("knows a message that comes again, and stores it once", async () => {
    assert.equal(
      await turn([...hello, ...marked(), ...to("bob@example.org"), ...text, stored, ...quit]),
      "taken 1",
    );
    assert.equal(
      await turn([
        ...hello,
        ...marked(),
        ...to("bob@example.org"),
        ...text,
        "C: 250 2.0.0 Had it already",
        ...quit,
      ]),
      "taken 0",
    );
    assert.deepEqual(await housed(), ["bob@example.org hello"]);
  });

  it("knows it within one turn too, by DATA and by BDAT", async () => {
    const chunk: Talk = ["P: BDAT 24 LAST", "P: Subject: hello", "P: ", "P: text"];
    const talk = [
      ...hello,
      ...marked(),
      ...to("bob@example.org"),
      ...text,
      stored,
      ...marked(),
      ...to("bob@example.org"),
      ...chunk,
      "C: 250 2.0.0 Had it already",
      ...quit,
    ];
    assert.equal(await turn(talk), "taken 1");
    assert.deepEqual(await housed(), ["bob@example.org hello"]);
  });

  it("refuses the same id with another body, and raises the alarm", async () => {
    await turn([...hello, ...marked(), ...to("bob@example.org"), ...text, stored, ...quit]);
    const other = data("Subject: other", "", "text");
    assert.equal(
      await turn([...hello, ...marked(), ...to("bob@example.org"), ...other, "C: 451 *", ...quit]),
      "taken 0",
    );
    assert.deepEqual(await housed(), ["bob@example.org hello"]);
    const alarm = post.logged.find(({ event }) => event === "same id with another body");
    assert.equal(alarm?.fields.origin, MESSAGE);
  });

  it("stores the message for recipients that had not had it, and for no other", async () => {
    await turn([...hello, ...marked(), ...to("bob@example.org"), ...text, stored, ...quit]);
    assert.equal(
      await turn([
        ...hello,
        ...marked(),
        ...to("bob@example.org", "ann@example.org"),
        ...text,
        stored,
        ...quit,
      ]),
      "taken 1",
    );
    assert.deepEqual(await housed(), ["ann@example.org hello", "bob@example.org hello"]);
  });

  it("takes a recipient that is named twice for one", async () => {
    await turn([
      ...hello,
      ...marked(),
      ...to("bob@example.org", "bob@example.org"),
      ...text,
      stored,
      ...quit,
    ]);
    assert.deepEqual(await housed(), ["bob@example.org hello"]);
  });

  it("tells messages of one body apart by their ids", async () => {
    const again = MESSAGE.replace("2222", "3333");
    await turn([
      ...hello,
      ...marked(),
      ...to("bob@example.org"),
      ...text,
      stored,
      ...marked(again),
      ...to("bob@example.org"),
      ...text,
      stored,
      ...quit,
    ]);
    assert.deepEqual(await housed(), ["bob@example.org hello", "bob@example.org hello"]);
  });

  it("keeps what was refused out: a message too big is not had", async () => {
    await turn([
      ...hello,
      ...marked(),
      ...to("bob@example.org"),
      ...data("x".repeat(998), "x"),
      "C: 552 *",
      ...quit,
    ]);
    assert.equal(
      await turn([...hello, ...marked(), ...to("bob@example.org"), ...text, stored, ...quit]),
      "taken 1",
    );
  });

  const bad = ["1.2", `${SPOOL}`, `${SPOOL}.`, `${SPOOL}.${MESSAGE}.x`, `../../x.${MESSAGE}`];
  for (const id of bad)
    it(`takes no id like ${id}`, async () => {
      assert.equal(
        await turn([...hello, `P: MAIL FROM:<a@world.test> XODMRID=${id}`, "C: 501 *", ...quit]),
        "taken 0",
      );
    });
});

describe("bodies that are made to smuggle", () => {
  const patterns = [
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
  ];
  const evil = "MAIL FROM:<evil@x.test>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: evil\r\n\r\n.\r\n";
  for (const pattern of patterns)
    for (const split of ["whole", "octets"] as const) {
      const name = JSON.stringify(pattern);
      it(`${name} in DATA: one refusal and the end, ${split}`, async () => {
        const talk = [
          ...hello,
          ...from,
          ...to("bob@example.org"),
          "P: DATA",
          "C: 354 *",
          `P: Subject: hello${pattern}${evil}\\`,
          "C: 554 5.5.2 *",
          "end",
        ];
        assert.equal(await turn(talk, split), "later 0");
        assert.deepEqual(await housed(), []);
      });
      it(`${name} in BDAT: one refusal and the end, ${split}`, async () => {
        const body = `Subject: hello${pattern}${evil}`;
        const talk = [
          ...hello,
          ...from,
          ...to("bob@example.org"),
          `P: BDAT ${body.length} LAST`,
          `P: ${body}\\`,
          "C: 554 5.5.2 *",
          "end",
        ];
        assert.equal(await turn(talk, split), "later 0");
        assert.deepEqual(await housed(), []);
      });
    }

  for (const pattern of ["\r\n\0.\r\n", "\r\n.\0\r\n"])
    for (const split of ["whole", "octets"] as const)
      it(`${JSON.stringify(pattern)} ends nothing, ${split}`, async () => {
        const talk = [
          ...hello,
          ...from,
          ...to("bob@example.org"),
          "P: DATA",
          "C: 354 *",
          `P: Subject: hello${pattern}${evil}\\`,
          stored,
          ...quit,
        ];
        assert.equal(await turn(talk, split), "taken 1");
        const [entry] = await entries(post.house);
        assert.match(await contentOf(post.house, entry!.id), /MAIL FROM:<evil@x\.test>\r\n/);
      });
});
