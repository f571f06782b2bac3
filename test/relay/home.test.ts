import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Delivery, Outcome } from "../../src/delivery/delivery.ts";
import { sorted } from "../../src/delivery/sorted.ts";
import { Arrivals } from "../../src/relay/arrivals.ts";
import { call } from "../../src/relay/call.ts";
import { distribute } from "../../src/relay/distribute.ts";
import { type Home, homeDoor } from "../../src/relay/home.ts";
import { homeBook } from "../../src/relay/homeoffice.ts";
import { canTell, sendNotices } from "../../src/relay/notices.ts";
import { Sender } from "../../src/relay/outgoing.ts";
import { receive } from "../../src/relay/reception.ts";
import { abroad } from "../../src/relay/redirected.ts";
import type { RecordingSpool } from "../../src/spool/records.ts";
import type { Lane, Spool } from "../../src/spool/spool.ts";
import { reply } from "../../src/wire/reply.ts";
import { manualClock } from "../support/clock.ts";
import { pipe } from "../support/pipe.ts";
import { contentOf, entries, HOME, openPost, type Post } from "../support/post.ts";
import { play } from "../support/provider.ts";

const DAY = 86_400_000;
const home: Home = {
  accounts: [
    { name: "vps", domains: ["example.org", "example.com"] },
    { name: "other", domains: ["other.example"] },
  ],
  outgoing: { via: "vps", from: ["*@example.org"], expire: 5 * DAY, messageSize: 1_000_000 },
};
const book = homeBook(home);
const OFFICE = { ...HOME, name: "office", domains: ["office.example"] };
const local: Lane = { direction: "local", customer: "vps" };
const outgoing: Lane = { direction: "outgoing", customer: "vps" };

interface Letter {
  readonly lane: Lane;
  readonly from?: string;
  readonly to?: string;
  readonly text?: string;
  readonly hold?: number;
}

/** Puts a message into a spool. */
async function put(post: Pick<Post, "clock">, spool: Spool, letter: Letter): Promise<string> {
  const { lane, from = "ann@example.org", to = "bob@office.example", hold = 5 * DAY } = letter;
  const now = post.clock.now();
  const draft = spool.begin({
    envelope: { from, smtputf8: false },
    postings: [{ lane, recipients: [{ address: to, notify: [] }], expires: now + hold }],
    source: { protocol: "file", peer: "test" },
    arrived: now,
    trace: () => "",
  });
  await draft.write(new TextEncoder().encode(letter.text ?? "Subject: out\r\n\r\nHi\r\n"));
  const committed = await draft.commit({ subject: "out" });
  assert.equal(committed.type, "stored");
  return draft.ids[0]!;
}

function senderOf(post: Post, more: Partial<ConstructorParameters<typeof Sender>[0]> = {}): Sender {
  const { house, clock, random, log } = post;
  return new Sender({
    ...{ account: "vps", spool: house, clock, random, log, lateAfter: DAY },
    tells: (held) => canTell(held.envelope.from, "vps", book),
    ...more,
  });
}

async function inPost(use: (post: Post) => Promise<void>, options: Parameters<typeof openPost>[0] = {}) {
  const post = await openPost({ customers: [HOME, OFFICE], ...options });
  try {
    await use(post);
  } finally {
    await post.close();
  }
}

const here = async (spool: Spool) =>
  (await entries(spool)).map(
    ({ direction, customer, sender, recipients }) =>
      `${direction} ${customer} <${sender}> ${recipients.map(({ address, state, attempts }) => `${address} ${state} ${attempts}`)}`,
  );

describe("the door of the house", () => {
  const door = homeDoor(home);
  const laneOf = (to: string, of = door) => {
    const place = of.recipient(to);
    return "code" in place ? place.code : `${place.lane.direction} ${place.lane.customer}`;
  };

  test("mail for its own domains stays, everything else leaves by one account", () => {
    assert.equal(laneOf("bob@example.com"), "local vps");
    assert.equal(laneOf("eve@other.example"), "local other");
    assert.equal(laneOf("postmaster"), "local vps");
    assert.equal(laneOf("bob@world.test"), "outgoing vps");
  });

  test("where nothing is said of outgoing mail, none leaves", () => {
    const shut = homeDoor({ accounts: home.accounts });
    assert.equal(laneOf("bob@world.test", shut), 550);
    assert.equal(laneOf("bob@example.org", shut), "local vps");
  });

  test("only the senders that it was told of may send, and nobody may tell of a failure", () => {
    assert.equal(door.sender("ann@example.org", {}), undefined);
    assert.equal(door.sender("", {}), undefined);
    assert.equal(door.sender("ann@world.test", {})?.code, 553);
  });

  test("a mail server hands mail in there, for home and for the world", () =>
    inPost(async (post) => {
      const [client, server] = pipe();
      const relay = {
        ...{ hostname: "house.test", spool: post.house as RecordingSpool, clock: post.clock },
        ...{ random: post.random, log: post.log, arrivals: new Arrivals(), book },
        stopping: new AbortController().signal,
      };
      const door = {
        service: "intake",
        startTls: false,
        requireTls: false,
        bareLineEnds: "normalise",
      } as const;
      const over = receive(relay, door, server);
      await play(client, "C", [
        ...["P: 220 *", "C: EHLO mta.test", "list", "C: MAIL FROM:<ann@world.test>", "P: 553 5.7.1 *"],
        ...["C: MAIL FROM:<ann@example.org>", "P: 250 *", "C: RCPT TO:<bob@example.com>", "P: 250 *"],
        ...[
          "C: RCPT TO:<eve@world.test>",
          "P: 250 *",
          "C: DATA",
          "P: 354 *",
          "C: Subject: x",
          "C: ",
          "C: Hi",
        ],
        ...["C: .", "P: 250 2.0.0 *", "C: QUIT", "P: 221 *"],
      ]);
      await over;
      assert.deepEqual(await here(post.house), [
        "local vps <ann@example.org> bob@example.com waiting 0",
        "outgoing vps <ann@example.org> eve@world.test waiting 0",
      ]);
    }));
});

