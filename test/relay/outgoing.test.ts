/** Mail that leaves: who may send where, how it goes, and what its sender hears. */
import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import type { Delivery, Parcel } from "../../src/delivery/delivery.ts";
import { sameForAll } from "../../src/delivery/delivery.ts";
import type { Customer } from "../../src/relay/customers.ts";
import { send } from "../../src/relay/dispatch.ts";
import { sendNotices, sendWarnings } from "../../src/relay/notices.ts";
import type { Outbound } from "../../src/relay/outbound.ts";
import type { Entry } from "../../src/spool/spool.ts";
import { type Reply, reply } from "../../src/wire/reply.ts";
import { type ManualClock, manualClock } from "../support/clock.ts";
import { contentOf, entries, HOME, openPost, type Post } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const WORK: Customer = { ...HOME, name: "work", domains: ["work.test"], recipients: ["ann@work.test"] };

let post: Post;
let clock: ManualClock;
let said: Reply;
let left: Parcel[];
afterEach(() => post.close());

const world: Outbound = {
  expire: 5 * DAY,
  warnAfter: 4 * HOUR,
  open: (): Delivery => ({
    deliver: async (parcel) => {
      left.push(parcel);
      const result = said.code < 300 ? "delivered" : said.code < 500 ? "deferred" : "refused";
      return sameForAll(parcel, result, said);
    },
    close: async () => {},
  }),
};

async function open(facts: Partial<Customer> = {}, outbound: Outbound | "none" = world) {
  clock = manualClock();
  said = reply(250, "2.0.0", "taken");
  left = [];
  post = await openPost({
    clock,
    customers: [{ ...HOME, ...facts }, WORK],
    ...(outbound !== "none" && { outbound }),
  });
}

