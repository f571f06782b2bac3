/** The dialogs of dist/docs/extensions.md, played against the program: what stands there is what it says. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { begin } from "../../src/relay/call.ts";
import { takeIn } from "../../src/relay/house.ts";
import type { Pairing } from "../../src/relay/pairing.ts";
import { receive } from "../../src/relay/reception.ts";
import { pipe } from "../support/pipe.ts";
import { HOME, openPost, type Post } from "../support/post.ts";
import { play } from "../support/provider.ts";

const text = readFileSync(new URL("../../dist/docs/extensions.md", import.meta.url), "utf8");
const dialogs = [...text.matchAll(/^```dialog (customer|provider|stranger)( limit)?\n(.*?)^```$/gms)].map(
  ([, side = "", limit, talk = ""], i) => ({
    title: `dialog ${i + 1}, by the ${side}`,
    side: side === "provider" ? ("P" as const) : ("C" as const),
    known: side !== "stranger",
    limit: limit !== undefined,
    talk: talk
      .replaceAll("relay.example.net", "relay.test")
      .replaceAll("…", "*")
      .replace(/^([PC]):$/gm, "$1: ")
      .trimEnd()
      .split("\n"),
  }),
);

const letter = {
  from: "ann@world.example",
  to: ["bob@example.org"],
  body: "Subject: Hello\r\n\r\nText.\r\n",
};

/** A script for the customer: from where it is known, with the mail that arrives on the way. */
async function asCustomer(post: Post, talk: readonly string[]): Promise<void> {
  const { connection } = await begin(post.account, post.caller);
  const parts = talk.join("\n").split(/^mail\n/m);
  for (const [i, part] of parts.entries()) {
    if (i > 0) await post.send(letter);
    await play(
      connection,
      "C",
      part.split("\n").filter((line) => line !== ""),
    );
  }
  await connection.close();
}

/** A script for somebody who has an invitation, from the greeting on, under TLS. */
async function asStranger(post: Post, talk: readonly string[]): Promise<void> {
  const pairing: Pairing = {
    redeem: async (token) => (token === "5TCkZGyXMjoALSXyxMbzCw" ? HOME : "refused"),
  };
  const [here, there] = pipe({ tls: { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" } });
  const door = { service: "odmr", startTls: true, requireTls: true, bareLineEnds: "refuse" } as const;
  const over = receive({ ...post.relay, pairing }, door, there);
  await play(here, "C", talk);
  await here.close();
  await over;
}

/** A script for the provider, from the turn on. */
async function asProvider(post: Post, talk: readonly string[], largest: number | undefined): Promise<void> {
  const [here, there] = pipe();
  const visit = takeIn(
    {
      hostname: "house.example.org",
      account: "vps",
      domains: ["example.org"],
      messageSize: 10_000_000,
      spool: post.house,
      clock: post.clock,
      log: post.log,
      again: true,
      largest,
    },
    there,
  );
  await play(here, "P", talk);
  assert.equal((await visit).again, false);
  await here.close();
}

describe("the document on extensions", () => {
  it("has a dialog for each of them", () => assert.equal(dialogs.length, 6));
  for (const { title, side, known, limit, talk } of dialogs)
    it(`${title}, is what is said`, async () => {
      const post = await openPost({ wait: 240_000 });
      try {
        if (!known) await asStranger(post, talk);
        else if (side === "C") await asCustomer(post, talk);
        else await asProvider(post, talk, limit ? 16 : undefined);
      } finally {
        await post.close();
      }
    });
});
