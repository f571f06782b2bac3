/** The world is a Postfix: our mail goes out to it signed, its refusals become notices, and ETRN delivers to it. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { Limits } from "../../src/delivery/limits.ts";
import { dial } from "../../src/net/dial.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { send } from "../../src/relay/dispatch.ts";
import { startDelivery } from "../../src/relay/etrn.ts";
import { sendNotices } from "../../src/relay/notices.ts";
import { bySmarthost } from "../../src/relay/outbound.ts";
import { contentOf, entries, HOME, openPost, type Post } from "../support/post.ts";
import { withPostfix } from "../support/postfix.ts";
import { eventually, inOpenFolder, withServers } from "../support/processes.ts";
import { play } from "../support/provider.ts";

const keys = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "der" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});

const settings = { smtpd_recipient_restrictions: "permit_auth_destination, reject" };

interface Scene {
  readonly post: Post;
  readonly mail: () => Promise<readonly Buffer[]>;
}

async function scene(act: (scene: Scene) => Promise<void>): Promise<void> {
  await inOpenFolder((folder) =>
    withPostfix(folder, { domains: ["world.test", "example.org"], settings }, async ({ port, maildir }) => {
      const host = { host: "127.0.0.1", port };
      const key = { selector: "odmr", key: keys.privateKey };
      const outbound = bySmarthost(
        { ...host, tls: "none", hostname: "relay.test" },
        { expire: 1e9, warnAfter: 1e9, keysOf: () => new Map([["example.org", key]]) },
        {
          ...{ random: systemRandom, log: { log: () => {} } },
          limits: new Limits({ all: 9, perDestination: 3 }, systemClock),
          connect: () => dial({ ...host, clock: systemClock, within: 10_000 }),
        },
      );
      const post = await openPost({ customers: [{ ...HOME, etrn: { ...host, tls: "none" } }], outbound });
      const mail = async () => {
        const names = await readdir(join(maildir, "new")).catch(() => []);
        return Promise.all(names.map((name) => readFile(join(maildir, "new", name))));
      };
      try {
        await act({ post, mail });
      } finally {
        await post.close();
      }
    }),
  );
}

async function submit(post: Post, to: readonly string[]): Promise<void> {
  post.line = { tls: { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" } };
  await play(post.dial("submission").connection, "C", [
    "P: 220 *",
    "C: EHLO house.test",
    "list",
    `C: AUTH PLAIN ${btoa("\0home\0home secret")}`,
    "P: 235 *",
    "C: MAIL FROM:<bob@example.org>",
    "P: 250 *",
    ...to.flatMap((address) => [`C: RCPT TO:<${address}>`, "P: 250 *"]),
    "C: DATA",
    "P: 354 *",
    "C: From: Bob <bob@example.org>",
    "C: Subject: out",
    "C: ",
    "C: text ",
    "C: ..",
    "C: .",
    "P: 250 *",
    "C: QUIT",
    "P: 221 *",
    "end",
  ]);
}

/** Postfix ends lines in LF, and writes its own fields on top. */
const asSent = (kept: Buffer): Buffer =>
  Buffer.from(
    kept
      .toString("latin1")
      .replace(/^[\s\S]*?(?=DKIM-Signature:)/, "")
      .replaceAll("\n", "\r\n"),
    "latin1",
  );

describe("a Postfix that is the world", withServers("postfix"), () => {
  it("gets mail that is signed, and its refusal comes back to the sender", async () => {
    await scene(async ({ post, mail }) => {
      await submit(post, ["eve@world.test", "eve@refused.test"]);
      await send(post.relay, { customer: "home" });
      await eventually(
        async () => (await mail()).length === 1,
        () => JSON.stringify(post.logged),
      );
      const { results } = await dkimVerify(asSent((await mail())[0]!), {
        resolver: async () => [[`v=DKIM1; k=rsa; p=${keys.publicKey.toString("base64")}`]],
      } as never);
      assert.deepEqual(
        results.map(({ signingDomain, status }: { signingDomain: string; status: { result: string } }) => [
          signingDomain,
          status.result,
        ]),
        [["example.org", "pass"]],
      );
      await sendNotices(post.relay);
      const [notice, ...more] = await entries(post.relay.spool);
      assert.deepEqual([notice?.direction, notice?.sender, more], ["turn", "", []]);
      const text = await contentOf(post.relay.spool, notice!.id);
      assert.match(text, /^Final-Recipient: rfc822; eve@refused\.test\r$/m);
      assert.match(text, /^Diagnostic-Code: smtp; 5\d\d /m);
    });
  });

  it("is a customer's own host after ETRN", async () => {
    await scene(async ({ post, mail }) => {
      await post.send({ from: "eve@world.test", to: ["bob@example.org"], body: "Subject: x\r\n\r\nx\r\n" });
      const codes: number[] = [];
      for (const node of ["work.test", "#other", "a b", "example.com", "@example.org", "example.org"]) {
        const { reply, delivery } = await startDelivery(post.relay, "home", node);
        codes.push(reply.code);
        await delivery;
      }
      assert.deepEqual(codes, [459, 459, 501, 251, 253, 251]);
      await eventually(
        async () => (await mail()).length === 1,
        () => JSON.stringify(post.logged),
      );
      assert.deepEqual(await entries(post.relay.spool), []);
    });
  });
});
