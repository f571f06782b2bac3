import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, it } from "node:test";
import type { Delivery, Outcome } from "../../src/delivery/delivery.ts";
import { exchanges, type Policy } from "../../src/delivery/exchange.ts";
import { Limits } from "../../src/delivery/limits.ts";
import { type Connection, ConnectionError } from "../../src/net/connection.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { type Exchange, type Names, NameTrouble, systemNames } from "../../src/platform/dns.ts";
import { replyLine } from "../../src/wire/reply.ts";
import { seeded } from "../spool/support.ts";
import { manualClock } from "../support/clock.ts";
import { parcelFor } from "../support/mail.ts";
import { pipe } from "../support/pipe.ts";
import { play, type Talk } from "../support/provider.ts";

const mx = (preference: number, host: string): Exchange => ({ preference, host });

interface Zone {
  readonly mx?: Readonly<Record<string, readonly Exchange[]>>;
  readonly at?: Readonly<Record<string, readonly string[]>>;
}

const namesOf = (zone: Zone): Names => ({
  certain: true,
  exchanges: async (domain) => {
    if (domain === "silent.test") throw new NameTrouble("no answer on silent.test");
    return zone.mx?.[domain] ?? [];
  },
  addresses: async (host) => {
    if (host === "silent.test") throw new NameTrouble("no answer on silent.test");
    return zone.at?.[host] ?? [];
  },
  texts: async () => [],
});

const takes = (n: number): Talk => [
  "P: 220 mx.test",
  "C: EHLO relay.test",
  "P: 250-mx.test",
  "P: 250 PIPELINING",
  ...Array.from(
    { length: n },
    (): Talk => [
      "C: MAIL FROM:<ann@example.net>",
      "C: RCPT TO:<*>",
      "C: DATA",
      "P: 250 ok",
      "P: 250 ok",
      "P: 354 go",
      "C: Subject: hello",
      "C: ",
      "C: From here on",
      "C: all is text.",
      "C: .",
      "P: 250 taken",
    ],
  ).flat(),
  "C: QUIT",
  "P: 221 bye",
];

interface World extends Zone {
  /** What each address says, a talk for each call. */
  readonly hosts?: Readonly<Record<string, readonly Talk[]>>;
  readonly policy?: Policy;
  /** Of all chance. */
  readonly seed?: number;
  /** One message after another, not all at once. */
  readonly inTurn?: true;
}

/** Delivers to these recipients, one message each. @returns results, and the addresses that were called */
async function deliver(world: World, ...to: readonly string[]) {
  const called: string[] = [];
  const played: Promise<string>[] = [];
  const connect = async (address: string): Promise<Connection> => {
    const talk = world.hosts?.[address]?.[called.filter((each) => each === address).length];
    called.push(address);
    if (talk === undefined) throw new ConnectionError("refused", `${address} refuses`);
    const [here, there] = pipe({ clock: systemClock });
    played.push(play(there, "P", talk));
    return here;
  };
  const limits = new Limits({ all: 10, perDestination: 1 }, systemClock);
  const delivery: Delivery = exchanges({
    ...{ names: namesOf(world), random: seeded(world.seed ?? 1), hostname: "relay.test", limits, connect },
    policyOf: async () => world.policy,
  });
  const outcomes: (readonly Outcome[])[] = [];
  if (world.inTurn) for (const address of to) outcomes.push(await delivery.deliver(parcelFor([address])));
  else outcomes.push(...(await Promise.all(to.map((address) => delivery.deliver(parcelFor([address]))))));
  await delivery.close();
  await Promise.all(played);
  const told = outcomes.flat().map(({ result, reply }) => `${result} ${replyLine(reply)}`);
  return { told, called };
}

