import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Abroad, sorted } from "../../src/delivery/sorted.ts";
import { Hop, parcelTo, results, said } from "./parcels.ts";

describe("rules of distribution", () => {
  test("the first rule that fits a recipient counts, and each way gets its own", async () => {
    const [sales, rest] = [new Hop({ "sales@a.test": "deferred" }), new Hop()];
    const delivery = sorted([
      { match: "sales@*", delivery: sales },
      { match: "*", delivery: rest },
    ]);
    const outcomes = await delivery.deliver(parcelTo(["bob@a.test", "sales@a.test", "eve@a.test"]));
    assert.deepEqual(results(outcomes), [
      "bob@a.test delivered",
      "sales@a.test deferred",
      "eve@a.test delivered",
    ]);
    assert.deepEqual([sales.given, rest.given], [[["sales@a.test"]], [["bob@a.test", "eve@a.test"]]]);
    await delivery.close();
    assert.deepEqual([sales.closed, rest.closed], [1, 1]);
  });

  test("sender, size and a field are conditions, and all must fit", async () => {
    const text = "List-Id: =?utf-8?q?B=C3=BCro?= <buero.lists.test>\r\nSubject: x\r\n\r\nHi\r\n";
    const cases = [
      [{ from: "ann@*" }, true],
      [{ from: "bob@*" }, false],
      [{ largerThan: 10 }, true],
      [{ largerThan: 1_000 }, false],
      [{ smallerThan: 1_000 }, true],
      [{ smallerThan: 10 }, false],
      [{ header: { name: "list-id", matches: "*<buero.lists.test>" } }, true],
      [{ header: { name: "List-ID", matches: "büro*" } }, true],
      [{ header: { name: "Subject", matches: "y" } }, false],
      [{ header: { name: "X-None", matches: "*" } }, false],
      [{ from: "ann@*", header: { name: "Subject", matches: "x" }, smallerThan: 10 }, false],
    ] as const;
    for (const [conditions, taken] of cases) {
      const [some, rest] = [new Hop(), new Hop()];
      const delivery = sorted([
        { match: "*", ...conditions, delivery: some },
        { match: "*", delivery: rest },
      ]);
      await delivery.deliver(parcelTo(["bob@a.test"], { text }));
      assert.equal(some.given.length, taken ? 1 : 0, JSON.stringify(conditions));
    }
  });

  test("a recipient that no rule takes is tried again", async () => {
    const outcomes = await sorted([{ match: "bob@*", delivery: new Hop() }]).deliver(
      parcelTo(["eve@a.test"]),
    );
    assert.deepEqual(results(outcomes), ["eve@a.test deferred"]);
  });

  test("a redirected recipient goes on through the rules, and is answered under its own name", async () => {
    const hop = new Hop({ "ann@a.test": "refused" });
    const delivery = sorted([
      { match: "sales@*", redirect: "ann@a.test" },
      { match: "info@*", redirect: "sales@a.test" },
      { match: "*", delivery: hop },
    ]);
    const outcomes = await delivery.deliver(parcelTo(["info@a.test", "bob@a.test"]));
    assert.deepEqual(results(outcomes), ["info@a.test refused", "bob@a.test delivered"]);
    assert.deepEqual(hop.given, [["ann@a.test"], ["bob@a.test"]]);
    assert.equal(hop.parcels[0]!.envelope.recipients[0]!.orcpt, "rfc822;info@a.test");
  });

  test("rules that go in a circle refuse", async () => {
    const delivery = sorted([
      { match: "a@*", redirect: "b@a.test" },
      { match: "b@*", redirect: "a@a.test" },
    ]);
    assert.deepEqual(results(await delivery.deliver(parcelTo(["a@a.test"]))), ["a@a.test refused"]);
  });

  test("a redirection to elsewhere leaves the house by itself, and it is said whose mail it was", async () => {
    const sent: string[] = [];
    const abroad: Abroad = {
      isOurs: (address) => address.endsWith("@a.test"),
      async send({ envelope }, was) {
        sent.push(`${was} ${envelope.recipients.map(({ address }) => address)}`);
        return envelope.recipients.map(({ address }) => ({
          to: address,
          result: "delivered",
          reply: said.delivered,
        }));
      },
    };
    const rules = [{ match: "*", redirect: "me@elsewhere.test" }];
    const outcomes = await sorted(rules, abroad).deliver(parcelTo(["bob@a.test", "eve@a.test"]));
    assert.deepEqual(results(outcomes), ["bob@a.test delivered", "eve@a.test delivered"]);
    assert.deepEqual(sent, ["bob@a.test me@elsewhere.test", "eve@a.test me@elsewhere.test"]);
  });
});
