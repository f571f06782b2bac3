/** A turn with many messages in flight, in the middle of which something goes wrong: each settles by its own reply only. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { stored } from "../spool/support.ts";
import { type ManualClock, manualClock } from "../support/clock.ts";
import { entries, openPost, type Post } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";

const names = ["one", "two", "three", "four", "five"] as const;
type Name = (typeof names)[number];

const turned: Talk = [
  "P: 220 relay.test *",
  "C: EHLO home.test",
  "list",
  `C: AUTH PLAIN ${btoa("\0home\0home secret")}`,
  "P: 235 2.7.0 *",
  "C: ATRN",
  "P: 250 2.0.0 *",
  "C: 220 home.test",
  "P: EHLO relay.test",
  "C: 250-home.test",
  "C: 250-PIPELINING",
  "C: 250-CHUNKING",
  "C: 250 XODMRID",
];
const group = (name: Name): Talk => [
  "P: RSET",
  "P: MAIL FROM:*",
  `P: RCPT TO:<${name}@example.org>`,
  "P: BDAT * LAST",
  "P: Subject: hello",
  "P: ",
  "P: hello",
];
const taken: Talk = ["C: 250 ok", "C: 250 ok", "C: 250 ok", "C: 250 stored"];
const quit: Talk = ["P: QUIT", "C: 221 bye", "end"];

/** A recipient's state, attempts and reply. */
type Fate = readonly [state: string, attempts: number, reply?: string];
const delivered: Fate = ["delivered", 1, "250 stored"];
const untouched: Fate = ["waiting", 0];

/** What is said where the third message's replies are due, and how the messages stand after the turn. */
interface Trouble {
  readonly name: string;
  readonly third: Talk;
  readonly fate: Fate;
  /** The line is gone with it: what comes behind is not answered. */
  readonly last?: true;
}

const troubles: readonly Trouble[] = [
  {
    name: "a final 451",
    third: [...taken.slice(0, 3), "C: 451 4.3.0 later"],
    fate: ["waiting", 1, "451 4.3.0 later"],
  },
  {
    name: "a final 554",
    third: [...taken.slice(0, 3), "C: 554 5.6.0 no"],
    fate: ["held", 1, "554 5.6.0 no"],
  },
  {
    name: "a 450 to its MAIL",
    third: ["C: 250 ok", "C: 450 4.7.1 slowly", "C: 503 5.5.1 what?", "C: 503 5.5.1 what?"],
    fate: ["waiting", 1, "450 4.7.1 slowly"],
  },
  {
    name: "a 550 to its RCPT",
    third: ["C: 250 ok", "C: 250 ok", "C: 550 5.1.1 nobody", "C: 554 5.5.1 for whom?"],
    fate: ["held", 1, "550 5.1.1 nobody"],
  },
  { name: "the end in place of its RSET's reply", third: ["close"], fate: untouched, last: true },
  {
    name: "the end in place of its final reply",
    third: [...taken.slice(0, 3), "close"],
    fate: untouched,
    last: true,
  },
  {
    name: "a reset behind half of its final reply",
    third: [...taken.slice(0, 3), "C: 250 2.0\\", "reset"],
    fate: untouched,
    last: true,
  },
  {
    name: "a 421 in place of its final reply",
    third: [...taken.slice(0, 3), "C: 421 4.3.2 going down", "end"],
    fate: ["waiting", 1, "421 4.3.2 going down"],
    last: true,
  },
];

describe("five messages in flight, and for the third", () => {
  let post: Post;
  let clock: ManualClock;
  beforeEach(async () => {
    clock = manualClock();
    post = await openPost({ clock });
    post.line = { tls: { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" } };
    for (const name of names) {
      const letter = { trace: "", arrived: clock.now(), expires: clock.now() + 1e10 };
      await stored(post.relay.spool, { ...letter, to: [`${name}@example.org`] });
    }
  });
  afterEach(() => post.close());

  async function fates(): Promise<Readonly<Record<string, Fate>>> {
    const all = await entries(post.relay.spool, true);
    return Object.fromEntries(
      all.flatMap(({ recipients }) =>
        recipients.map(({ address, state, attempts, reply }): [string, Fate] => [
          address.slice(0, address.indexOf("@")),
          reply === undefined ? [state, attempts] : [state, attempts, reply],
        ]),
      ),
    );
  }

  for (const { name, third, fate, last } of troubles)
    it(`${name}: it alone is settled by it`, async () => {
      const { connection, over } = post.dial();
      // Nothing is answered until all five have come.
      const answers = [...taken, ...taken, ...third, ...(last ? [] : [...taken, ...taken, ...quit])];
      await play(connection, "C", [...turned, ...names.flatMap(group), ...answers], { clock });
      await over;
      const behind = last ? untouched : delivered;
      assert.deepEqual(await fates(), {
        ...{ one: delivered, two: delivered, three: fate, four: behind, five: behind },
      });

      // What was kept comes, once.
      await clock.advance(6 * 60_000);
      const kept = last ? 3 : fate[0] === "waiting" ? 1 : 0;
      if (kept > 0) assert.equal((await post.call()).messages, kept);
      await post.quiet();
      const house = (await entries(post.house)).flatMap(({ recipients }) =>
        recipients.map(({ address }) => address),
      );
      const expected = last ? names.slice(2) : kept > 0 ? ["three" as const] : [];
      assert.deepEqual(house.sort(), expected.map((one) => `${one}@example.org`).sort());
    });
});
