/** Mail that is looked at on its way in, through the relay's doors, by checks that are scripted here. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Check, Letter, Verdict } from "../../src/checks/check.ts";
import { type ConnectionFindings, type InspectorPlan, inspectorOf } from "../../src/checks/inspector.ts";
import { receive } from "../../src/relay/reception.ts";
import type { DoorSettings, Relay } from "../../src/relay/relay.ts";
import { reply } from "../../src/wire/reply.ts";
import { manualClock } from "../support/clock.ts";
import { type PipeOptions, pipe } from "../support/pipe.ts";
import { contentOf, entries, openPost, type Post } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";

let post: Post;
beforeEach(async () => {
  post = await openPost({ messageSize: 1_000_000 });
});
afterEach(() => post.close());

/** A check that remembers what it saw. */
class Scripted implements Check {
  readonly seen: { readonly letter: Letter; readonly original: string; readonly content: string }[] = [];
  readonly #verdict: () => Promise<Verdict>;
  constructor(verdict: Verdict | (() => Promise<Verdict>)) {
    this.#verdict = typeof verdict === "function" ? verdict : async () => verdict;
  }
  async examine(letter: Letter): Promise<Verdict> {
    this.seen.push({
      letter,
      original: await textOf(letter.original()),
      content: await textOf(letter.content()),
    });
    return this.#verdict();
  }
}

async function textOf(pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const piece of pieces) text += Buffer.from(piece).toString("latin1");
  return text;
}

const withChecks = (plan: Partial<InspectorPlan>): Relay => ({
  ...post.relay,
  book: {
    ...post.relay.book,
    inspector: inspectorOf({
      hostname: "relay.test",
      at: ["intake"],
      trusts: () => false,
      greetingDelay: 0,
      authenticates: true,
      checks: [],
      ...plan,
    }),
  },
});

async function visit(
  relay: Relay,
  talk: Talk,
  { line, ...settings }: Partial<DoorSettings> & { readonly line?: PipeOptions } = {},
): Promise<string> {
  const [here, there] = pipe({ clock: relay.clock, ...line });
  const door = {
    service: "intake",
    startTls: false,
    requireTls: false,
    bareLineEnds: "refuse",
    ...settings,
  } as const;
  const over = receive(relay, door, there);
  const heard = await play(here, "C", talk, { clock: relay.clock });
  await over;
  return heard;
}

const hello: Talk = ["P: 220 *", "C: EHLO world.test", "list"];
const mail: Talk = ["C: MAIL FROM:<ann@world.test>", "P: 250 *"];
const bob: Talk = ["C: RCPT TO:<bob@example.org>", "P: 250 *"];
const data = (...lines: readonly string[]): Talk => [
  "C: DATA",
  "P: 354 *",
  ...lines.map((each) => `C: ${each}`),
  "C: .",
];
const quit: Talk = ["C: QUIT", "P: 221 *", "end"];
const letter = data("Subject: hello", "", "text");
const contents = async () =>
  Promise.all((await entries(post.relay.spool)).map(({ id }) => contentOf(post.relay.spool, id)));
const fieldsAbove = (content: string | undefined) => content?.slice(0, content.indexOf("Received: "));

