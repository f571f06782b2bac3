import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { decideTurn } from "../../src/relay/atrn.ts";
import { SpoolError } from "../../src/spool/spool.ts";
import { formatReply, replyLine } from "../../src/wire/reply.ts";
import { stored } from "../spool/support.ts";
import { HOME, openPost, type Post } from "../support/post.ts";

const WORK = { ...HOME, name: "work", domains: ["work.test"] };

describe("whether the line turns", () => {
  let post: Post;
  beforeEach(async () => {
    post = await openPost({ customers: [HOME, WORK] });
  });
  afterEach(() => post.close());

  const hold = (to = "bob@example.org", customer = "home") =>
    stored(post.relay.spool, {
      to: [to],
      lane: { direction: "turn", customer },
      expires: post.clock.now() + 1e9,
    });

  const decide = (user: string, ...domains: readonly string[]) =>
    decideTurn(post.relay, user, domains, "192.0.2.1");

  it("is told in one line, with how many messages wait", async () => {
    await hold();
    const one = await decide("home");
    assert.equal(formatReply(one.reply), "250 2.0.0 OK now reversing the connection, 1 message\r\n");
    await one.turn?.claim.release();
    await hold();
    const two = await decide("home");
    assert.match(replyLine(two.reply), /, 2 messages$/);
    await two.turn?.claim.release();
  });

  it("is 453 without mail, for a domain without mail, and for mail that another turn has", async () => {
    assert.equal((await decide("home")).reply.code, 453);
    await hold();
    assert.equal((await decide("home", "example.com")).reply.code, 453);
    const first = await decide("home", "example.org");
    const second = await decide("home");
    assert.deepEqual([first.reply.code, second.reply.code, second.turn], [250, 453, undefined]);
    await first.turn?.claim.release();
    const third = await decide("home");
    assert.equal(third.reply.code, 250);
    await third.turn?.claim.release();
  });

  it("is 450 for whatever is not the customer's, whoever else has it", async () => {
    await hold("ann@work.test", "work");
    for (const domains of [
      ["work.test"],
      ["nobody.test"],
      ["example.org", "work.test"],
      ["work.test", "example.org"],
      ["sub.example.org"],
    ]) {
      const { reply, turn } = await decide("home", ...domains);
      assert.match(replyLine(reply), /^450 4\.7\.1 /);
      assert.equal(turn, undefined);
    }
    assert.equal((await decide("nobody")).reply.code, 450);
  });

  it("never hands one customer's mail to another", async () => {
    await hold("ann@work.test", "work");
    assert.equal((await decide("home")).reply.code, 453);
  });

  it("is 451 where the spool cannot say", async () => {
    const spool = new Proxy(post.relay.spool, {
      get: (target, name) =>
        name === "claim"
          ? () => Promise.reject(new SpoolError("busy", "locked"))
          : Reflect.get(target, name, target),
    });
    const { reply, turn } = await decideTurn({ ...post.relay, spool }, "home", [], "192.0.2.1");
    assert.deepEqual([replyLine(reply), turn], ["451 4.3.0 Unable to process ATRN request now", undefined]);
    assert.ok(post.logged.some(({ event }) => event === "turn impossible"));
  });
});
