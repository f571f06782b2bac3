import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { call } from "../../src/relay/call.ts";
import { manualClock } from "../support/clock.ts";
import { entries, openPost, type Post } from "../support/post.ts";

/** Two relays of one house: the second one's mail is taken into the first one's house. */
describe("two relays for one house", () => {
  const posts: Post[] = [];
  afterEach(async () => {
    for (const post of posts.splice(0)) await post.close();
  });

  const twoRelays = async (doubles: "keep" | "remove") => {
    const clock = manualClock();
    const [first, second] = [await openPost({ clock }), await openPost({ clock, seed: 2 })];
    posts.push(first, second);
    const account = (name: string) => ({ ...first.account, name, doubles });
    return {
      clock,
      first,
      second,
      callBoth: async () => [
        await call(account("mx10"), [], first.caller),
        await call(account("mx20"), [], { ...second.caller, spool: first.house, log: first.log }),
      ],
      subjects: async () => (await entries(first.house)).map(({ subject }) => subject),
    };
  };
  const mail = {
    to: ["bob@example.org"],
    body: "Message-ID: <1@world.test>\r\nSubject: one\r\n\r\nText.\r\n",
  };

  it("keep both of the same mail, unless they are told otherwise", async () => {
    const { first, second, callBoth, subjects } = await twoRelays("keep");
    await first.send(mail);
    await second.send(mail);
    await callBoth();
    assert.deepEqual(await subjects(), ["one", "one"]);
  });

  it("remove the second, say so in the log and in the history, and are settled with both relays", async () => {
    const { first, second, callBoth, subjects } = await twoRelays("remove");
    await first.send(mail);
    await second.send(mail);
    await callBoth();
    assert.deepEqual(await subjects(), ["one"]);
    assert.deepEqual(await entries(second.relay.spool), []);
    assert.deepEqual(
      first.logged.filter(({ event }) => event === "double removed").map(({ fields }) => fields.to),
      [["bob@example.org"]],
    );
    const history = [];
    for await (const event of first.house.history({})) history.push(event);
    assert.deepEqual(
      history.map(({ what, recipient }) => [what, recipient]),
      [
        ["accepted", undefined],
        ["doubled", "bob@example.org"],
      ],
    );
    assert.match(history[1]!.reason, /^it came again by 192\.0\.2\.2, as \S+, and the double was removed$/);
  });

  it("keep what is for another recipient, from another sender, with other text or another id", async () => {
    const { first, second, callBoth } = await twoRelays("remove");
    await first.send(mail);
    await second.send({ ...mail, to: ["bob@example.org", "ann@example.org"] });
    await second.send({ ...mail, from: "other@world.test" });
    await second.send({ ...mail, body: `${mail.body}More.\r\n` });
    await second.send({ ...mail, body: mail.body.replace("<1@", "<2@") });
    await second.send({ ...mail, body: mail.body.replace(/^.*\r\n/, "") });
    await second.send({ ...mail, body: mail.body.replace(/^.*\r\n/, "") });
    await callBoth();
    const kept = (await entries(first.house)).map(({ recipients }) =>
      recipients.map(({ address }) => address),
    );
    assert.deepEqual(kept, [
      ["bob@example.org"],
      ["ann@example.org"],
      ...Array.from({ length: 5 }, () => ["bob@example.org"]),
    ]);
  });

  it("keep what comes again after more than a day", async () => {
    const { clock, first, second, callBoth, subjects } = await twoRelays("remove");
    await first.send(mail);
    await callBoth();
    await clock.advance(86_400_001);
    await second.send(mail);
    await callBoth();
    assert.deepEqual(await subjects(), ["one", "one"]);
  });
});
