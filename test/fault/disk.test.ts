import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Files, systemFiles } from "../../src/platform/files.ts";
import { call } from "../../src/relay/call.ts";
import { receive } from "../../src/relay/reception.ts";
import { openSpool } from "../../src/spool/open.ts";
import { stored, temporary } from "../spool/support.ts";
import { pipe } from "../support/pipe.ts";
import { entries, openPost, type Post } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";

const hello: Talk = ["P: 220 *", "C: EHLO world.test", "list"];
const from: Talk = [
  "C: MAIL FROM:<a@world.test>",
  "P: 250 *",
  "C: RCPT TO:<bob@example.org>",
  "P: 250 *",
  "C: DATA",
  "P: 354 *",
];
const large: Talk = [...from, "C: Subject: large", "C: ", `C: ${"x".repeat(300_000)}`, "C: ."];
const small: Talk = [...from, "C: Subject: small", "C: ", "C: text", "C: ."];
const quit: Talk = ["C: QUIT", "P: 221 *", "end"];

describe("a disk that is", () => {
  let post: Post;
  let folder: ReturnType<typeof temporary>;
  let spool: Awaited<ReturnType<typeof openSpool>>;
  /** What the disk says to whoever writes a body; undefined: it is well. */
  let ill: string | undefined;

  const files: Files = {
    ...systemFiles,
    async create(path) {
      const file = await systemFiles.create(path);
      return {
        ...own(file),
        append: (...pieces) =>
          ill === undefined || !path.includes(".bodies")
            ? file.append(...pieces)
            : Promise.reject(Object.assign(new Error(`the disk says ${ill}`), { code: ill })),
      };
    },
  };

  beforeEach(async () => {
    ill = undefined;
    post = await openPost();
    folder = temporary();
    const { clock, random, log } = post;
    spool = await openSpool({ path: `${folder.path}/sick.db`, clock, random, log, files, thread: "here" });
  });
  afterEach(async () => {
    await spool.close();
    await post.close();
    folder.remove();
  });

  for (const [code, answer] of [
    ["ENOSPC", "452 4.3.1"],
    ["EDQUOT", "452 4.3.1"],
    ["EIO", "451 4.3.0"],
    ["EROFS", "451 4.3.0"],
  ] as const) {
    it(`${code} at the relay: ${answer}, the session goes on, and nothing is left behind`, async () => {
      const [here, there] = pipe();
      const over = receive(
        { ...post.relay, spool },
        { service: "intake", startTls: false, requireTls: false, bareLineEnds: "refuse" },
        there,
      );
      ill = code;
      await play(here, "C", [...hello, ...large, `P: ${answer} *`, ...small, "P: 250 2.0.0 *", ...quit]);
      await over;
      assert.deepEqual(
        (await entries(spool)).map(({ subject }) => subject),
        ["small"],
      );
    });

    it(`${code} in the house: the relay keeps the message, and it comes when the disk is well`, async () => {
      const now = post.clock.now();
      const body = `Subject: large\r\n\r\n${"x".repeat(300_000)}\r\n`;
      await stored(post.relay.spool, { body, subject: "large", arrived: now, expires: now + 1e10 });
      await stored(post.relay.spool, { arrived: now, expires: now + 1e10 });
      ill = code;
      const house = { ...post.caller, spool };
      assert.equal((await call(post.account, [], house)).messages, 1);
      await post.quiet();
      const [kept] = await entries(post.relay.spool);
      assert.deepEqual(
        kept?.recipients.map(({ state, attempts }) => [state, attempts]),
        [["waiting", 1]],
      );
      ill = undefined;
      for await (const _ of post.relay.spool.act(
        { type: "retry" },
        {},
        { name: "test", reason: "the disk is well" },
      ));
      assert.equal((await call(post.account, [], house)).messages, 1);
      assert.deepEqual((await entries(spool)).map(({ subject }) => subject).sort(), ["hello", "large"]);
    });
  }
});

/** The file's own acts, bound to it. */
function own(file: Awaited<ReturnType<Files["create"]>>): Awaited<ReturnType<Files["create"]>> {
  return {
    append: (...pieces) => file.append(...pieces),
    sync: () => file.sync(),
    close: () => file.close(),
  };
}
