import assert from "node:assert/strict";
import { it } from "node:test";
import { NameTrouble } from "../../src/platform/dns.ts";
import { systemLookup } from "../../src/platform/lookup.ts";
import { withNameServer } from "../support/nameserver.ts";

const long = "v=spf1 ".padEnd(400, "x");
const zone = {
  "x.test A": ["192.0.2.7", "192.0.2.8"],
  "x.test MX": [{ priority: 10, exchange: "mx.x.test" }],
  "x.test TXT": [[long], ["other"]],
  "7.2.0.192.in-addr.arpa PTR": ["x.test"],
  "broken.test A": "trouble",
  "large.test TXT": Array.from({ length: 40 }, (_, i) => [`${i} ${"y".repeat(200)}`]),
} as const;

it("questions are asked by type: what there is, nothing, and no answer", () =>
  withNameServer(zone, async (server) => {
    const lookup = systemLookup([server]);
    assert.deepEqual([...(await lookup.ask("x.test", "A"))].sort(), ["192.0.2.7", "192.0.2.8"]);
    const [mx] = await lookup.ask("x.test", "MX");
    assert.deepEqual(
      { priority: mx?.priority, exchange: mx?.exchange },
      { priority: 10, exchange: "mx.x.test" },
    );
    const texts = (await lookup.ask("x.test", "TXT")).map((pieces) => pieces.join("")).sort();
    assert.deepEqual(texts, ["other", long]);
    const [name] = await lookup.ask("7.2.0.192.in-addr.arpa", "PTR");
    assert.equal(name, "x.test");
    assert.deepEqual(await lookup.ask("none.test", "A"), []);
    await assert.rejects(lookup.ask("broken.test", "A"), NameTrouble);
  }));

it("an answer that is too large for a datagram comes by a stream", () =>
  withNameServer(zone, async (server) => {
    assert.deepEqual(await systemLookup([server]).ask("large.test", "TXT"), zone["large.test TXT"]);
  }));

it("another server is asked where one does not answer", () =>
  withNameServer(zone, (server) =>
    withNameServer({ "x.test A": "silence" }, async (mute) => {
      assert.equal((await systemLookup([mute, server], 200).ask("x.test", "A")).length, 2);
      await assert.rejects(systemLookup([mute], 200).ask("x.test", "A"), NameTrouble);
    }),
  ));

it("a server to which there is no way is one that does not answer", () =>
  // Nobody may send to all: the system refuses it as it does where there is no network.
  withNameServer(zone, async (server) => {
    await assert.rejects(systemLookup(["255.255.255.255"], 200).ask("x.test", "A"), NameTrouble);
    assert.equal((await systemLookup(["255.255.255.255", server], 200).ask("x.test", "A")).length, 2);
  }));

it("what cannot be a name is not there", async () => {
  const lookup = systemLookup(["127.0.0.1:1"]);
  for (const name of [
    "",
    ".",
    "a..b",
    `${"a".repeat(64)}.test`,
    "a.".repeat(128),
    "a b.test",
    "ä.test",
    "a\0.test",
  ])
    assert.deepEqual(await lookup.ask(name, "A"), [], name);
});