describe("mail that leaves the house", () => {
  test("goes first, in the call that fetches, and is with the relay when the line turns", () =>
    inPost(async (post) => {
      await post.send({ to: ["ann@example.org"], body: "Subject: in\r\n\r\nHi\r\n" });
      await put(post, post.house, { lane: outgoing });
      const sender = senderOf(post);
      const taken = await call(post.account, [], { ...post.caller, sender });
      assert.equal(taken.messages, 1);
      assert.deepEqual(sender.sent, { delivered: 1, deferred: 0, refused: 0 });
      assert.deepEqual(await here(post.relay.spool), [
        "turn office <ann@example.org> bob@office.example waiting 0",
      ]);
      assert.deepEqual(await here(post.house), ["local vps <sender@world.test> ann@example.org waiting 0"]);
    }));

  test("is there once, wherever the line breaks", () =>
    inPost(async (post) => {
      for (let at = 40; ; at += 9) {
        await put(post, post.house, { lane: outgoing, text: `Subject: ${at}\r\n\r\nHi\r\n` });
        post.line = { cut: [undefined, at] };
        const sender = senderOf(post);
        const broke = await call(post.account, [], { ...post.caller, sender }).then(
          () => false,
          () => true,
        );
        post.line = {};
        await post.quiet();
        await call(post.account, [], { ...post.caller, sender });
        const there = await entries(post.relay.spool);
        assert.equal(there.length, Math.floor((at - 40) / 9) + 1, `cut after octet ${at}`);
        if (!broke) break;
      }
      assert.deepEqual(await here(post.house), []);
    }));

  test("goes by the smarthost where a provider takes none, before mail is fetched", () =>
    inPost(async (post) => {
      await put(post, post.house, { lane: outgoing });
      const [client, provider] = pipe();
      const asked = play(provider, "P", [
        ...["P: 220 hi", "C: EHLO *", "P: 250-p.test", "P: 250-AUTH CRAM-MD5", "P: 250 ATRN", "C: AUTH *"],
        ...["P: 334 PDEuMkB4Pg==", "C: *", "P: 235 2.7.0 welcome", "C: MAIL *"],
        ...["P: 503 5.5.1 ATRN is all I know", "C: RSET", "P: 250 ok", "C: RSET", "P: 250 ok", "C: ATRN"],
      ]);
      const [toHost, host] = pipe();
      const smarthost = play(host, "P", [
        ...["P: 220 hi", "C: EHLO *", "P: 250 s.test", "C: MAIL FROM:<ann@example.org>", "P: 250 ok"],
        ...["C: RCPT TO:<bob@office.example>", "P: 250 ok", "C: DATA", "P: 354 go on", "C: Subject: out"],
        ...["C: ", "C: Hi", "C: .", "P: 250 ok", "C: QUIT", "P: 221 bye"],
      ]);
      const login = { host: "s.test", port: 587, tls: "none", hostname: "house.test" } as const;
      const sender = senderOf(post, { smarthost: { login, connect: async () => toHost } });
      const called = call(post.account, [], { ...post.caller, dial: async () => client, sender });
      await asked;
      await smarthost;
      await play(provider, "P", ["P: 453 4.0.0 nothing", "C: QUIT", "P: 221 bye"]);
      await called;
      await sender.bySmarthost();
      assert.deepEqual(await here(post.house), []);
      assert.deepEqual(sender.sent, { delivered: 1, deferred: 0, refused: 0 });
    }));

  test("waits untouched where a provider takes none and there is no smarthost, and that is said", () =>
    inPost(async (post) => {
      await put(post, post.house, { lane: outgoing });
      const [client, provider] = pipe();
      const script = play(provider, "P", [
        ...["P: 220 hi", "C: EHLO *", "P: 250-p.test", "P: 250-AUTH CRAM-MD5", "P: 250 ATRN", "C: AUTH *"],
        ...["P: 334 PDEuMkB4Pg==", "C: *", "P: 235 2.7.0 welcome", "C: MAIL *", "P: 502 5.5.1 no"],
        ...[
          "C: RSET",
          "P: 250 ok",
          "C: RSET",
          "P: 250 ok",
          "C: ATRN",
          "P: 453 nothing",
          "C: QUIT",
          "P: 221 bye",
        ],
      ]);
      const sender = senderOf(post);
      await call(post.account, [], { ...post.caller, dial: async () => client, sender });
      await script;
      await sender.bySmarthost();
      assert.deepEqual(await here(post.house), [
        "outgoing vps <ann@example.org> bob@office.example waiting 0",
      ]);
      assert.ok(post.logged.some(({ event }) => event === "provider takes no mail on this line"));
    }));

  test("comes back to its sender at home where the relay refuses it", () =>
    inPost(async (post) => {
      await put(post, post.house, { lane: outgoing, to: "bob@nowhere.example" });
      await call(post.account, [], { ...post.caller, sender: senderOf(post) });
      const { clock, random, log } = post;
      await sendNotices({
        hostname: "house.test",
        spool: post.house as RecordingSpool,
        clock,
        random,
        log,
        book,
      });
      const [notice] = await entries(post.house);
      assert.deepEqual(await here(post.house), ["local vps <> ann@example.org waiting 0"]);
      assert.match(await contentOf(post.house, notice!.id), /bob@nowhere\.example[\s\S]*5\.7\.1/);
    }));
});

