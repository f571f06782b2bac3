import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Compatibility, lineDelivery } from "../../src/delivery/line.ts";
import { Talk } from "../../src/net/talk.ts";
import { entries, openPost } from "../support/post.ts";

const text = new TextEncoder().encode("Subject: half\r\n\r\nthe first half\r\n");

/** What a damaged disk makes of a body. */
const bodies = {
  "breaks off": async function* () {
    yield text;
    throw Object.assign(new Error("EIO: i/o error, read"), { code: "EIO" });
  },
  "is not there": async function* () {
    yield await Promise.reject<Uint8Array>(
      Object.assign(new Error("ENOENT: no such file"), { code: "ENOENT" }),
    );
  },
  "is too short": async function* () {
    yield text;
  },
};

describe("a message whose body cannot be read whole is put off, and no half of it is taken", () => {
  for (const [what, content] of Object.entries(bodies))
    for (const compatibility of ["auto", "bdat", "plain"] as const satisfies readonly Compatibility[])
      it(`when it ${what}, on a line that is used as ${compatibility}`, async () => {
        const post = await openPost();
        try {
          const talk = new Talk(post.dial("intake").connection);
          await talk.greeting();
          await talk.ask({ verb: "EHLO", name: "world.test" });
          const delivery = lineDelivery(talk, { compatibility });
          const recipients = [{ address: "bob@example.org", notify: [] }];
          const outcomes = await delivery.deliver({
            ...{ id: "", envelope: { from: "a@world.test", smtputf8: false, recipients } },
            ...{ size: 2 * text.length, arrived: 0, content },
          });
          await delivery.close();
          await post.quiet();
          assert.deepEqual(
            outcomes.map(({ to, result, reply }) => [to, result, reply.code]),
            [["bob@example.org", "deferred", 451]],
          );
          assert.deepEqual(await entries(post.relay.spool), []);
        } finally {
          await post.close();
        }
      });
});