describe("a message that is looked at", () => {
  it("is stored with what was found out on top, and is untouched below", async () => {
    const check = new Scripted({
      results: [{ method: "spf", result: "pass", properties: { "smtp.mailfrom": "ann@world.test" } }],
      fields: "X-Spamd-Bar: +\r\n",
    });
    const other = new Scripted({ results: [{ method: "dkim", result: "none" }] });
    await visit(withChecks({ checks: [check, other] }), [
      ...hello,
      ...mail,
      ...bob,
      ...letter,
      "P: 250 *",
      ...quit,
    ]);
    const [content] = await contents();
    assert.equal(
      fieldsAbove(content),
      "Authentication-Results: relay.test;\r\n\tspf=pass smtp.mailfrom=ann@world.test;\r\n\tdkim=none\r\n" +
        "X-Spamd-Bar: +\r\n",
    );
    assert.match(content ?? "", /^Received: [\s\S]*\+0000\r\nSubject: hello\r\n\r\ntext\r\n$/m);
    const [{ letter: seen, content: text } = assert.fail()] = check.seen;
    assert.deepEqual(
      { from: seen.from, recipients: seen.recipients, size: seen.size, helo: seen.visitor.helo, text },
      {
        from: "ann@world.test",
        recipients: ["bob@example.org"],
        size: 24,
        helo: "world.test",
        text: "Subject: hello\r\n\r\ntext\r\n",
      },
    );
  });

  it("loses the results that bear our name and are not ours, and is checked as it came", async () => {
    const check = new Scripted({});
    const forged = "Authentication-Results: relay.test; dmarc=pass";
    const foreign = "Authentication-Results: mx.world.test; spf=pass";
    await visit(withChecks({ checks: [check] }), [
      ...[...hello, ...mail, ...bob],
      ...data("From: a@b", forged, foreign, "", forged),
      ...["P: 250 *", ...quit],
    ]);
    const [content = ""] = await contents();
    const stored = `From: a@b\r\n${foreign}\r\n\r\n${forged}\r\n`;
    assert.ok(content.endsWith(`+0000\r\n${stored}`), content);
    assert.equal(check.seen[0]?.content, stored);
    assert.equal(check.seen[0]?.original, `From: a@b\r\n${forged}\r\n${foreign}\r\n\r\n${forged}\r\n`);
  });

  it("is seen whole where it has outgrown memory", async () => {
    const check = new Scripted({});
    const lines = Array.from({ length: 4_000 }, (_, i) => `${i} ${"x".repeat(60)}`);
    await visit(withChecks({ checks: [check] }), [
      ...[...hello, ...mail, ...bob, ...data("Subject: large", "", ...lines)],
      ...["P: 250 *", ...quit],
    ]);
    const text = `Subject: large\r\n\r\n${lines.join("\r\n")}\r\n`;
    assert.ok(text.length > 200_000);
    assert.equal(check.seen[0]?.content, text);
    assert.ok((await contents())[0]?.endsWith(text));
  });

  it("is refused with the check's words, and nothing of it stays", async () => {
    const check = new Scripted({ refusal: reply(550, "5.7.26", "No"), why: "DMARC" });
    const unasked = new Scripted({});
    await visit(withChecks({ checks: [check, unasked] }), [
      ...[...hello, ...mail, ...bob, ...letter, "P: 550 5.7.26 No"],
      // The session goes on.
      ...[...mail, ...bob, "C: RSET", "P: 250 *", ...quit],
    ]);
    assert.deepEqual(await entries(post.relay.spool), []);
    assert.equal(unasked.seen.length, 0);
    assert.deepEqual(
      post.logged.find(({ event }) => event === "message refused"),
      {
        event: "message refused",
        fields: {
          from: "ann@world.test",
          to: ["bob@example.org"],
          peer: "192.0.2.1",
          reply: "550 5.7.26 No",
          why: "DMARC",
        },
      },
    );
  });

  it("is deferred by a check that breaks", async () => {
    const check = new Scripted(() => Promise.reject(new Error("broken")));
    await visit(withChecks({ checks: [check] }), [
      ...[...hello, ...mail, ...bob, ...letter, "P: 451 4.3.0 *", ...quit],
    ]);
    assert.deepEqual(await entries(post.relay.spool), []);
  });

  it("is answered when all was found out, though the next one is on its way", async () => {
    let found = (_: Verdict) => {};
    const check = new Scripted(
      () =>
        new Promise<Verdict>((resolve) => {
          found = resolve;
        }),
    );
    const relay = withChecks({ checks: [check] });
    const [here, there] = pipe({ clock: relay.clock });
    const over = receive(
      relay,
      { service: "intake", startTls: false, requireTls: false, bareLineEnds: "refuse" },
      there,
    );
    await play(here, "C", [...hello, ...mail, ...bob, ...letter, "C: MAIL FROM:<ann@world.test>"], {
      clock: relay.clock,
    });
    while (check.seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(await entries(post.relay.spool), []);
    found({});
    await play(here, "C", ["P: 250 2.0.0 *", "P: 250 *", ...quit], { clock: relay.clock });
    await over;
    assert.equal((await entries(post.relay.spool)).length, 1);
  });

  it("is not looked at from an address of ours, nor at a door that is not named", async () => {
    const check = new Scripted({ refusal: reply(550, "5.7.1", "No") });
    const talk = [...hello, ...mail, ...bob, ...letter, "P: 250 *", ...quit];
    await visit(withChecks({ checks: [check], trusts: (address) => address === "192.0.2.1" }), talk);
    await visit(withChecks({ checks: [check], at: ["submission"] }), talk);
    assert.equal(check.seen.length, 0);
    const forged = data("Authentication-Results: relay.test; spf=pass", "", "text");
    await visit(withChecks({ trusts: () => true }), [
      ...hello,
      ...mail,
      ...bob,
      ...forged,
      "P: 250 *",
      ...quit,
    ]);
    assert.ok(
      (await contents()).some((content) => content.includes("\r\nAuthentication-Results: relay.test;")),
    );
  });

  it("is looked at by LMTP as from whom the mail server in front had it", async () => {
    const check = new Scripted({});
    const front = "Received: from mx.world.test (mx.world.test [192.0.2.7])";
    await visit(
      withChecks({ checks: [check], at: ["lmtp"] }),
      [
        "P: 220 *",
        "C: LHLO front.test",
        "list",
        ...[...mail, ...bob, ...data(front, "\tby front.test; date", "Subject: x", "", "text")],
        ...["P: 250 *", ...quit],
      ],
      { service: "lmtp" },
    );
    assert.deepEqual(check.seen[0]?.letter.visitor, { address: "192.0.2.7", helo: "mx.world.test" });
  });

  it("keeps what the mail server in front found out in our name, unless that is found out anew", async () => {
    const check = new Scripted({});
    const front = "Authentication-Results: relay.test; dkim=pass";
    for (const authenticates of [true, false])
      await visit(
        withChecks({ checks: [check], at: ["lmtp"], authenticates }),
        [
          "P: 220 *",
          "C: LHLO front.test",
          "list",
          ...mail,
          ...bob,
          ...data(front, "", "text"),
          "P: 250 *",
          ...quit,
        ],
        { service: "lmtp" },
      );
    assert.deepEqual(
      check.seen.map(({ content }) => content),
      ["\r\ntext\r\n", `${front}\r\n\r\ntext\r\n`],
    );
  });
});

describe("a connection that is looked at", () => {
  const listed: ConnectionFindings = {
    results: [{ method: "iprev", result: "pass" }],
    name: "mx.world.test",
    refusal: reply(554, "5.7.1", "You are on a list"),
  };

  it("may write to nobody but the postmaster", async () => {
    const check = new Scripted({});
    await visit(withChecks({ connection: async () => listed, checks: [check] }), [
      ...[...hello, ...mail, "C: RCPT TO:<bob@example.org>", "P: 554 5.7.1 You are on a list"],
      ...["C: RCPT TO:<nobody@other.test>", "P: 550 5.7.1 *"],
      ...["C: RCPT TO:<postmaster@example.org>", "P: 250 *", ...letter, "P: 250 *", ...quit],
    ]);
    assert.deepEqual(
      (await entries(post.relay.spool)).map(({ recipients }) => recipients.map(({ address }) => address)),
      [["postmaster@example.org"]],
    );
    assert.equal(check.seen[0]?.letter.visitor.name, "mx.world.test");
    assert.equal(
      fieldsAbove((await contents())[0]),
      "Authentication-Results: relay.test;\r\n\tiprev=pass\r\n",
    );
  });

  it("is asked about once, whatever it says", async () => {
    const asked: string[] = [];
    const connection = async (address: string) => {
      asked.push(address);
      return { results: [] };
    };
    await visit(withChecks({ connection }), [
      ...[...hello, ...mail, ...bob, ...letter, "P: 250 *", ...mail, ...bob, ...letter, "P: 250 *", ...quit],
    ]);
    assert.deepEqual(asked, ["192.0.2.1"]);
  });

  it("waits for the greeting, or is sent away", async () => {
    const clock = manualClock();
    const relay = { ...withChecks({ greetingDelay: 5_000 }), clock };
    for (const early of [false, true]) {
      const [here, there] = pipe({ clock });
      const over = receive(
        relay,
        { service: "intake", startTls: false, requireTls: false, bareLineEnds: "refuse" },
        there,
      );
      await clock.advance(4_999);
      if (early) await here.write(new TextEncoder().encode("EHLO world.test\r\n"), 1_000);
      assert.equal(here.pending, 0);
      await clock.advance(1);
      await play(here, "C", early ? ["P: 554 5.5.1 *", "end"] : ["P: 220 *", ...quit], { clock });
      await over;
    }
  });
});