describe("at home", () => {
  const down: Delivery = {
    deliver: async ({ envelope }) =>
      envelope.recipients.map(
        ({ address }): Outcome => ({ to: address, result: "deferred", reply: reply(451, "4.4.1", "down") }),
      ),
    close: async () => {},
  };

  test("a target that is down for 29 days loses nothing, and after 30 days the sender is told", async () => {
    const clock = manualClock();
    await inPost(
      async (post) => {
        const spool = post.house as RecordingSpool;
        const { random, log } = post;
        await put(post, spool, { lane: local, to: "bob@example.org", hold: 30 * DAY });
        const days = async (count: number) => {
          for (let day = 0; day < count; day++) {
            await clock.advance(DAY);
            await distribute({ account: "vps", delivery: down, spool, clock, random, log });
            await spool.expire(clock.now());
          }
          await sendNotices({ hostname: "house.test", spool, clock, random, log, book });
        };
        await days(29);
        assert.deepEqual(await here(spool), ["local vps <ann@example.org> bob@example.org waiting 29"]);
        await days(2);
        assert.deepEqual(await here(spool), ["local vps <> ann@example.org waiting 0"]);
      },
      { clock },
    );
  });

  test("after 29 days a target that is there again gets its mail", async () => {
    const clock = manualClock();
    await inPost(
      async (post) => {
        const { house: spool, random, log } = post;
        await put(post, spool, { lane: local, to: "bob@example.org", hold: 30 * DAY });
        for (let day = 0; day < 29; day++) {
          await clock.advance(DAY);
          await distribute({ account: "vps", delivery: down, spool, clock, random, log });
          await spool.expire(clock.now());
        }
        await clock.advance(DAY / 2);
        const got: string[] = [];
        const up: Delivery = {
          async deliver(parcel) {
            got.push(parcel.id);
            return parcel.envelope.recipients.map(({ address }) => ({
              ...{ to: address, result: "delivered" },
              reply: reply(250, "2.0.0", "there"),
            }));
          },
          close: async () => {},
        };
        await distribute({ account: "vps", delivery: up, spool, clock, random, log });
        assert.equal(got.length, 1);
        assert.deepEqual(await here(spool), []);
      },
      { clock },
    );
  });

  test("a redirection out leaves once, in the name of whose mail it was, and never in a circle", () =>
    inPost(async (post) => {
      const { house: spool, clock, random, log } = post;
      const rules = [{ match: "*", redirect: "me@elsewhere.test" }];
      const delivery = sorted(rules, abroad({ home, spool, clock, hostname: "house.test" }));
      const go = () => distribute({ account: "vps", delivery, spool, clock, random, log });
      await put(post, spool, { lane: local, from: "x@world.test", to: "bob@example.org" });
      await go();
      assert.deepEqual(await here(spool), ["outgoing vps <bob@example.org> me@elsewhere.test waiting 0"]);
      const [sentOn] = await entries(spool);
      const text = await contentOf(spool, sentOn!.id);
      assert.match(text, /^Delivered-To: bob@example\.org\r\nReceived: by house\.test/);
      await put(post, spool, { lane: local, from: "x@world.test", to: "bob@example.org", text });
      await go();
      assert.equal((await here(spool)).filter((line) => line.startsWith("outgoing")).length, 1);
      assert.match((await here(spool)).join("\n"), /local vps <x@world.test> bob@example.org held 1/);
    }));
});
