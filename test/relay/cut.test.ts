import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CallError } from "../../src/relay/callerror.ts";
import { entries, openPost, type Post } from "../support/post.ts";

/** Messages that wait for the house: some small, one with two recipients. */
async function hold(post: Post, round: number): Promise<void> {
  const { spool, clock } = post.relay;
  const messages = [["bob@example.org"], ["ann@example.org", "bob@example.com"], ["ann@example.com"]];
  await Promise.all(
    messages.map(async (to, i) => {
      const draft = spool.begin({
        envelope: { from: "a@world.test", smtputf8: false },
        postings: [
          {
            lane: { direction: "turn", customer: "home" },
            recipients: to.map((address) => ({ address, notify: [] })),
            expires: clock.now() + 86_400_000,
          },
        ],
        source: { protocol: "file", peer: "test" },
        arrived: clock.now(),
        trace: () => "",
      });
      await draft.write(new TextEncoder().encode(`Subject: ${round}.${i}\r\n\r\n${"x".repeat(i * 5)}\r\n`));
      await draft.commit({ subject: `${round}.${i}` });
    }),
  );
}

const expected = ["bob@example.org 0", "ann@example.org 1", "bob@example.com 1", "ann@example.com 2"].sort();

/** What the house has of a round: a line for each recipient and message. */
async function had(post: Post, round: number): Promise<readonly string[]> {
  return (await entries(post.house))
    .filter(({ subject }) => subject.startsWith(`${round}.`))
    .flatMap(({ subject, recipients }) =>
      recipients.map(({ address }) => `${address} ${subject.split(".")[1]}`),
    )
    .sort();
}

/** Deno takes twice as long for each: every third is cut there. */
const STEP = "Deno" in globalThis ? 3 : 1;

/** Cuts a turn after every octet of one direction, calls again without a cut, and looks what is at home. */
async function cutEverywhere(direction: 0 | 1): Promise<number> {
  const post = await openPost();
  try {
    for (let at = 1; ; at += STEP) {
      await hold(post, at);
      post.line = { cut: direction === 0 ? [at, undefined] : [undefined, at] };
      const broke = await post.call().then(
        () => false,
        (fault: unknown) => {
          assert.ok(fault instanceof CallError, String(fault));
          return true;
        },
      );
      post.line = {};
      await post.quiet();
      await post.call();
      assert.deepEqual(await had(post, at), expected, `cut after octet ${at}`);
      assert.deepEqual(await entries(post.relay.spool), [], `cut after octet ${at}: nothing is left behind`);
      for await (const _ of post.house.act({ type: "remove" }, {}, { name: "test", reason: "next round" }));
      if (!broke) return at;
    }
  } finally {
    await post.close();
  }
}

describe("a turn that is cut after any octet loses nothing and doubles nothing", () => {
  it("of what the house says", async () => assert.ok((await cutEverywhere(0)) > 300));
  it("of what the relay says", async () => assert.ok((await cutEverywhere(1)) > 800));
});
