/** SMTP smuggling, sending: whatever a body has in it, and however it came, one message leaves for each that is held. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Delivery } from "../../src/delivery/delivery.ts";
import { dialled } from "../../src/delivery/dialled.ts";
import { type Compatibility, lineDelivery } from "../../src/delivery/line.ts";
import { messagesAt } from "../../src/mail/files.ts";
import { Talk } from "../../src/net/talk.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { acceptance } from "../spool/support.ts";
import { inFolder, octets, parcelFor } from "../support/mail.ts";
import { pipe } from "../support/pipe.ts";
import { contentOf, entries, openPost, type Post } from "../support/post.ts";
import { play } from "../support/provider.ts";
import { patterns } from "./rows/smuggling.ts";
import { type Body, take } from "./taker.ts";

const evil = "MAIL FROM:<evil@x.test>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: evil\r\n\r\n.x\r\n";
const bodies = patterns.map((pattern) => `Subject: hello${pattern}${evil}`);

/** How a message may come to be held that has such things in it. */
const arrivals: Readonly<Record<string, (post: Post) => Promise<void>>> = {
  "by BDAT": (post) => byLmtp(post, (body) => [`C: BDAT ${body.length} LAST`, `C: ${body}\\`]),
  "by LMTP": (post) =>
    byLmtp(post, (body) => ["C: DATA", "P: 354 *", `C: ${body.replaceAll("\r\n.", "\r\n..")}\\`, "C: ."]),
  "by import": (post) =>
    inFolder(async (folder) => {
      await mkdir(join(folder, "mail"));
      for (const [i, body] of bodies.entries()) await writeFile(join(folder, "mail", `${10 + i}.eml`), body);
      for await (const found of messagesAt(join(folder, "mail"), "folder", systemFiles)) {
        const now = post.clock.now();
        const draft = post.relay.spool.begin(acceptance({ trace: "", arrived: now, expires: now + 1e9 }));
        for await (const piece of found.content()) await draft.write(piece);
        await draft.commit({});
      }
    }),
};

async function byLmtp(post: Post, said: (body: string) => readonly string[]): Promise<void> {
  const { connection } = post.dial("lmtp", { bareLineEnds: "normalise" });
  const envelope = ["MAIL FROM:<a@world.test>", "RCPT TO:<bob@example.org>"].flatMap((line) => [
    `C: ${line}`,
    "P: 250 *",
  ]);
  await play(connection, "C", ["P: 220 *", "C: LHLO mta.test", "list"]);
  for (const body of bodies) await play(connection, "C", [...envelope, ...said(body), "P: 250 *"]);
  await play(connection, "C", ["C: QUIT", "P: 221 *", "end"]);
}

/** How it may leave. */
const ways: Readonly<
  Record<string, { readonly lists: readonly string[]; readonly as: Compatibility | "LMTP" }>
> = {
  "in a stream, as between our two ends": { lists: ["XODMRID", "PIPELINING", "CHUNKING"], as: "auto" },
  "in groups": { lists: ["PIPELINING"], as: "auto" },
  "in chunks": { lists: ["CHUNKING"], as: "bdat" },
  "line by line": { lists: [], as: "plain" },
  "to an SMTP host of another make": { lists: [], as: "auto" },
  "by LMTP": { lists: ["PIPELINING"], as: "LMTP" },
};

async function sent(texts: readonly string[], way: keyof typeof ways): Promise<readonly Body[]> {
  const { lists, as } = ways[way]!;
  const [here, there] = pipe({ split: { seed: 7 } });
  const taking = take(there, { lists });
  let delivery: Delivery;
  if (as === "LMTP")
    delivery = dialled({ dialect: "LMTP", name: "lmtp", hostname: "us.test", dial: async () => here });
  else {
    const talk = new Talk(here);
    await talk.greeting();
    await talk.ask({ verb: "EHLO", name: "us.test" });
    delivery = lineDelivery(talk, { compatibility: as, spool: "11111111-1111-7111-8111-111111111111" });
  }
  for (const text of texts) {
    const [outcome] = await delivery.deliver(parcelFor(["bob@example.org"], { content: octets(text) }));
    assert.equal(outcome?.result, "delivered");
  }
  await delivery.close();
  return taking;
}

const stuffed = (text: string): string => text.replace(/^\./gm, "..");
const canonical = (text: string): string => text.replace(/\r\n|\r|\n/g, "\r\n");

for (const [arrival, arrive] of Object.entries(arrivals))
  describe(`bodies that are made to smuggle, and came ${arrival},`, () => {
    let post: Post;
    let held: readonly string[];
    before(async () => {
      post = await openPost();
      await arrive(post);
      const all = await entries(post.relay.spool);
      const texts = await Promise.all(all.map(({ id }) => contentOf(post.relay.spool, id)));
      held = texts.map((text) => text.replace(/^Received:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*/, ""));
    });
    after(() => post.close());

    it("are held as one message each, every line ended by CRLF", () => {
      assert.deepEqual(held, bodies.map(canonical));
    });

    for (const way of Object.keys(ways))
      it(`leave ${way}, octet for octet, each as one`, async () => {
        const came = await sent(held, way);
        assert.deepEqual(
          came.map(({ octets }) => octets),
          came.map(({ by }, i) => (by === "DATA" ? stuffed(held[i] ?? "") : (held[i] ?? ""))),
        );
        assert.equal(came.length, held.length);
        assert.doesNotMatch(came.map(({ octets }) => octets).join(""), /\r(?!\n)|(?<!\r)\n/);
      });
  });
