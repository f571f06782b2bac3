import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { RemoteQueue } from "../../src/spool/remote.ts";
import {
  type Filter,
  type MessageId,
  type Queue,
  SpoolError,
  type SpoolFault,
} from "../../src/spool/spool.ts";
import { type Admin, FULL, openAdmin, READ } from "../admin/support.ts";
import { all, HandClock, OUT, octets, stored } from "./support.ts";

const OPERATOR = { name: "cli:root", reason: "because" };

function remoteTo(admin: Admin, token = FULL): RemoteQueue {
  return new RemoteQueue({
    url: new URL("http://localhost:8366"),
    token,
    clock: admin.clock,
    fetch: async (request) => {
      const { headers, method } = request;
      const body = method === "POST" ? await request.text() : undefined;
      const all = { ...Object.fromEntries(headers), host: "localhost" };
      return await admin.app.request(request.url, {
        method,
        headers: all,
        ...(body !== undefined && { body }),
      });
    },
  });
}

describe("a queue from afar", () => {
  let admin: Admin;
  let remote: RemoteQueue;
  const ids: MessageId[] = [];

  before(async () => {
    admin = await openAdmin();
    remote = remoteTo(admin);
    for (let n = 0; n < 400; n++)
      ids.push(
        await stored(admin.spool, {
          to: [`r${n}@example.org`, "second@Example.ORG"],
          from: n % 3 === 0 ? "" : `ann${n}@sender.example`,
          subject: `number ${n} ünï`,
          body: `${"x".repeat((n * 37) % 500)}\r\n`,
          ...(n % 5 === 0 && { lane: OUT }),
        }),
      );
    await all(admin.spool.act({ type: "hold" }, { recipient: "r1*" }, OPERATOR));
    await all(admin.spool.act({ type: "remove" }, { recipient: "r2*" }, OPERATOR));
    await all(admin.spool.act({ type: "remove" }, { ids: ids.slice(0, 7) }, OPERATOR));
  });
  after(() => admin.close());

  const filters: readonly Filter[] = [
    {},
    { gone: true },
    { limit: 7 },
    { sort: "newest", limit: 150 },
    { sort: "largest" },
    { direction: "outgoing" },
    { customer: "home", state: "held" },
    { state: "removed", gone: true },
    { sender: "<>" },
    { sender: "ann?@*" },
    { recipient: "r3?@example.org", domain: "EXAMPLE.org" },
    { largerThan: 300, smallerThan: 400 },
    { arrivedAfter: 0, arrivedBefore: 1 },
    { customer: "nobody" },
  ];

  it("lists and counts as the spool itself does", async () => {
    const some = [...ids].reverse();
    const named: readonly Filter[] = [
      { ids: some },
      { ids: some, sort: "newest" },
      { ids: some, sort: "smallest", limit: 390 },
      { ids: [...some, ...some], gone: true },
      { ids: [] },
    ];
    for (const filter of [...filters, ...named]) {
      const what = JSON.stringify({ ...filter, ids: filter.ids?.length });
      const [far, near] = [await all(remote.list(filter)), await all(admin.spool.list(filter))];
      if (filter.ids !== undefined && filter.sort === "smallest")
        assert.deepEqual(
          far.map(({ size }) => size),
          near.map(({ size }) => size),
          what,
        );
      else assert.deepEqual(far, near, what);
      assert.equal(await remote.count(filter), await admin.spool.count(filter), what);
    }
  });

  it("gives a message octet for octet, and nothing for what is not there", async () => {
    const id = ids[8] ?? "";
    const whole = async (queue: Queue): Promise<Uint8Array> => octets((await queue.content(id)) ?? []);
    assert.deepEqual(await whole(remote), await whole(admin.spool));
    assert.equal(await remote.content(ids[0] ?? ""), undefined);
    assert.equal(await remote.content("0192d0c8-1c00-7000-8000-000000000001"), undefined);
  });

  it("acts, and the history says who and why", async () => {
    const chosen = ids.slice(300, 320);
    const dry = await all(remote.act({ type: "hold" }, { ids: chosen }, OPERATOR, "dry"));
    assert.equal(await admin.spool.count({ ids: chosen, state: "held" }), 0);
    assert.deepEqual(await all(remote.act({ type: "hold" }, { ids: chosen }, OPERATOR)), dry);
    assert.equal(await admin.spool.count({ ids: chosen, state: "held" }), 20);
    assert.equal((await all(remote.act({ type: "release" }, { ids: chosen, limit: 3 }, OPERATOR))).length, 3);
    const [id = ""] = chosen;
    const history = await all(remote.history({ ids: [id] }));
    assert.deepEqual(history, await all(admin.spool.history({ ids: [id] })));
    assert.deepEqual(
      history.slice(1, 3).map(({ what, actor, reason }) => [what, actor, reason]),
      [
        ["held", "api:full", "because"],
        ["held", "api:full", "because"],
      ],
    );
    assert.deepEqual(
      await all(remote.history({ limit: 1500 })),
      await all(admin.spool.history({ limit: 1500 })),
    );
  });

  it("keeps hold rules", async () => {
    const rule = { sender: "*@spam.example", largerThan: 1000, reason: "spam", actor: "cli:root" };
    const added = await remote.addHoldRule(rule);
    assert.deepEqual(await remote.holdRules(), [added]);
    assert.deepEqual(await admin.spool.records.holdRules(), [added]);
    assert.deepEqual([added.sender, added.largerThan, added.reason], ["*@spam.example", 1000, "spam"]);
    assert.equal(await remote.removeHoldRule(added.id), true);
    assert.equal(await remote.removeHoldRule(added.id), false);
    assert.deepEqual(await remote.holdRules(), []);
  });

  it("is told what its token may not", async () => {
    const faultOf = async (asked: Promise<unknown>): Promise<SpoolFault | undefined> =>
      await asked.then(
        () => undefined,
        (error) => error.fault,
      );
    assert.equal(await faultOf(remoteTo(admin, "wrong").count({})), "denied");
    assert.equal(await faultOf(all(remoteTo(admin, READ).act({ type: "hold" }, {}, OPERATOR))), "denied");
    assert.equal(await faultOf(remoteTo(admin, READ).count({})), undefined);
    assert.equal(
      await faultOf(all(remote.act({ type: "move", customer: "nobody" }, {}, OPERATOR))),
      "request",
    );
  });
});

