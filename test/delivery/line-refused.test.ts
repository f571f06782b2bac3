import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Compatibility, lineDelivery } from "../../src/delivery/line.ts";
import { Talk } from "../../src/net/talk.ts";
import { contentOf, entries, openPost } from "../support/post.ts";

const parcel = (from: string, to: string, body: string) => {
  const bytes = new TextEncoder().encode(body);
  return {
    id: "",
    envelope: { from, smtputf8: false, recipients: [{ address: to, notify: [] }] },
    size: bytes.length,
    arrived: 0,
    content: () => [bytes],
  };
};

describe("a message whose recipients were all refused leaves the next one alone", () => {
  for (const compatibility of ["auto", "bdat", "plain"] as const satisfies readonly Compatibility[])
    it(`when the line is used as ${compatibility}`, async () => {
      const post = await openPost();
      try {
        const talk = new Talk(post.dial("intake").connection);
        await talk.greeting();
        await talk.ask({ verb: "EHLO", name: "world.test" });
        const delivery = lineDelivery(talk, { compatibility });
        const outcomes = await Promise.all([
          delivery.deliver(parcel("a@world.test", "nobody@elsewhere.test", "first\r\n")),
          delivery.deliver(parcel("b@world.test", "bob@example.org", "second\r\n")),
        ]);
        await delivery.close();
        assert.deepEqual(
          outcomes.flat().map(({ result }) => result),
          ["refused", "delivered"],
        );
        const [held, ...more] = await entries(post.relay.spool);
        assert.equal(held?.sender, "b@world.test");
        assert.match(await contentOf(post.relay.spool, held.id), /second\r\n$/);
        assert.deepEqual(more, []);
      } finally {
        await post.close();
      }
    });
});
