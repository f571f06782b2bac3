import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { offerTo } from "../../src/relay/offer.ts";
import type { DoorSettings } from "../../src/relay/relay.ts";
import { HOME, openPost, type Post } from "../support/post.ts";

const door: DoorSettings = { service: "odmr", startTls: true, requireTls: false, bareLineEnds: "refuse" };
const stranger = { tls: undefined, known: false, inspected: false };

describe("an offer", () => {
  let post: Post;
  before(async () => {
    post = await openPost({ customers: [HOME] });
  });
  after(() => post.close());

  it("is one object for all who are offered the same, and another at each door and under each book", () => {
    const { relay } = post;
    const first = offerTo(relay, door, stranger);
    assert.equal(offerTo(relay, door, { ...stranger }), first);
    assert.notEqual(offerTo(relay, { ...door }, stranger), first);
    const book = { ...relay.book, messageSize: 1_000 };
    assert.deepEqual(offerTo({ ...relay, book }, door, stranger), { ...first, sizeLimit: 1_000 });
  });

  it("has no login for whom is known, and fewer bodies under way for whom is looked at", () => {
    const first = offerTo(post.relay, door, stranger);
    const { mechanisms, owedLimit } = offerTo(post.relay, door, {
      tls: undefined,
      known: true,
      inspected: true,
    });
    assert.deepEqual({ mechanisms, fewer: owedLimit < first.owedLimit }, { mechanisms: [], fewer: true });
  });
});
