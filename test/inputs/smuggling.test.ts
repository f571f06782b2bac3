import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { openPost, type Post } from "../support/post.ts";
import { kept, listeners, nextIsServed, quit, visit } from "./listeners.ts";

const evil = "MAIL FROM:<evil@x.test>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: evil\r\n\r\n.\r\n";
const bare = [
  ..."\n.\n|\n.\r\n|\r\n.\n|\r.\r|\r.\n|\n.\r|\r.\r\n|\r\n.\r|\r\n.\r\r\n|\r\r\n.\r\r\n".split("|"),
] as const;

let post: Post;
beforeEach(async () => {
  post = await openPost({ messageSize: 100_000 });
});
afterEach(() => post.close());

for (const listener of listeners)
  describe(`${listener.name}: a body that is made to smuggle`, () => {
    for (const pattern of bare)
      for (const by of ["DATA", "BDAT"])
        it(`by ${JSON.stringify(pattern)} in ${by} is refused once, and the line ends`, async () => {
          const body = `Subject: hello${pattern}${evil}`;
          const announced = by === "DATA" ? ["C: DATA", "P: 354 *"] : [`C: BDAT ${body.length} LAST`];
          await visit(
            post,
            listener,
            [...listener.ready, ...announced, `C: ${body}\\`, "P: 554 5.5.2 *", "end"],
            {
              line: { split: "octets" },
            },
          );
          assert.deepEqual(await kept(post, listener), []);
        });

    it("by NULs about the dot is one message, and the next peer is served", async () => {
      const body = `Subject: hello\r\n\0.\r\n.\0\r\n${evil}`;
      await visit(post, listener, [
        ...listener.ready,
        "C: DATA",
        "P: 354 *",
        `C: ${body}\\`,
        "P: 250 *",
        ...quit,
      ]);
      const [only, ...others] = await kept(post, listener);
      assert.equal(others.length, 0);
      assert.match(only?.body ?? "", /\r\n\0\.\r\n\0\r\nMAIL FROM/);
      await nextIsServed(post, listener);
    });
  });