const hello: Talk = ["P: 220 *", "C: EHLO house.test", "list"];
const login: Talk = [`C: AUTH PLAIN ${btoa("\0home\0home secret")}`, "P: 235 *"];
const quit: Talk = ["C: QUIT", "P: 221 *", "end"];
const secure = { tls: { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" } };

async function visit(service: "odmr" | "intake" | "submission" | "lmtp", talk: Talk): Promise<void> {
  post.line = service === "intake" || service === "lmtp" ? {} : secure;
  await play(post.dial(service).connection, "C", [...talk, ...quit], { clock });
  await post.quiet();
}

const message = (from: string, to: string, options = ""): Talk => [
  `C: MAIL FROM:<${from}>`,
  "P: 250 *",
  `C: RCPT TO:<${to}>${options}`,
  "P: 250 *",
  "C: DATA",
  "P: 354 *",
  "C: Subject: hello",
  "C: ",
  "C: text",
  "C: .",
  "P: 250 *",
];
const submit = (from: string, to: string, options = "") =>
  visit("submission", [...hello, ...login, ...message(from, to, options)]);
const lanes = (all: readonly Entry[]) =>
  all.map(({ direction, customer, sender, recipients }) => [
    direction,
    customer,
    sender,
    recipients[0]?.address,
  ]);
const queued = async () => lanes(await entries(post.relay.spool));
const run = () => send(post.relay, { customer: "home" });

describe("a customer that said who it is", () => {
  for (const service of ["odmr", "submission"] as const)
    it(`sends to the world and to other customers at the ${service} door`, async () => {
      await open();
      await visit(service, [
        ...hello,
        ...login,
        ...message("bob@example.org", "eve@world.test"),
        ...message("bob@example.org", "ann@work.test"),
        ...message("", "eve@world.test"),
      ]);
      assert.deepEqual(await queued(), [
        ["outgoing", "home", "bob@example.org", "eve@world.test"],
        ["turn", "work", "bob@example.org", "ann@work.test"],
        ["outgoing", "home", "", "eve@world.test"],
      ]);
    });

  const refused: readonly (readonly [name: string, facts: Partial<Customer>, talk: Talk])[] = [
    ["in another's name", {}, ["C: MAIL FROM:<x@world.test>", "P: 553 5.7.1 *"]],
    [
      "in another customer's name",
      { senders: ["*@lists.test"] },
      ["C: MAIL FROM:<ann@work.test>", "P: 553 *"],
    ],
    [
      "to a recipient that another customer does not have",
      {},
      ["C: MAIL FROM:<bob@example.org>", "P: 250 *", "C: RCPT TO:<no@work.test>", "P: 550 5.1.1 *"],
    ],
    [
      "to nowhere",
      {},
      ["C: MAIL FROM:<bob@example.org>", "P: 250 *", "C: RCPT TO:<postmaster>", "P: 550 5.1.2 *"],
    ],
    [
      "more than its hour has",
      { sendPerHour: 1 },
      [
        ...message("bob@example.org", "eve@world.test"),
        "C: MAIL FROM:<bob@example.org>",
        "P: 250 *",
        "C: RCPT TO:<eve@world.test>",
        "P: 450 4.7.1 *",
      ],
    ],
  ];
  for (const [name, facts, talk] of refused)
    it(`sends nothing ${name}`, async () => {
      await open(facts);
      await visit("submission", [...hello, ...login, ...talk]);
    });

  it("sends in whose name the operator lets it", async () => {
    await open({ senders: ["*@lists.test"] });
    await submit("news@lists.test", "eve@world.test");
    assert.equal((await queued()).length, 1);
  });

  it("sends nothing to the world where there is no way out", async () => {
    await open({}, "none");
    await visit("odmr", [
      ...hello,
      ...login,
      "C: MAIL FROM:<bob@example.org>",
      "P: 250 *",
      "C: RCPT TO:<eve@world.test>",
      "P: 550 5.7.1 *",
    ]);
  });
});

describe("nobody else", () => {
  const places = [
    "v@other.test",
    "v%other.test@example.org",
    "@example.org:v@other.test",
    "v@[192.0.2.1]",
    "v@example.org.",
    "postmaster",
  ];
  const senders = ["", "bob@example.org", "x@world.test"];
  for (const place of places)
    it(`relays to <${place}>`, async () => {
      await open();
      for (const from of senders) {
        const asks: Talk = [
          `C: MAIL FROM:<${from}>`,
          "P: 250 *",
          `C: RCPT TO:<${place}>`,
          "P: 5*",
          "C: RSET",
          "P: 250 *",
        ];
        await visit("intake", [...hello, ...asks]);
        await visit("lmtp", ["P: 220 *", "C: LHLO x.test", "list", ...asks]);
      }
      assert.deepEqual(await queued(), []);
    });

  for (const [name, before] of Object.entries({
    "without authentication": [],
    "after one that failed": [`C: AUTH PLAIN ${btoa("\0home\0wrong")}`, "P: 535 *"],
    "after RSET": ["C: RSET", "P: 250 *"],
  } satisfies Record<string, Talk>))
    it(`sends at the doors of customers ${name}`, async () => {
      await open();
      for (const service of ["odmr", "submission"] as const)
        await visit(service, [...hello, ...before, "C: MAIL FROM:<bob@example.org>", "P: 530 *"]);
    });

  it("makes a domain of ours out of quotes or bangs", async () => {
    await open();
    const talk = ['"v@other.test"@example.org', "other.test!v@example.org"].flatMap((to) =>
      message("x@world.test", to),
    );
    await visit("intake", [...hello, ...talk]);
    assert.deepEqual(
      (await queued()).map(([direction]) => direction),
      ["turn", "turn"],
    );
  });
});

describe("outgoing mail", () => {
  it("leaves in a run, with our trace field on top", async () => {
    await open();
    await submit("bob@example.org", "eve@world.test");
    await run();
    assert.deepEqual(
      left.map(({ envelope }) => envelope.recipients[0]?.address),
      ["eve@world.test"],
    );
    assert.deepEqual(await queued(), []);
  });

  it("that is refused comes back once, to the sender's own customer, and a bounce of it does not", async () => {
    await open();
    said = reply(550, "5.1.1", "No such user");
    await submit("bob@example.org", "eve@world.test");
    await run();
    await sendNotices(post.relay);
    await sendNotices(post.relay);
    const [notice, ...more] = await entries(post.relay.spool);
    assert.deepEqual(more, []);
    assert.deepEqual(lanes([notice!]), [["turn", "home", "", "bob@example.org"]]);
    assert.match(
      await contentOf(post.relay.spool, notice!.id),
      /^Final-Recipient: rfc822; eve@world\.test\r$/m,
    );
    await submit("", "eve@world.test");
    await run();
    await sendNotices(post.relay);
    assert.equal((await queued()).length, 1);
  });

  it("that is late is told of once, and given up in the end", async () => {
    await open();
    said = reply(451, "4.4.1", "Nobody answers");
    await submit("bob@example.org", "eve@world.test");
    for (let hours = 0; hours < 24; hours++) {
      await run();
      await clock.advance(HOUR);
    }
    await sendNotices(post.relay);
    const late = (await entries(post.relay.spool)).filter(({ sender }) => sender === "");
    assert.equal(late.length, 1);
    assert.match(await contentOf(post.relay.spool, late[0]!.id), /^Action: delayed\r$/m);
    await clock.advance(5 * DAY);
    await post.relay.spool.expire(clock.now());
    await sendNotices(post.relay);
    const [last] = (await entries(post.relay.spool)).filter(({ id }) => id !== late[0]!.id);
    assert.match(await contentOf(post.relay.spool, last!.id), /^Status: 4\.4\.7\r$/m);
  });

  it("that succeeds is told of where that was asked for and the next hop does not tell", async () => {
    await open();
    await submit("bob@example.org", "eve@world.test", " NOTIFY=SUCCESS");
    await submit("bob@example.org", "eve@world.test");
    await run();
    await sendNotices(post.relay);
    const [notice, ...more] = await entries(post.relay.spool);
    assert.deepEqual(more, []);
    assert.match(await contentOf(post.relay.spool, notice!.id), /^Action: relayed\r$/m);
  });
});

describe("mail that a customer does not take", () => {
  it("expires with a notice to the world", async () => {
    await open();
    await post.send({ from: "eve@world.test", to: ["bob@example.org"], body: "Subject: x\r\n\r\nx\r\n" });
    await clock.advance(31 * DAY);
    await post.relay.spool.expire(clock.now());
    await sendNotices(post.relay);
    assert.deepEqual(await queued(), [["outgoing", "home", "", "eve@world.test"]]);
  });

  it("goes without one where there is no way to the sender", async () => {
    await open({}, "none");
    await post.send({ from: "eve@world.test", to: ["bob@example.org"], body: "Subject: x\r\n\r\nx\r\n" });
    await clock.advance(31 * DAY);
    await post.relay.spool.expire(clock.now());
    await sendNotices(post.relay);
    assert.deepEqual(await queued(), []);
    assert.deepEqual(await post.relay.spool.owed(9), []);
    assert.ok(post.logged.some(({ event }) => event === "nobody told"));
  });

  it("is told of to its owner before it expires, once", async () => {
    await open({ notify: "owner@elsewhere.test" });
    await post.send({ from: "eve@world.test", to: ["bob@example.org"], body: "Subject: x\r\n\r\nx\r\n" });
    await sendWarnings(post.relay);
    assert.equal((await queued()).length, 1);
    await clock.advance(28 * DAY);
    await sendWarnings(post.relay);
    await sendWarnings(post.relay);
    assert.deepEqual((await queued())[1], ["outgoing", "home", "", "owner@elsewhere.test"]);
    assert.equal((await queued()).length, 2);
  });
});