describe("an answer of something else", () => {
  const answers: readonly (readonly [string, () => Response, SpoolFault])[] = [
    ["no odmr", () => new Response("<html>"), "protocol"],
    ["other JSON", () => Response.json({ items: [{ id: 1 }], next: null }), "protocol"],
    ["a redirect", () => Response.redirect("http://elsewhere.example/"), "protocol"],
    ["not found", () => new Response("", { status: 404 }), "protocol"],
    ["too many", () => new Response("", { status: 429 }), "busy"],
    ["broken", () => new Response("", { status: 502 }), "busy"],
    ["refused", () => Response.json({ title: "no \x1b[31m" }, { status: 403 }), "denied"],
  ];
  for (const [name, answer, fault] of answers)
    it(`is ${fault}: ${name}`, async () => {
      const asked: Request[] = [];
      const remote = new RemoteQueue({
        url: new URL("https://relay.example/odmr/"),
        token: "secret",
        clock: new HandClock(),
        fetch: async (request) => {
          asked.push(request);
          return answer();
        },
      });
      await assert.rejects(all(remote.list({})), (error) => {
        assert.ok(error instanceof SpoolError);
        assert.equal(error.fault, fault);
        assert.doesNotMatch(error.message, /\x1b/);
        return true;
      });
      assert.deepEqual(
        asked.map(({ url, redirect, headers }) => [url, redirect, headers.get("authorization")]),
        [["https://relay.example/odmr/api/v1/queue?limit=1000", "manual", "Bearer secret"]],
      );
    });

  it("is unreachable: nobody there, or nobody who answers in a minute", async () => {
    const clock = new HandClock();
    const options = { url: new URL("https://relay.example"), token: undefined, clock };
    const nobody = new RemoteQueue({ ...options, fetch: () => Promise.reject(new TypeError("refused")) });
    await assert.rejects(nobody.count({}), {
      fault: "unreachable",
      message: "cannot reach https://relay.example: refused",
    });
    const silent = new RemoteQueue({
      ...options,
      fetch: ({ signal }) =>
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    });
    const asked = assert.rejects(silent.count({}), { fault: "unreachable" });
    clock.pass(60_000);
    await asked;
  });
});
