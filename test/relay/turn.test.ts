import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { contentOf, entries, openPost, type Post } from "../support/post.ts";

describe("the whole journey", () => {
  let post: Post;
  afterEach(() => post.close());

  it("mail comes in, is held, the line turns, and it is in the house", async () => {
    post = await openPost();
    assert.deepEqual(await post.send({ to: ["bob@example.org"], body: "Subject: hello\r\n\r\n.dot\r\n" }), [
      "250 2.0.0",
    ]);
    assert.equal((await entries(post.relay.spool)).length, 1);
    assert.deepEqual(await post.call(), {
      messages: 1,
      octets: (await entries(post.house))[0]!.size - received(await only(post)),
    });
    const [here] = await entries(post.house);
    assert.equal(here?.subject, "hello");
    assert.equal(here.sender, "sender@world.test");
    assert.deepEqual(
      here.recipients.map(({ address, state }) => [address, state]),
      [["bob@example.org", "waiting"]],
    );
    assert.match(
      await contentOf(post.house, here.id),
      /^Received: from relay\.test[\s\S]*\r\nReceived: from world\.test[\s\S]*\r\nSubject: hello\r\n\r\n\.dot\r\n$/,
    );
    assert.deepEqual(await entries(post.relay.spool), []);
    assert.equal((await entries(post.relay.spool, true))[0]?.recipients[0]?.state, "delivered");
  });

  it("no mail is no trouble", async () => {
    post = await openPost();
    assert.deepEqual(await post.call(), { messages: 0, octets: 0 });
  });

  it("a thousand messages go in one turn", async () => {
    post = await openPost();
    for (let i = 0; i < 1_000; i++) await inject(post, i);
    const { messages } = await post.call();
    assert.equal(messages, 1_000);
    const subjects = (await entries(post.house)).map(({ subject }) => subject);
    assert.equal(new Set(subjects).size, 1_000);
    assert.deepEqual(await entries(post.relay.spool), []);
  });
});

async function only(post: Post): Promise<string> {
  return contentOf(post.house, (await entries(post.house))[0]!.id);
}

/** Octets of the topmost Received field. */
function received(content: string): number {
  return /^Received:[\s\S]*?\r\n(?!\t)/.exec(content)![0].length;
}

async function inject(post: Post, i: number): Promise<void> {
  const draft = post.relay.spool.begin({
    envelope: { from: "a@world.test", smtputf8: false },
    postings: [
      {
        lane: { direction: "turn", customer: "home" },
        recipients: [{ address: "bob@example.org", notify: [] }],
        expires: Date.now() + 1e9,
      },
    ],
    source: { protocol: "file", peer: "test" },
    arrived: Date.now(),
    trace: () => "",
  });
  await draft.write(new TextEncoder().encode(`Subject: ${i}\r\n\r\n${"x".repeat(i)}\r\n`));
  await draft.commit({ subject: String(i) });
}