describe("mail to the world", () => {
  const at = { "a.test": ["192.0.2.1"], "b.test": ["192.0.2.2", "192.0.2.3"] };

  it("goes to the best exchange, and many messages on one line", async () => {
    const { told, called } = await deliver(
      { at, mx: { "x.test": [mx(20, "b.test"), mx(10, "a.test")] }, hosts: { "192.0.2.1": [takes(2)] } },
      "u@x.test",
      "v@x.test",
    );
    assert.deepEqual(told, ["delivered 250 taken", "delivered 250 taken"]);
    assert.deepEqual(called, ["192.0.2.1"]);
  });

  it("goes to the next address and the next exchange where one fails or refuses the call", async () => {
    const { told, called } = await deliver(
      {
        at,
        mx: { "x.test": [mx(10, "b.test"), mx(20, "a.test")] },
        hosts: { "192.0.2.2": [["P: 554 no service"]], "192.0.2.1": [takes(1)] },
      },
      "u@x.test",
    );
    assert.deepEqual(called, ["192.0.2.2", "192.0.2.3", "192.0.2.1"]);
    assert.deepEqual(told, ["delivered 250 taken"]);
  });

  it("goes to the domain itself where it has no exchange", async () => {
    const { called } = await deliver(
      { at: { "x.test": ["192.0.2.9"] }, hosts: { "192.0.2.9": [takes(1)] } },
      "u@x.test",
    );
    assert.deepEqual(called, ["192.0.2.9"]);
  });

  it("is spread over exchanges that are equal, and never over worse ones", async () => {
    const first = new Set<string | undefined>();
    for (let seed = 1; seed <= 8; seed++) {
      const { called } = await deliver(
        {
          ...{ at, seed, hosts: { "192.0.2.1": [takes(1)], "192.0.2.2": [takes(1)] } },
          mx: { "x.test": [mx(20, "relay.test"), mx(10, "a.test"), mx(10, "b.test"), mx(30, "c.test")] },
        },
        "u@x.test",
      );
      first.add(called[0]);
    }
    assert.deepEqual([...first].sort(), ["192.0.2.1", "192.0.2.2"]);
  });

  it("passes over an exchange of which no address can be had now", async () => {
    const { told } = await deliver(
      {
        ...{ at, hosts: { "192.0.2.1": [takes(1)] } },
        mx: { "x.test": [mx(10, "silent.test"), mx(20, "a.test")] },
      },
      "u@x.test",
    );
    assert.deepEqual(told, ["delivered 250 taken"]);
  });

  const leaves: Talk = ["C: MAIL FROM:<ann@example.net>", "C: RCPT TO:<*>", "C: DATA"];
  for (const [name, end] of Object.entries({
    "says that it has had enough": ["P: 421 4.7.0 too many on one line", "close"],
    "is gone": ["close"],
  } satisfies Record<string, Talk>))
    it(`goes on by another line where the peer of a used one ${name}`, async () => {
      const { told, called } = await deliver(
        {
          ...{ at, mx: { "x.test": [mx(10, "a.test")] }, inTurn: true },
          hosts: { "192.0.2.1": [[...takes(1).slice(0, -2), ...leaves, ...end], takes(2)] },
        },
        "u@x.test",
        "v@x.test",
        "w@x.test",
      );
      assert.deepEqual(told, ["delivered 250 taken", "delivered 250 taken", "delivered 250 taken"]);
      assert.equal(called.length, 2);
    });

  it("waits where the peer of a new line ends it, and is not tried twice at once", async () => {
    const { told, called } = await deliver(
      {
        ...{ at, mx: { "x.test": [mx(10, "a.test")] } },
        hosts: { "192.0.2.1": [[...takes(0).slice(0, -2), ...leaves, "P: 421 4.7.0 not you", "close"]] },
      },
      "u@x.test",
    );
    assert.deepEqual(told, ["deferred 421 4.7.0 not you"]);
    assert.equal(called.length, 1);
  });

  const rows: readonly (readonly [name: string, world: World, to: string, told: RegExp])[] = [
    ["a null MX", { mx: { "x.test": [mx(0, ".")] } }, "u@x.test", /^refused 556 5\.1\.10/],
    ["a domain that does not exist", {}, "u@x.test", /^refused 550 5\.1\.2/],
    ["a literal", {}, "u@[127.0.0.1]", /^refused 550 5\.1\.2/],
    ["names that nobody answers for", {}, "u@silent.test", /^deferred 451 4\.4\.3/],
    ["an MX that is us", { mx: { "x.test": [mx(10, "relay.test")] } }, "u@x.test", /^refused 554 5\.4\.6/],
    [
      "exchanges without an address",
      { mx: { "x.test": [mx(10, "c.test")] } },
      "u@x.test",
      /^deferred 451 4\.4\.1/,
    ],
    [
      "a policy that names none of its exchanges",
      { at, mx: { "x.test": [mx(10, "a.test")] }, policy: { hosts: ["*.other.test"] } },
      "u@x.test",
      /^deferred .*MTA-STS/,
    ],
    [
      "a policy, and a host without TLS",
      {
        at,
        mx: { "x.test": [mx(10, "a.test")] },
        policy: { hosts: ["a.test"] },
        hosts: { "192.0.2.1": [["P: 220 a", "C: EHLO *", "P: 250 a", "C: QUIT", "P: 221 bye"]] },
      },
      "u@x.test",
      /^deferred .*TLS/,
    ],
  ];
  for (const [name, world, to, told] of rows)
    it(`that meets ${name} is ${told.source.split(" ")[0]?.slice(1)}`, async () => {
      const outcome = await deliver(world, to);
      assert.match(outcome.told.join(), told);
    });
});

