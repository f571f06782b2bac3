/** TLS to the exchanges of the world, over real sockets: taken as it comes, and checked where a policy demands it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { exchanges, type Policy } from "../../src/delivery/exchange.ts";
import { Limits } from "../../src/delivery/limits.ts";
import { dial } from "../../src/net/dial.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { replyLine } from "../../src/wire/reply.ts";
import { seeded } from "../spool/support.ts";
import { certs, type Identity } from "../support/certs.ts";
import { parcelFor } from "../support/mail.ts";
import { withListener } from "../support/net.ts";
import { play, type Talk } from "../support/provider.ts";

const plainly: Talk = ["P: 220 mx", "C: EHLO us.test", "P: 250 mx"];
const offered: Talk = ["P: 220 mx", "C: EHLO us.test", "P: 250-mx", "P: 250 STARTTLS", "C: STARTTLS"];
const taken: Talk = [
  "C: MAIL FROM:<ann@example.net>",
  "P: 250 ok",
  "C: RCPT TO:<u@x.test>",
  "P: 250 ok",
  "C: DATA",
  "P: 354 go",
  "C: Subject: hello",
  "C: ",
  "C: From here on",
  "C: all is text.",
  "C: .",
  "P: 250 taken",
  "C: QUIT",
  "P: 221 bye",
];
const underTls: Talk = [...offered, "P: 220 go", "starttls", "C: EHLO us.test", "P: 250 mx", ...taken];
/** The handshake goes wrong on our side or on theirs. */
const failing: Talk = [...offered, "P: 220 go", "starttls"];
const garbled: Talk = [...offered, "P: 220 go", "octets 5", "P: this is no TLS", "close"];
/** Somebody put a reply behind the one to STARTTLS, in the clear. */
const injected: Talk = [...offered, "P: 220 go", "P: 250 me too", "rest"];

interface World {
  /** What the exchange says, call by call. */
  readonly talks: readonly Talk[];
  readonly by?: () => Identity;
  readonly policy?: Policy;
  readonly at?: readonly string[];
}

/** Delivers a message to u@x.test, whose exchange is relay.test. */
async function deliver({ talks, by = () => certs().server, policy, at = ["127.0.0.1"] }: World) {
  const playing: Promise<string>[] = [];
  const left = [...talks];
  const onConnection = async (connection: Parameters<typeof play>[0]) => {
    const talk = left.shift();
    assert.ok(talk, "a call too many");
    const played = play(connection, "P", talk, { tls: { as: "server", tls: by() } }).catch(() => "broken");
    playing.push(played);
    await played;
    connection.destroy();
  };
  return withListener({ onConnection }, async ({ address: { port } }) => {
    const delivery = exchanges({
      names: {
        certain: true,
        exchanges: async () => [{ preference: 10, host: "relay.test" }],
        addresses: async () => at,
        texts: async () => [],
      },
      ...{ random: seeded(1), hostname: "us.test", ca: certs().ca },
      limits: new Limits({ all: 5, perDestination: 5 }, systemClock),
      connect: (host) => dial({ host, port, clock: systemClock, within: 10_000 }),
      policyOf: async () => policy,
    });
    const [outcome] = await delivery.deliver(parcelFor(["u@x.test"]));
    await delivery.close();
    const heard = await Promise.all(playing);
    return {
      told: `${outcome?.result} ${outcome && replyLine(outcome.reply)}`,
      calls: talks.length - left.length,
      clear: heard.some((text, i) => !talks[i]?.includes("starttls") && text.includes("MAIL FROM")),
    };
  });
}

const delivered = { told: "delivered 250 taken", calls: 1, clear: false };

describe("an exchange without a policy", () => {
  for (const name of ["server", "selfSigned", "expired", "wrongName"] as const)
    it(`gets its mail under TLS by whatever certificate: ${name}`, async () =>
      assert.deepEqual(await deliver({ talks: [underTls], by: () => certs()[name] }), delivered));

  it("gets it in the clear where it offers no TLS", async () =>
    assert.deepEqual(await deliver({ talks: [[...plainly, ...taken]] }), { ...delivered, clear: true }));

  it("gets it in the clear on the same line where it takes back its offer", async () => {
    const talks = [[...offered, "P: 454 not now", ...taken]];
    assert.deepEqual(await deliver({ talks }), { ...delivered, clear: true });
  });

  it("is called again, in the clear, where the handshake fails", async () => {
    const talks = [garbled, ["P: 220 mx", "C: EHLO us.test", "P: 250-mx", "P: 250 STARTTLS", ...taken]];
    assert.deepEqual(await deliver({ talks }), { ...delivered, calls: 2, clear: true });
  });

  it("gets nothing where something came behind its answer, in the clear: the mail waits", async () => {
    const { told, calls } = await deliver({ talks: [injected] });
    assert.match(told, /^deferred 451 4\.4\.1 x\.test: octets came behind/);
    assert.equal(calls, 1);
  });

  it("has mail brought to the next of its addresses, IPv6 or IPv4", async () =>
    assert.deepEqual(await deliver({ talks: [underTls], at: ["::1", "127.0.0.1"] }), delivered));
});

describe("an exchange of a domain that enforces a policy", () => {
  const policy: Policy = { hosts: ["relay.test"] };

  for (const hosts of [["relay.test"], ["RELAY.test", "x.test"], ["*.test"]])
    it(`gets its mail under TLS that is checked: ${hosts}`, async () =>
      assert.deepEqual(await deliver({ talks: [underTls], policy: { hosts } }), delivered));

  const refused: readonly (readonly [name: string, world: World, why: RegExp])[] = [
    ["vouches for itself", { talks: [failing], by: () => certs().selfSigned, policy }, /certificate/],
    ["has another's name", { talks: [failing], by: () => certs().wrongName, policy }, /other\.test/],
    ["is out of date", { talks: [failing], by: () => certs().expired, policy }, /expired/],
    ["fails at the handshake", { talks: [garbled], policy }, /TLS handshake/],
    ["offers no TLS", { talks: [[...plainly, "C: QUIT", "P: 221 bye"]], policy }, /offers no TLS/],
    [
      "takes back its offer",
      { talks: [[...offered, "P: 454 not now", "C: QUIT", "P: 221 bye"]], policy },
      /no TLS/,
    ],
    ["is not in it", { talks: [], policy: { hosts: ["*.relay.test", "test", "*.y.test"] } }, /MTA-STS/],
  ];
  for (const [name, world, why] of refused)
    it(`gets nothing where it ${name}: the mail waits`, async () => {
      const { told, calls, clear } = await deliver(world);
      assert.match(told, /^deferred 4/);
      assert.match(told, why);
      assert.deepEqual({ calls, clear }, { calls: world.talks.length, clear: false });
    });
});
