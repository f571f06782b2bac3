import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Guesses } from "../../src/relay/guesses.ts";
import { receive } from "../../src/relay/reception.ts";
import { type ManualClock, manualClock } from "../support/clock.ts";
import { pipe } from "../support/pipe.ts";
import { openPost, type Post } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";

describe("guesses", () => {
  const from = (network: string, user?: string) => ({ network, user });

  it("cost nothing three times, then ever more, and half a minute at most", () => {
    const guesses = new Guesses();
    const waits: number[] = [];
    for (let i = 0; i < 12; i++) {
      waits.push(guesses.wait(from("a"), i) / 1_000);
      guesses.failed(from("a"), i);
    }
    assert.deepEqual(waits, [0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30, 30]);
  });

  it("count for the network and for the user, and the longer wait holds", () => {
    const guesses = new Guesses();
    for (let i = 0; i < 4; i++) guesses.failed(from(`network ${i}`, "home"), 0);
    assert.equal(guesses.wait(from("network 1"), 0), 0);
    assert.equal(guesses.wait(from("network 1", "home"), 0), 2_000);
    assert.equal(guesses.wait(from("network 9", "work"), 0), 0);
  });

  it("are forgotten after an hour, and are not remembered of everybody", () => {
    const guesses = new Guesses();
    for (let i = 0; i < 5; i++) guesses.failed(from("a"), 0);
    assert.equal(guesses.wait(from("a"), 3_600_001), 0);
    for (let i = 0; i < 10_000; i++) guesses.failed(from(`b${i}`), 0);
    assert.equal(guesses.wait(from("a"), 0), 0);
  });

  it("of others do not slow a user where it was right before; those from there do", () => {
    const guesses = new Guesses();
    guesses.succeeded({ network: "own", user: "home" });
    for (let i = 0; i < 9; i++) guesses.failed(from(`stranger ${i}`, "home"), 0);
    for (let i = 0; i < 9; i++) guesses.failed(from("own", `user ${i}`), 0);
    assert.equal(guesses.wait(from("stranger 1", "home"), 0), 30_000);
    assert.equal(guesses.wait(from("own", "home"), 0), 0);
    assert.equal(guesses.wait(from("own", "work"), 0), 30_000);
    for (let i = 0; i < 4; i++) guesses.failed(from("own", "home"), 0);
    assert.equal(guesses.wait(from("own", "home"), 0), 2_000);
    guesses.succeeded({ network: "own", user: "home" });
    assert.equal(guesses.wait(from("own", "home"), 0), 0);
  });

  it("a user's own networks are the last 64: whoever wanders does not fill the memory", () => {
    const guesses = new Guesses();
    for (let i = 0; i <= 64; i++) guesses.succeeded({ network: `n${i}`, user: "home" });
    for (let i = 0; i < 4; i++) guesses.failed(from("stranger", "home"), 0);
    assert.deepEqual(
      ["n0", "n1", "n64"].map((network) => guesses.wait(from(network, "home"), 0)),
      [2_000, 0, 0],
    );
  });
});

describe("a guesser", () => {
  const hello: Talk = ["P: 220 *", "C: EHLO world.test", "list"];
  const login = (user: string, password: string): Talk => [`C: AUTH PLAIN ${btoa(`\0${user}\0${password}`)}`];
  const wrong: Talk = [...login("home", "wrong"), "P: 535 *"];
  const tls = { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" };

  function visit(post: Post, clock: ManualClock, address: string, talk: Talk): Promise<string> {
    const peers = [
      { address, port: 1 },
      { address: "192.0.2.2", port: 366 },
    ] as const;
    const [here, there] = pipe({ clock, tls, peers });
    const over = receive(
      post.relay,
      { service: "odmr", startTls: false, requireTls: false, bareLineEnds: "refuse" },
      there,
    );
    return play(here, "C", talk).finally(() => over);
  }

  async function withPost(use: (post: Post, clock: ManualClock) => Promise<void>): Promise<void> {
    const clock = manualClock();
    const post = await openPost({ clock });
    try {
      await use(post, clock);
    } finally {
      await post.close();
    }
  }

  it("is sent away after five wrong passwords", () =>
    withPost(async (post, clock) => {
      const visited = visit(post, clock, "192.0.2.9", [
        ...hello,
        ...Array<Talk>(5).fill(wrong).flat(),
        "P: 421 4.7.0 *",
        "end",
      ]);
      await clock.advance(3_000);
      await visited;
      assert.equal(clock.timers, 0);
    }));

  it("waits ever longer, from whichever address the same user is tried; its owner waits half a minute and is in", () =>
    withPost(async (post, clock) => {
      for (let i = 0; i < 12; i++) {
        const visited = visit(post, clock, `192.0.2.${10 + i}`, [
          ...hello,
          ...wrong,
          "C: QUIT",
          "P: 221 *",
          "end",
        ]);
        await clock.advance(30_000);
        await visited;
      }
      let welcome = false;
      const owner = visit(post, clock, "192.0.2.99", [
        ...hello,
        ...login("home", "home secret"),
        "P: 235 *",
        "C: QUIT",
        "P: 221 *",
        "end",
      ]).then(() => {
        welcome = true;
      });
      await clock.advance(29_999);
      assert.equal(welcome, false);
      await clock.advance(1);
      await owner;
    }));

  it("does not slow the owner, who was there before", () =>
    withPost(async (post, clock) => {
      const right: Talk = [
        ...hello,
        ...login("home", "home secret"),
        "P: 235 *",
        "C: QUIT",
        "P: 221 *",
        "end",
      ];
      await visit(post, clock, "192.0.2.99", right);
      for (let i = 0; i < 12; i++) {
        const guessed = visit(post, clock, `192.0.2.${10 + i}`, [...hello, ...wrong, "C: QUIT", "P: 221 *"]);
        await clock.advance(30_000);
        await guessed;
      }
      await visit(post, clock, "192.0.2.99", right);
      assert.equal(clock.timers, 0);
    }));

  it("from one /64 is one guesser", () =>
    withPost(async (post, clock) => {
      for (let i = 0; i < 5; i++) {
        const visited = visit(post, clock, `2001:db8::${i + 1}`, [
          ...hello,
          ...login(`user${i}`, "x"),
          "P: 535 *",
          "C: QUIT",
          "P: 221 *",
          "end",
        ]);
        await clock.advance(30_000);
        await visited;
      }
      let answered = false;
      const sixth = visit(post, clock, "2001:db8::99", [
        ...hello,
        ...login("other", "x"),
        "P: 535 *",
        "C: QUIT",
        "P: 221 *",
        "end",
      ]).then(() => {
        answered = true;
      });
      await clock.advance(3_999);
      assert.equal(answered, false);
      await clock.advance(1);
      await sixth;
    }));
});
