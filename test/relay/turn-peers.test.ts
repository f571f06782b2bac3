import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Letter, stored } from "../spool/support.ts";
import { type ManualClock, manualClock } from "../support/clock.ts";
import { contentOf, entries, openPost, type Post } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";

const PLAIN = btoa("\0home\0home secret");
const tls = { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" };
const known: Talk = [
  "P: 220 relay.test *",
  "C: EHLO home.test",
  "list",
  `C: AUTH PLAIN ${PLAIN}`,
  "P: 235 2.7.0 *",
];
const asked: Talk = [...known, "C: ATRN", "P: 250 2.0.0 *"];
const turned: Talk = [...asked, "C: 220 home.test", "P: EHLO relay.test"];
const simple: Talk = [...turned, "C: 250 home.test"];
const quit: Talk = ["P: QUIT", "C: 221 bye", "end"];
const envelope: Talk = [
  "P: MAIL FROM:<ann@sender.example>",
  "C: 250 ok",
  "P: RCPT TO:<bob@example.org>",
  "C: 250 ok",
];
const body: Talk = ["P: DATA", "C: 354 go", "P: Subject: hello", "P: ", "P: hello", "P: ."];
const message: Talk = [...envelope, ...body, "C: 250 ok"];

let post: Post;
let clock: ManualClock;
beforeEach(async () => {
  clock = manualClock();
  post = await openPost({ clock });
  post.line = { tls };
});
afterEach(() => post.close());

const hold = (letter: Letter = {}) =>
  stored(post.relay.spool, { trace: "", arrived: clock.now(), expires: clock.now() + 1e10, ...letter });

/** Calls as a customer that follows this talk. @returns all that the relay said */
async function customer(talk: Talk): Promise<string> {
  const { connection, over } = post.dial();
  const heard = await play(connection, "C", talk, { clock });
  await over;
  return heard;
}

/** Every recipient at the relay: its state, attempts and reply. */
async function waiting(): Promise<readonly (readonly [string, string, number, string?])[]> {
  return (await entries(post.relay.spool)).flatMap(({ recipients }) =>
    recipients.map(({ address, state, attempts, reply }): readonly [string, string, number, string?] =>
      reply === undefined ? [address, state, attempts] : [address, state, attempts, reply],
    ),
  );
}

/** A call of our own house brings this many messages, and none is left. */
async function nextTurnBrings(count: number): Promise<void> {
  assert.equal((await post.call()).messages, count);
  await post.quiet();
  assert.deepEqual(await waiting(), []);
  assert.equal((await entries(post.house)).length, count);
}

describe("a customer of another make", () => {
  const customers: readonly { name: string; talk: Talk }[] = [
    { name: "without any extension is served line by line", talk: [...simple, ...message, ...quit] },
    {
      name: "that only knows HELO is served",
      talk: [...turned, "C: 502 what?", "P: HELO relay.test", "C: 250 home.test", ...message, ...quit],
    },
    {
      name: "with SIZE hears the size",
      talk: [
        ...turned,
        "C: 250-home.test",
        "C: 250 SIZE",
        "P: MAIL FROM:<ann@sender.example> SIZE=25",
        ...envelope.slice(1),
        ...body,
        "C: 250 ok",
        ...quit,
      ],
    },
    {
      name: "with PIPELINING gets one group",
      talk: [
        ...turned,
        "C: 250-home.test",
        "C: 250 PIPELINING",
        "P: MAIL FROM:<ann@sender.example>",
        "P: RCPT TO:<bob@example.org>",
        "P: DATA",
        "C: 250 ok",
        "C: 250 ok",
        "C: 354 go",
        ...body.slice(2),
        "C: 250 ok",
        ...quit,
      ],
    },
    {
      name: "with CHUNKING and no ledger gets DATA all the same",
      talk: [...turned, "C: 250-home.test", "C: 250 CHUNKING", ...message, ...quit],
    },
    {
      name: "that closes where 221 was due is no trouble",
      talk: [...simple, ...message, "P: QUIT", "close"],
    },
    {
      name: "that answers in many lines is understood",
      talk: [
        ...simple,
        "P: MAIL FROM:*",
        "C: 250-2.1.0 ok",
        "C: 250 2.1.0 ok",
        ...envelope.slice(2),
        ...body,
        "C: 250 ok",
        ...quit,
      ],
    },
  ];
  for (const { name, talk } of customers)
    for (const split of ["whole", "octets"] as const)
      it(`${name}, ${split}`, async () => {
        post.line = { tls, split };
        await hold();
        await customer(talk);
        assert.deepEqual(await waiting(), []);
        const [gone] = await entries(post.relay.spool, true);
        assert.equal(gone?.state, "delivered");
      });
});

describe("a turn that goes wrong", () => {
  const where: readonly { readonly at: string; readonly talk: Talk }[] = [
    { at: "in place of the greeting", talk: asked },
    { at: "behind EHLO", talk: turned },
    { at: "behind MAIL", talk: [...simple, "P: MAIL FROM:*"] },
  ];
  const named: readonly { readonly at: string; readonly talk: Talk }[] = [
    { at: "behind RCPT", talk: [...simple, ...envelope.slice(0, 3)] },
    { at: "behind DATA", talk: [...simple, ...envelope, "P: DATA"] },
    { at: "behind the final dot", talk: [...simple, ...envelope, ...body] },
  ];
  const what: readonly { readonly by: string; readonly talk: Talk; readonly at?: RegExp }[] = [
    { by: "the end", talk: ["close"] },
    { by: "a reset", talk: ["reset"] },
    { by: "garbage", talk: ["C: what?", "rest"] },
    { by: "a line of 1 MiB", talk: [`C: 250 ${"x".repeat(1 << 20)}`, "rest"] },
    { by: "a line without an end", talk: [`C: 250 ${"x".repeat(1 << 20)}\\`, "rest"] },
  ];
  const farewell = { by: "a 421", talk: ["C: 421 4.3.2 going down", "end"] };

  for (const { at, talk, troubles } of [
    ...where.map((row) => ({ ...row, troubles: [...what, farewell] })),
    ...named.map((row) => ({ ...row, troubles: what })),
  ])
    for (const { by, talk: trouble } of troubles)
      it(`by ${by} ${at}: the mail is kept, no attempt is counted, and the next turn works`, async () => {
        await hold();
        await customer([...talk, ...trouble]);
        const kept = (await waiting()).map(([address, state, attempts]) => [address, state, attempts]);
        assert.deepEqual(kept, [["bob@example.org", "waiting", 0]]);
        await nextTurnBrings(1);
      });

  for (const { at, talk } of named)
    it(`by a 421 ${at}: the mail is kept and waits a while`, async () => {
      await hold();
      await customer([...talk, ...farewell.talk]);
      assert.deepEqual(await waiting(), [["bob@example.org", "waiting", 1, "421 4.3.2 going down"]]);
      await clock.advance(6 * 60_000);
      await nextTurnBrings(1);
    });

  for (const greeting of ["554 no", "450 later", "354 go"])
    it(`by the greeting ${greeting}: the mail is kept, and the next turn works`, async () => {
      await hold();
      await customer([...asked, `C: ${greeting}`, ...quit]);
      await nextTurnBrings(1);
    });

  it("by silence: the claim is given up after five minutes, and the next turn works", async () => {
    await hold();
    const turn = customer([...asked, "rest"]);
    for (let minute = 0; minute < 6; minute++) await clock.advance(60_000);
    await turn;
    assert.ok(post.logged.some(({ event }) => event === "turn failed"));
    await nextTurnBrings(1);
  });

  it("by a customer that reads no more: the claim is given up, and the next turn works", async () => {
    await hold({ body: `Subject: big\r\n\r\n${"x\r\n".repeat(400_000)}` });
    const turn = customer([...simple, ...envelope, "P: DATA", "C: 354 go", "pause 5", "reset"]);
    for (let minute = 0; minute < 6; minute++) await clock.advance(60_000);
    await turn;
    await nextTurnBrings(1);
  });

  it("by octets behind ATRN: nobody speaks across the turn", async () => {
    await hold();
    await customer([...known, "C: ATRN", "C: 220 home.test", "C: 250 home.test", "P: 421 4.7.0 *", "end"]);
    await nextTurnBrings(1);
  });

  it("by a reply that nothing asked for: no mail moves by it", async () => {
    await hold();
    await customer([...simple, "P: MAIL FROM:*", "C: 250 ok", "C: 250 ok", "C: 354 go", "C: 250 ok", "rest"]);
    await nextTurnBrings(1);
  });
});

describe("what a customer refuses", () => {
  it("for now is not offered again at once, but after its time, and later each time", async () => {
    const refusing: Talk = [
      ...simple,
      "P: MAIL FROM:*",
      "C: 250 ok",
      "P: RCPT TO:*",
      "C: 450 4.2.1 busy",
      "P: RSET",
      "C: 250 ok",
      ...quit,
    ];
    const empty: Talk = [...known, "C: ATRN", "P: 453 4.0.0 *", "C: QUIT", "P: 221 *", "end"];
    await hold();
    for (const [attempts, minutes] of [
      [1, 5],
      [2, 15],
      [3, 30],
    ] as const) {
      await customer(refusing);
      assert.deepEqual(await waiting(), [["bob@example.org", "waiting", attempts, "450 4.2.1 busy"]]);
      await customer(empty);
      await clock.advance(minutes * 60_000 * 0.94);
      await customer(empty);
      await clock.advance(minutes * 60_000 * 0.12);
    }
    await nextTurnBrings(1);
  });

  it("for now does not keep other mail from coming", async () => {
    await hold({ to: ["full@example.org"], subject: "first" });
    await hold();
    const refused: Talk = [
      "P: MAIL FROM:*",
      "C: 250 ok",
      "P: RCPT TO:<full@example.org>",
      "C: 452 4.2.2 full",
      "P: RSET",
      "C: 250 ok",
    ];
    await customer([...simple, ...refused, ...message, ...quit]);
    assert.deepEqual(await waiting(), [["full@example.org", "waiting", 1, "452 4.2.2 full"]]);
  });

  const forGood: readonly { name: string; talk: Talk; reply: string }[] = [
    {
      name: "at MAIL",
      talk: ["P: MAIL FROM:*", "C: 550 5.7.1 not you", "P: RSET", "C: 250 ok"],
      reply: "550 5.7.1 not you",
    },
    {
      name: "at RCPT",
      talk: [...envelope.slice(0, 3), "C: 550 5.1.1 nobody", "P: RSET", "C: 250 ok"],
      reply: "550 5.1.1 nobody",
    },
    {
      name: "at DATA",
      talk: [...envelope, "P: DATA", "C: 554 5.6.0 no", "P: RSET", "C: 250 ok"],
      reply: "554 5.6.0 no",
    },
    {
      name: "at the end",
      talk: [...envelope, ...body, "C: 554-5.7.1 spam", "C: 554 5.7.1 \x1b[2Jspam"],
      reply: "554 5.7.1 spam ?[2Jspam",
    },
  ];
  for (const { name, talk, reply } of forGood)
    it(`for good ${name} is held with its reply`, async () => {
      await hold();
      await customer([...simple, ...talk, ...quit]);
      assert.deepEqual(await waiting(), [["bob@example.org", "held", 1, reply]]);
    });

  it("for one recipient does not concern the other: each has it exactly once in the end", async () => {
    await hold({ to: ["bob@example.org", "ann@example.org"] });
    const both: Talk = [
      "P: MAIL FROM:*",
      "C: 250 ok",
      "P: RCPT TO:<bob@example.org>",
      "C: 250 ok",
      "P: RCPT TO:<ann@example.org>",
      "C: 451 4.3.0 later",
    ];
    await customer([...simple, ...both, ...body, "C: 250 ok", ...quit]);
    assert.deepEqual(await waiting(), [
      ["bob@example.org", "delivered", 1, "250 ok"],
      ["ann@example.org", "waiting", 1, "451 4.3.0 later"],
    ]);
    await clock.advance(6 * 60_000);
    await nextTurnBrings(1);
    const [here] = await entries(post.house);
    assert.deepEqual(
      here?.recipients.map(({ address }) => address),
      ["ann@example.org"],
    );
  });
});

describe("what a customer cannot take", () => {
  it("is held: mail over its announced size", async () => {
    await hold({ body: `Subject: big\r\n\r\n${"x".repeat(500)}\r\n` });
    await hold();
    await customer([
      ...turned,
      "C: 250-home.test",
      "C: 250 SIZE 100",
      "P: MAIL FROM:* SIZE=25",
      ...envelope.slice(1),
      ...body,
      "C: 250 ok",
      ...quit,
    ]);
    const [[, state, , reply] = []] = await waiting();
    assert.equal(state, "held");
    assert.match(reply ?? "", /^552 5\.3\.4 /);
  });

  it("is held: a foreign address, where SMTPUTF8 is not offered", async () => {
    await hold({ to: ["böb@example.org"] });
    await customer([...simple, ...quit]);
    const [[, state, , reply] = []] = await waiting();
    assert.equal(state, "held");
    assert.match(reply ?? "", /^553 5\.6\.7 /);
  });

  it("goes to one that can", async () => {
    await hold({ to: ["böb@example.org"] });
    await customer([
      ...turned,
      "C: 250-home.test",
      "C: 250 SMTPUTF8",
      "P: MAIL FROM:<ann@sender.example>*",
      "C: 250 ok",
      "P: RCPT TO:*",
      "C: 250 ok",
      ...body,
      "C: 250 ok",
      ...quit,
    ]);
    assert.deepEqual(await waiting(), []);
  });
});

describe("bodies that are made to smuggle", () => {
  const evil =
    "\r\n.\r\nMAIL FROM:<evil@x.test>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: evil\r\n\r\n.\r\n";
  const bodies = [
    "Subject: a\r\n\r\n.\r\n",
    ".\r\n",
    "..\r\n.\r\n...\r\n",
    `Subject: b${evil}`,
    "Subject: c\r\n\r\n\0.\r\n.\0\r\n",
    "Subject: d\r\n\r\n.x\r\n\r\n..\r\n",
  ];
  for (const content of bodies)
    for (const [kind, listed] of [
      ["plain", []],
      ["group", ["PIPELINING"]],
    ] as const)
      it(`${JSON.stringify(content.slice(0, 30))} leaves dot-stuffed, as one message, ${kind}`, async () => {
        await hold({ body: content });
        const group = listed.length > 0;
        const start: Talk = group
          ? ["P: MAIL FROM:*", "P: RCPT TO:*", "P: DATA", "C: 250 ok", "C: 250 ok", "C: 354 go"]
          : ["P: MAIL FROM:*", "C: 250 ok", "P: RCPT TO:*", "C: 250 ok", "P: DATA", "C: 354 go"];
        const lines = content
          .split("\r\n")
          .slice(0, -1)
          .map((line) => `P: ${line.startsWith(".") ? "." : ""}${line}`);
        const hello: Talk = group ? ["C: 250-home.test", "C: 250 PIPELINING"] : ["C: 250 home.test"];
        await customer([...turned, ...hello, ...start, ...lines, "P: .", "C: 250 ok", ...quit]);
        assert.deepEqual(await waiting(), []);
      });

  it("come to our own house octet for octet", async () => {
    for (const content of bodies) await hold({ body: content });
    await nextTurnBrings(bodies.length);
    const came = await Promise.all(
      (await entries(post.house)).map(async ({ id }) =>
        (await contentOf(post.house, id)).replace(/^Received:[\s\S]*?\r\n(?!\t)/, ""),
      ),
    );
    assert.deepEqual(came.sort(), [...bodies].sort());
  });
});

describe("two turns and new mail", () => {
  it("a second turn at the same time is told 453, and each message goes once", async () => {
    await hold();
    const { connection, over } = post.dial();
    await play(connection, "C", simple);
    await customer([...known, "C: ATRN", "P: 453 4.0.0 *", "C: QUIT", "P: 221 *", "end"]);
    await play(connection, "C", [...message, ...quit]);
    await over;
    assert.deepEqual(await waiting(), []);
  });

  it("a second turn gets what the first has not leased: 300 messages over two houses come once each", async () => {
    for (let i = 0; i < 300; i++) await hold({ subject: String(i), body: `Subject: ${i}\r\n\r\nx\r\n` });
    const [a, b] = await Promise.all([post.call(), post.call()]);
    assert.equal(a.messages + b.messages, 300);
    assert.equal(new Set((await entries(post.house)).map(({ subject }) => subject)).size, 300);
    await post.quiet();
    assert.deepEqual(await waiting(), []);
  });

  it("mail that arrives during a turn goes out in it", async () => {
    await hold();
    const { connection, over } = post.dial();
    await play(connection, "C", [...simple, ...envelope, ...body]);
    await hold();
    await play(connection, "C", ["C: 250 ok", ...message, ...quit]);
    await over;
    assert.deepEqual(await waiting(), []);
  });

  it("a domain that was not asked for stays", async () => {
    await hold();
    await hold({ to: ["bob@example.com"] });
    await customer([
      ...known,
      "C: ATRN example.org",
      "P: 250 *",
      ...simple.slice(asked.length),
      ...message,
      ...quit,
    ]);
    assert.deepEqual(await waiting(), [["bob@example.com", "waiting", 0]]);
  });
});