describe("limits", () => {
  it("let so many through at once, to one destination and in all", async () => {
    const limits = new Limits({ all: 3, perDestination: 2 }, systemClock);
    const under = new Map<string, number>();
    let all = 0;
    const most = { all: 0, one: 0 };
    const act = (name: string) => async () => {
      under.set(name, (under.get(name) ?? 0) + 1);
      most.all = Math.max(most.all, ++all);
      most.one = Math.max(most.one, under.get(name) ?? 0);
      await new Promise((resolve) => setImmediate(resolve));
      under.set(name, (under.get(name) ?? 0) - 1);
      all--;
    };
    await Promise.all(["a", "a", "a", "a", "b", "b", "b", "c"].map((name) => limits.within(name, act(name))));
    assert.deepEqual(most, { all: 3, one: 2 });
  });
});

describe("a destination's pace", () => {
  it("gives it so many messages in a minute, and others are not kept waiting", async () => {
    const clock = manualClock();
    const limits = new Limits({ all: 9, perDestination: 9, perMinute: 6 }, clock);
    const begun: string[] = [];
    const act = (name: string) => async () => void begun.push(`${clock.steady() / 1_000} ${name}`);
    const all = ["a", "a", "a", "b"].map((name) => limits.within(name, act(name)));
    for (let second = 0; second < 25; second++) await clock.advance(1_000);
    await Promise.all(all);
    assert.deepEqual(begun, ["0 a", "0 b", "10 a", "20 a"]);
  });
});

describe("the system's names", () => {
  it("come from the servers that are named: MX, none, and no answer", async () => {
    const server = createSocket("udp4").bind(0, "127.0.0.1");
    await once(server, "listening");
    server.on("message", (question, from) => server.send(answerTo(question), from.port, from.address));
    const names = systemNames([`127.0.0.1:${server.address().port}`]);
    try {
      assert.deepEqual(await names.exchanges("x.test"), [mx(10, "mx.x.test")]);
      assert.deepEqual(await names.exchanges("none.test"), []);
      assert.deepEqual(await names.addresses("none.test"), []);
      assert.deepEqual(await names.addresses("x.test"), ["192.0.2.7", "2001:db8::7"]);
      if (names.certain) await assert.rejects(names.exchanges("broken.test"), NameTrouble);
      else assert.deepEqual(await names.exchanges("broken.test"), []);
    } finally {
      server.close();
    }
  });
});

/** x.test has an MX and addresses, broken.test a server that fails, everything else does not exist (RFC 1035 §4.1). */
function answerTo(question: Uint8Array): Uint8Array {
  const asked = Buffer.from(question.buffer, question.byteOffset, question.length);
  const end = asked.indexOf(0, 12) + 5;
  const head = Buffer.from(asked.subarray(0, end));
  head.fill(0, 6, 12);
  const name = head.toString("latin1", 12);
  const found = name.startsWith("\x01x") ? RECORDS[head.readUInt16BE(end - 4)] : undefined;
  head.writeUInt16BE(found ? 0x8580 : name.startsWith("\x06broken") ? 0x8182 : 0x8183, 2);
  if (found === undefined) return head;
  head.writeUInt16BE(1, 6);
  return Buffer.concat([head, Buffer.from(found, "hex")]);
}

/** By type: A, MX, AAAA. */
const RECORDS: Readonly<Record<number, string>> = {
  1: "c00c0001000100000000" + "0004c0000207",
  15: "c00c000f000100000000" + "0007000a026d78c00c",
  28: "c00c001c000100000000" + "001020010db8000000000000000000000007",
};
