/** What speaks another protocol, too early, behind STARTTLS, or without end: at every listener, over lines cut anywhere. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { receive } from "../../src/relay/reception.ts";
import { pipe } from "../support/pipe.ts";
import { openPost, type Post } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";
import { enter, kept, type Listener, listeners, nextIsServed, visit } from "./listeners.ts";

let post: Post;
beforeEach(async () => {
  post = await openPost({ messageSize: 2_000_000 });
});
afterEach(() => post.close());

const ENDS = [/^421 4\.7\.0 /, /^50\d 5\.5\.\d /, /^554 5\.5\.1 /];

/** Speaks and listens to the end. @returns the last line that was heard */
async function lastLine(listener: Listener, talk: Talk): Promise<string> {
  const { peer, over } = enter(post, listener, { line: { split: "octets" } });
  const heard = await play(peer, "C", [...talk, "rest"]);
  await over;
  return heard.trimEnd().split("\r\n").at(-1) ?? "";
}

const foreign: Readonly<Record<string, string>> = {
  "an HTTP GET": "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
  "an HTTP POST with SMTP in it": "POST / HTTP/1.1\r\n\r\nEHLO x\r\nMAIL FROM:<a@world.test>\r\n",
  "a TLS ClientHello": "\x16\x03\x01\x02\n\x01\xfc\x03\x03",
  "a PROXY header": "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
  SSH: "SSH-2.0-OpenSSH_9.9\r\n",
  "a line of 1 MB without an end": "x".repeat(1_000_000),
};

for (const listener of listeners)
  describe(`${listener.name}: who is no mail server`, () => {
    for (const [what, octets] of Object.entries(foreign))
      it(`and says ${what} is told so, and let go`, async () => {
        const last = await lastLine(listener, ["P: 220 *", `C: ${octets}\\`]);
        assert.ok(
          ENDS.some((end) => end.test(last)),
          JSON.stringify(last),
        );
        assert.deepEqual(await kept(post, listener), []);
        await nextIsServed(post, listener);
      });

    it("100,000 header lines are mail like any other", async () => {
      const fields = "X: y\r\n".repeat(100_000);
      await visit(
        post,
        listener,
        [
          ...listener.ready,
          ...["C: DATA", "P: 354 *", `C: Subject: wide\r\n${fields}\r\ntext`, "C: .", "P: 250 *"],
          ...["C: QUIT", "P: 221 *", "end"],
        ],
        { messageSize: 2_000_000 },
      );
      const [only] = await kept(post, listener);
      assert.equal(only?.body, `Subject: wide\r\n${fields}\r\ntext\r\n`);
    });
  });

describe("STARTTLS with octets behind it in one segment", () => {
  for (const service of ["intake", "lmtp", "submission", "odmr"] as const)
    it(`ends the session at the ${service} door`, async () => {
      const [peer, ours] = pipe();
      const relay = { ...post.relay, book: { ...post.relay.book, tls: { certificate: "", key: "" } } };
      const door = { service, startTls: true, requireTls: false, bareLineEnds: "refuse" } as const;
      const over = receive(relay, door, ours);
      const hello = service === "lmtp" ? "LHLO" : "EHLO";
      const behind = "RSET\r\nMAIL FROM:<a@world.test>\r\nRCPT TO:<bob@example.org>\r\n";
      const talk = ["P: 220 *", `C: ${hello} peer.test`, "list", `C: STARTTLS\r\n${behind}\\`];
      await play(peer, "C", [...talk, "P: 421 4.7.0 *", "end"]);
      await over;
    });
});
