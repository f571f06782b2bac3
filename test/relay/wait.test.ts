import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Talk } from "../../src/net/talk.ts";
import { pbkdf2Sha256 } from "../../src/platform/hash.ts";
import { begin } from "../../src/relay/call.ts";
import type { Taken } from "../../src/relay/callerror.ts";
import { Credentials } from "../../src/relay/credentials.ts";
import { type Following, follow, type Parting } from "../../src/relay/follow.ts";
import { receive } from "../../src/relay/reception.ts";
import { replyLine } from "../../src/wire/reply.ts";
import { manualClock } from "../support/clock.ts";
import { pipe } from "../support/pipe.ts";
import { entries, openPost, type Post } from "../support/post.ts";

const WAIT = 240_000;

const letter = (subject: string) => ({
  to: ["bob@example.org"],
  body: `Subject: ${subject}\r\n\r\nText.\r\n`,
});

const waitOn = async (talk: Talk, domains: readonly string[] = [], size?: number): Promise<string> =>
  replyLine(await talk.ask({ verb: "XODMRWAIT", domains, ...(size !== undefined && { size }) }));

describe("XODMRWAIT", () => {
  let post: Post;
  afterEach(() => post.close());
  const known = () => begin(post.account, post.caller);

  it("is listed with its seconds, and is not there where the operator has switched it off", async () => {
    post = await openPost({ wait: WAIT });
    const talk = await known();
    assert.deepEqual(talk.capabilities.keywords.get("XODMRWAIT"), ["240"]);
    await talk.close();
    await post.close();
    post = await openPost();
    const other = await known();
    assert.equal(other.capabilities.has("XODMRWAIT"), false);
    assert.equal(await waitOn(other), "502 5.5.1 Command not available here");
    await other.close();
  });

  it("is answered at once where mail is due", async () => {
    post = await openPost({ wait: WAIT });
    await post.send(letter("early"));
    const talk = await known();
    assert.equal(await waitOn(talk, ["example.org"]), "250 2.0.0 You have mail");
    await talk.close();
  });

  it("is answered when mail comes", async () => {
    post = await openPost({ wait: WAIT });
    const talk = await known();
    const answer = waitOn(talk);
    await post.send(letter("late"));
    assert.equal(await answer, "250 2.0.0 You have mail");
    await talk.close();
  });

  it("is answered 251 after the agreed time, and may be said again", async () => {
    const clock = manualClock();
    post = await openPost({ wait: WAIT, clock });
    const talk = await known();
    const answer = waitOn(talk);
    for (let second = 0; second < 240; second++) await clock.advance(1_000);
    assert.equal(await answer, "251 2.0.0 No mail so far");
    const again = waitOn(talk);
    await post.send(letter("late"));
    assert.equal(await again, "250 2.0.0 You have mail");
    await talk.close();
  });

  it("wants to hear of no other's mail", async () => {
    post = await openPost({ wait: WAIT });
    const talk = await known();
    assert.equal(await waitOn(talk, ["example.org", "other.test"]), "450 4.7.1 Request refused");
    assert.equal(await waitOn(talk, ["nobody.test"]), "450 4.7.1 Request refused");
    await talk.close();
  });

  it("waits for the domains that it names, and for nothing over its size", async () => {
    post = await openPost({ wait: WAIT });
    await post.send({ to: ["ann@example.com"], body: "Subject: elsewhere\r\n\r\n" });
    await post.send({ to: ["bob@example.org"], body: `Subject: big\r\n\r\n${"x".repeat(5_000)}\r\n` });
    const talk = await known();
    const answer = waitOn(talk, ["example.org"], 1_000);
    await post.send(letter("small"));
    assert.equal(await answer, "250 2.0.0 You have mail");
    await talk.close();
  });

  it("ends when the customer speaks, and what it said is answered too", async () => {
    post = await openPost({ wait: WAIT });
    const talk = await known();
    const answer = talk.say({ verb: "XODMRWAIT", domains: [] });
    await talk.flush();
    const noop = await talk.ask({ verb: "NOOP", argument: "" });
    assert.deepEqual(
      [replyLine(await answer), replyLine(noop)],
      ["251 2.0.0 No mail so far", "250 2.0.0 OK"],
    );
    await talk.close();
  });

  it("ends when the customer is gone, or the relay is told to end", async () => {
    post = await openPost({ wait: WAIT });
    const talk = await known();
    void talk.say({ verb: "XODMRWAIT", domains: [] });
    await talk.flush();
    talk.connection.destroy();
    await post.quiet();
    const other = await known();
    const answer = waitOn(other);
    await post.close();
    assert.equal(await answer.catch(() => "closed"), "421 4.3.2 Going down, call again later");
  });

  it("is refused before it is known who waits", async () => {
    post = await openPost({ wait: WAIT });
    const talk = new Talk(post.dial().connection);
    await talk.greeting();
    await talk.ask({ verb: "EHLO", name: "house.test" });
    assert.equal(await waitOn(talk), "530 5.7.0 Authentication required");
    await talk.close();
  });
});

