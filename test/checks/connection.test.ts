import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ConnectionRules, connectionCheck, reversed } from "../../src/checks/connection.ts";
import { replyLine } from "../../src/wire/reply.ts";
import { manualClock } from "../support/clock.ts";
import { lookupIn, txt, type Zone } from "../support/zone.ts";

const quiet: ConnectionRules = {
  reverseName: "no",
  blocklists: [],
  listed: "refuse",
  listedFrom: 1,
  timeout: 5_000,
};
const list = (zone: string, weight = 1, answers: readonly string[] = ["127.0.0.0/8"]) => ({
  zone,
  weight,
  answers,
});

/** What is found, in short: results, name, refusal. */
async function ask(zone: Zone, rules: Partial<ConnectionRules>, address = "192.0.2.7") {
  const clock = manualClock();
  const lookup = lookupIn(zone);
  const asking = connectionCheck({ ...quiet, ...rules }, { lookup, clock })(address);
  await clock.advance(20_000);
  const { results, name, refusal } = await asking;
  assert.equal(clock.timers, 0);
  return {
    results: results.map(({ method, result }) => `${method}=${result}`),
    ...(name !== undefined && { name }),
    ...(refusal && { refusal: replyLine(refusal) }),
    asked: lookup.asked.length,
  };
}

describe("an address", () => {
  it("is asked for backwards", () => {
    assert.equal(reversed("192.0.2.7"), "7.2.0.192");
    assert.equal(reversed("::ffff:192.0.2.7"), "7.2.0.192");
    const zeros = "0.".repeat(23);
    assert.equal(reversed("2001:db8::1"), `1.${zeros}8.b.d.0.1.0.0.2`);
    assert.equal(reversed("2001:0DB8:0:0:0:0:0:1%eth0"), `1.${zeros}8.b.d.0.1.0.0.2`);
    assert.equal(reversed("::1"), `1${".0".repeat(31)}`);
    assert.equal(reversed("64:ff9b::192.0.2.7"), `7.0.2.0.0.0.0.c.${"0.".repeat(16)}b.9.f.f.4.6.0.0`);
  });
});

describe("a name that leads back", () => {
  const there: Zone = {
    "7.2.0.192.in-addr.arpa PTR": ["other.example", "MX.world.example"],
    "MX.world.example A": ["198.51.100.1", "192.0.2.7"],
  };

  it("is found, and told to the checks of messages", async () => {
    assert.deepEqual(await ask(there, { reverseName: "refuse" }), {
      results: ["iprev=pass"],
      name: "mx.world.example",
      asked: 3,
    });
  });

  it("is found for IPv6, however its address is written", async () => {
    const zone: Zone = {
      [`${reversed("2001:db8::7")}.ip6.arpa PTR`]: ["mx.world.example"],
      "mx.world.example AAAA": ["2001:0db8:0:0:0:0:0:7"],
    };
    assert.deepEqual(await ask(zone, { reverseName: "refuse" }, "2001:db8::7"), {
      results: ["iprev=pass"],
      name: "mx.world.example",
      asked: 2,
    });
  });

  it("is missed, and refused for only where the operator wants that", async () => {
    const refusal = "550 5.7.25 No name in DNS leads back to your address";
    const deferral = "450 4.7.25 No name in DNS leads back to your address, try again later";
    const lying: Zone = { "7.2.0.192.in-addr.arpa PTR": ["mx.world.example"] };
    assert.deepEqual(await ask({}, { reverseName: "mark" }), { results: ["iprev=permerror"], asked: 1 });
    assert.deepEqual(await ask({}, { reverseName: "refuse" }), {
      results: ["iprev=permerror"],
      refusal,
      asked: 1,
    });
    assert.deepEqual(await ask(lying, { reverseName: "refuse" }), {
      results: ["iprev=fail"],
      refusal,
      asked: 2,
    });
    assert.deepEqual((await ask(lying, { reverseName: "defer" })).refusal, deferral);
  });

  it("is not missed by a DNS that does not answer, nor waited for without an end", async () => {
    for (const answer of ["trouble", "silence"] as const)
      assert.deepEqual(await ask({ "7.2.0.192.in-addr.arpa PTR": answer }, { reverseName: "refuse" }), {
        results: ["iprev=temperror"],
        asked: 1,
      });
  });

  it("is looked for among five names at most", async () => {
    const many = { "7.2.0.192.in-addr.arpa PTR": Array.from({ length: 1_000 }, (_, i) => `n${i}.example`) };
    assert.equal((await ask(many, { reverseName: "mark" })).asked, 6);
  });
});

describe("a list", () => {
  const on = (zone: string, answer: string): Zone => ({ [`7.2.0.192.${zone} A`]: [answer] });

  it("refuses with its own words", async () => {
    const zone = {
      ...on("bad.example", "127.0.0.2"),
      "7.2.0.192.bad.example TXT": txt("see https://bad.example/\r\n250 OK"),
    };
    assert.deepEqual(await ask(zone, { blocklists: [list("bad.example")] }), {
      results: ["x-dnsbl=fail"],
      refusal: "554 5.7.1 192.0.2.7 is on the list bad.example: see https://bad.example/?250 OK",
      asked: 2,
    });
  });

  it("marks, or defers, where that is all that is wanted", async () => {
    const zone = on("bad.example", "127.0.0.2");
    assert.deepEqual(await ask(zone, { blocklists: [list("bad.example")], listed: "mark" }), {
      results: ["x-dnsbl=fail"],
      asked: 1,
    });
    assert.equal(
      (await ask(zone, { blocklists: [list("bad.example")], listed: "defer" })).refusal,
      "450 4.7.1 192.0.2.7 is on the list bad.example",
    );
  });

  it("counts by its answers: not the others, not an error, not a wildcard outside", async () => {
    for (const [answer, answers, counts] of [
      ["127.0.0.10", ["127.0.0.2/31"], false],
      ["127.0.0.3", ["127.0.0.2/31"], true],
      ["127.255.255.254", ["127.0.0.0/8"], false],
      ["203.0.113.9", ["127.0.0.0/8"], false],
    ] as const) {
      const { results } = await ask(on("bad.example", answer), {
        blocklists: [list("bad.example", 1, answers)],
      });
      assert.deepEqual(results, counts ? ["x-dnsbl=fail"] : [], answer);
    }
  });

  it("counts with its weight, and lists of the good count against it", async () => {
    const blocklists = [list("bad.example", 2), list("worse.example", 2), list("good.example", -3)];
    const bad = { ...on("bad.example", "127.0.0.2"), ...on("worse.example", "127.0.0.2") };
    const refused = async (zone: Zone) =>
      (await ask(zone, { blocklists, listedFrom: 4 })).refusal !== undefined;
    assert.equal(await refused(on("bad.example", "127.0.0.2")), false);
    assert.equal(await refused(bad), true);
    assert.equal(await refused({ ...bad, ...on("good.example", "127.0.0.1") }), false);
  });

  it("that does not answer says nothing", async () => {
    for (const answer of ["trouble", "silence"] as const)
      assert.deepEqual(
        await ask({ "7.2.0.192.bad.example A": answer }, { blocklists: [list("bad.example")] }),
        {
          results: [],
          asked: 1,
        },
      );
  });
});
