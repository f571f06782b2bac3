import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { openPost, type Post } from "../support/post.ts";
import { kept, listeners, nextIsServed, quit, visit } from "./listeners.ts";

let post: Post;
beforeEach(async () => {
  post = await openPost({ messageSize: 100_000 });
});
afterEach(() => post.close());

const sizes = ["-1", "1e99", "", "0x10", "1.5", "+1", " 1", "1,000", "9".repeat(30)] as const;

for (const listener of listeners)
  describe(`${listener.name}: a SIZE that is announced`, () => {
    it("and is no size is refused, and the session goes on", async () => {
      const { hello, sender } = listener;
      const refused = sizes.flatMap((size) => [`C: MAIL FROM:<${sender}> SIZE=${size}`, "P: 5?? 5.*"]);
      await visit(post, listener, [...hello, ...refused, ...quit]);
      assert.deepEqual(await kept(post, listener), []);
      await nextIsServed(post, listener);
    });
  });
