import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Talk as Client, LineError } from "../../src/net/talk.ts";
import { type ManualClock, manualClock } from "../support/clock.ts";
import { pipe } from "../support/pipe.ts";
import { openPost, type Post } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";
import { enter, kept, listeners } from "./listeners.ts";

const MINUTE = 60_000;

async function withPost(use: (post: Post, clock: ManualClock) => Promise<void>): Promise<void> {
  const clock = manualClock();
  const post = await openPost({ clock, messageSize: 50_000_000 });
  try {
    await use(post, clock);
  } finally {
    await post.close();
  }
}

/** Says `octet` again and again, `every` so many milliseconds. @returns after how many minutes the peer has had enough */
async function drip(
  clock: ManualClock,
  gone: Promise<unknown>,
  say: () => Promise<unknown>,
  every: number,
): Promise<number> {
  let over = false;
  void gone.then(() => {
    over = true;
  });
  for (let passed = 0; passed < 3_600_000; passed += every) {
    await clock.advance(0);
    if (over) return passed / MINUTE;
    await say().catch(() => undefined);
    await clock.advance(every);
  }
  throw new Error("an hour was not enough");
}

const phases: readonly { readonly at: string; readonly talk: Talk; readonly octet: string }[] = [
  { at: "within a command", talk: ["C: NO\\"], octet: "O" },
  { at: "within MAIL", talk: ["C: MAIL FROM:<\\"], octet: "a" },
  { at: "within DATA", talk: ["C: DATA", "P: 354 *"], octet: "x" },
  { at: "within BDAT", talk: ["C: BDAT 50000 LAST"], octet: "x" },
  { at: "within a refused BDAT", talk: ["C: RSET", "P: 250 *", "C: BDAT 50000"], octet: "x" },
];

for (const listener of listeners)
  describe(`${listener.name}: who sends an octet a minute`, () => {
    const most = listener.service === "reversed" ? 15 : 5;
    for (const { at, talk, octet } of phases)
      it(`${at} is told 421 4.4.2 after ${most} minutes, and nothing is stored`, () =>
        withPost(async (post, clock) => {
          const { peer, over } = enter(post, listener, { messageSize: 50_000_000 });
          await play(peer, "C", [...listener.ready, ...talk]);
          const said = new TextEncoder().encode(octet);
          const minutes = await drip(clock, over, () => peer.write(said, MINUTE), MINUTE);
          const heard = await play(peer, "C", ["rest"]);
          assert.match(heard, /421 4\.4\.2 [^\r]*\r\n$/);
          assert.ok(minutes <= most + 1, `it took ${minutes} minutes`);
          assert.deepEqual(await kept(post, listener), []);
        }));

    it("or 100 a second, within a long message, is let go too; 600 a second are enough", () =>
      withPost(async (post, clock) => {
        const slow = enter(post, listener, { messageSize: 50_000_000 });
        await play(slow.peer, "C", [...listener.ready, "C: DATA", "P: 354 *"]);
        const thousand = new TextEncoder().encode(`${"x".repeat(98)}\r\n`.repeat(10));
        const minutes = await drip(clock, slow.over, () => slow.peer.write(thousand, MINUTE), 10_000);
        // What was in stock, and a fifth of a second for each second that passes.
        assert.ok(minutes > most * 1.2 && minutes < most * 1.3, `it took ${minutes} minutes`);

        const steady = enter(post, listener, { messageSize: 50_000_000 });
        await play(steady.peer, "C", [...listener.ready, "C: DATA", "P: 354 *"]);
        for (let second = 0; second < 1_800; second += 10) {
          for (let i = 0; i < 6; i++) await steady.peer.write(thousand, MINUTE);
          await clock.advance(10_000);
        }
        await play(steady.peer, "C", ["C: .", "P: 250 *", "C: QUIT", "P: 221 *"]);
        await steady.over;
        assert.equal((await kept(post, listener)).length, 1);
      }));
  });

describe("a server that answers an octet a minute", () => {
  const replies: readonly { readonly name: string; readonly octet: string }[] = [
    { name: "within one line", octet: "2" },
    { name: "in lines without end", octet: "250-x\r\n" },
  ];
  for (const { name, octet } of replies)
    it(`${name} is given up after five minutes, not after days`, async () => {
      const clock = manualClock();
      const [here, there] = pipe({ clock });
      const client = new Client(here);
      await there.write(new TextEncoder().encode("220 slow.test\r\n"), MINUTE);
      await client.greeting();
      const asked = client.ask({ verb: "EHLO", name: "house.test" }).then(
        () => assert.fail("it was answered"),
        (fault: unknown) => fault,
      );
      const said = new TextEncoder().encode(octet);
      const minutes = await drip(clock, asked, () => there.write(said, MINUTE), MINUTE);
      const fault = await asked;
      assert.ok(fault instanceof LineError);
      assert.equal(fault.fault, "timeout");
      assert.ok(minutes <= 6, `it took ${minutes} minutes`);
    });
});