/** A house that stays on the line. */
class Follower implements Following {
  readonly #stop = new AbortController();
  readonly stopping = this.#stop.signal;
  readonly brought: (taken: Taken) => void;
  readonly rounds: number[] = [];
  #ask: (() => void) | undefined;
  #heard: (() => void) | undefined;
  dials = 0;
  readonly parting: Promise<Parting>;

  constructor(post: Post, asks: readonly (readonly string[])[] = [[]], account = post.account) {
    this.brought = ({ messages }) => {
      this.rounds.push(messages);
      this.#heard?.();
    };
    const dial = async () => {
      this.dials++;
      return post.caller.dial(account, undefined);
    };
    this.parting = follow(account, asks, { ...post.caller, dial }, this);
  }

  asked(): Promise<void> {
    return new Promise((resolve) => {
      this.#ask = resolve;
    });
  }

  ask(): void {
    this.#ask?.();
  }

  /** Resolves when so many rounds have ended. */
  async until(rounds: number): Promise<void> {
    while (this.rounds.length < rounds)
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
  }

  async leave(): Promise<Parting | string> {
    this.#stop.abort();
    return this.parting.catch((fault: Error) => fault.message);
  }
}

describe("following", () => {
  let post: Post;
  afterEach(() => post.close());
  const subjects = async () => (await entries(post.house)).map(({ subject }) => subject).sort();

  it("takes mail the moment it comes, round after round on one connection", async () => {
    post = await openPost({ wait: WAIT });
    await post.send(letter("0"));
    const follower = new Follower(post);
    await follower.until(1);
    for (let i = 1; i <= 5; i++) {
      await post.send(letter(String(i)));
      await follower.until(i + 1);
    }
    assert.deepEqual(await subjects(), ["0", "1", "2", "3", "4", "5"]);
    assert.deepEqual([follower.dials, follower.rounds], [1, [1, 1, 1, 1, 1, 1]]);
    assert.equal(await follower.leave(), "told to leave");
    assert.deepEqual(await entries(post.relay.spool), []);
  });

  it("asks at once when somebody wants to know", async () => {
    post = await openPost({ wait: WAIT });
    const follower = new Follower(post, [["example.org"], ["example.com"]]);
    await follower.until(1);
    follower.ask();
    await follower.until(2);
    assert.deepEqual(follower.rounds, [0, 0]);
    await follower.leave();
  });

  it("is at an end where the provider cannot wait", async () => {
    post = await openPost();
    const follower = new Follower(post);
    assert.equal(await follower.parting, "cannot wait");
    assert.deepEqual(follower.rounds, [0]);
  });

  it("leaves what is too large for the hour where it is, untried, and takes it at another hour", async () => {
    post = await openPost({ wait: WAIT });
    let largest: number | undefined = 1_000;
    const account = { ...post.account, largest: () => largest };
    await post.send({ to: ["bob@example.org"], body: `Subject: big\r\n\r\n${"x".repeat(5_000)}\r\n` });
    await post.send(letter("small"));
    const follower = new Follower(post, [[]], account);
    await follower.until(1);
    assert.deepEqual(await subjects(), ["small"]);
    const [big] = await entries(post.relay.spool);
    assert.deepEqual(
      big?.recipients.map(({ state, attempts, reply }) => ({ state, attempts, reply })),
      [{ state: "waiting", attempts: 0, reply: undefined }],
    );
    largest = undefined;
    follower.ask();
    await follower.until(2);
    assert.deepEqual(await subjects(), ["big", "small"]);
    await follower.leave();
  });

  it("ends with the round in which the customer's secret became another", async () => {
    post = await openPost({ wait: WAIT });
    const other = new Credentials([{ user: "home", password: "another" }], {
      pbkdf2: pbkdf2Sha256,
      secret: new Uint8Array(32),
    });
    const renewed = { ...post.relay, book: { ...post.relay.book, credentials: other } };
    const dial = async () => {
      const [here, there] = pipe();
      void receive(
        post.relay,
        { service: "odmr", startTls: false, requireTls: false, bareLineEnds: "refuse" },
        there,
        () => renewed,
      );
      return here;
    };
    const rounds: number[] = [];
    await post.send(letter("last"));
    const parting = await follow(
      post.account,
      [[]],
      { ...post.caller, dial },
      {
        stopping: new AbortController().signal,
        asked: () => new Promise(() => {}),
        brought: ({ messages }) => void rounds.push(messages),
      },
    );
    assert.deepEqual([parting, rounds], ["let go", [1]]);
  });
});
