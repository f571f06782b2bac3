import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { openOffice } from "../../src/relay/office.ts";
import { stored } from "../spool/support.ts";
import { type ManualClock, manualClock } from "../support/clock.ts";
import { entries, HOME, openPost, type Post } from "../support/post.ts";

const DAY = 86_400_000;

describe("mail that nobody calls for", () => {
  let post: Post;
  let clock: ManualClock;
  beforeEach(async () => {
    clock = manualClock();
    post = await openPost({ clock, customers: [{ ...HOME, hold: 2 * DAY }] });
  });
  afterEach(() => post.close());

  const states = async () => (await entries(post.relay.spool, true)).map(({ state }) => state);

  it("is given up when its hold time is over, and not a minute before", async () => {
    const office = await openOffice(post.relay, { doors: [], maxConnections: 1, perAddress: 1 });
    await post.send({ to: ["bob@example.org"], body: "Subject: old\r\n\r\ntext\r\n" });
    const [entry] = await entries(post.relay.spool);
    assert.equal(entry?.expires, clock.now() + 2 * DAY);
    const state = async () =>
      (await entries(post.relay.spool, true)).find(({ id }) => id === entry.id)?.state;
    await clock.leap(2 * DAY - 61_000);
    assert.equal(await state(), "waiting");
    await clock.advance(121_000);
    assert.equal(await state(), "expired");
    assert.ok(post.logged.some(({ event, fields }) => event === "expired" && fields.id === entry.id));
    // What the house gets is the warning that was written to it before.
    assert.equal((await post.call()).messages, 1);
    assert.ok((await entries(post.house)).every(({ subject }) => subject !== "old"));
    await office.close();
  });

  it("and has left is forgotten after ninety days, by the office that is open then", async () => {
    const leave = async (): Promise<string> => {
      const id = await stored(post.relay.spool, { arrived: clock.now(), expires: clock.now() + DAY });
      const remove = { type: "remove" } as const;
      for await (const _ of post.relay.spool.act(remove, { ids: [id] }, { name: "test", reason: "" }));
      return id;
    };
    await leave();
    await clock.advance(2 * DAY);
    const later = await leave();
    await clock.advance(89 * DAY);
    const office = await openOffice(post.relay, { doors: [], maxConnections: 1, perAddress: 1 });
    await clock.advance(1000);
    await office.close();
    assert.deepEqual(
      (await entries(post.relay.spool, true)).map(({ id }) => id),
      [later],
    );
  });

  it("stays for ever where it is held, and while a turn has it", async () => {
    const expires = clock.now() + DAY;
    const held = await stored(post.relay.spool, { arrived: clock.now(), expires });
    for await (const _ of post.relay.spool.act(
      { type: "hold" },
      { ids: [held] },
      { name: "test", reason: "wait" },
    ));
    await stored(post.relay.spool, { arrived: clock.now(), expires });
    const claim = await post.relay.spool.claim(
      { lane: { direction: "turn", customer: "home" }, lease: 3 * DAY },
      "test/1",
    );
    assert.ok(typeof claim === "object");
    assert.ok(await claim.next());
    assert.deepEqual(await post.relay.spool.expire(clock.now() + 2 * DAY), []);
    await claim.release();
    assert.equal((await post.relay.spool.expire(clock.now() + 2 * DAY)).length, 1);
    assert.deepEqual((await states()).sort(), ["expired", "held"]);
  });
});
