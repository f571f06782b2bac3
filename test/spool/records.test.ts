import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { openSpool } from "../../src/spool/open.ts";
import type { Change, RecordingSpool } from "../../src/spool/records.ts";
import { reply } from "../../src/wire/reply.ts";
import { all, DAY, HandClock, HOME, MINUTE, OUT, START, seeded, stored, temporary, WORK } from "./support.ts";

const BY = { name: "cli:root", reason: "" };
const FACTS = { side: "provider", customer: "home", peer: "192.0.2.7" } as const;

/** What was submitted before is committed when this is. */
const committed = (spool: RecordingSpool) => spool.records.removeHoldRule("none");

interface Desk {
  readonly spool: RecordingSpool;
  readonly clock: HandClock;
  readonly path: string;
  open(): Promise<RecordingSpool>;
}

for (const thread of ["here", "worker"] as const)
  describe(`the records of a spool (${thread})`, () => {
    const ends: (() => Promise<void>)[] = [];
    after(async () => {
      for (const end of ends.reverse()) await end();
    });

    async function desk(): Promise<Desk> {
      const folder = temporary();
      const clock = new HandClock();
      ends.push(async () => folder.remove());
      const path = `${folder.path}/spool.db`;
      const random = seeded(11);
      const open = async () => {
        const spool = await openSpool({ path, clock, random, log: silent, files: systemFiles, thread });
        ends.push(() => spool.close());
        return spool;
      };
      return { spool: await open(), clock, path, open };
    }

    async function take(changes: AsyncIterable<Change>, count: number): Promise<readonly Change[]> {
      const taken: Change[] = [];
      for await (const change of changes) {
        taken.push(change);
        if (taken.length === count) break;
      }
      return taken;
    }

    it("a turn is there from its start, follows its progress at most once a second, and ends", async () => {
      const { spool, clock } = await desk();
      const turn = spool.records.turn(FACTS);
      await committed(spool);
      const [begun] = await spool.records.turns({ limit: 9 });
      const none = { delivered: 0, deferred: 0, refused: 0, octets: 0 };
      assert.deepEqual(begun, { id: begun?.id, ...FACTS, started: START, state: "running", ...none });
      const tally = { delivered: 2, deferred: 1, refused: 0, octets: 700 };
      turn.progress(tally);
      assert.equal((await spool.records.turns({ limit: 9 }))[0]?.delivered, 0);
      clock.pass(1000);
      await committed(spool);
      assert.equal((await spool.records.turns({ state: "running", limit: 9 }))[0]?.delivered, 2);
      clock.pass(500);
      await turn.end();
      const ended = { id: begun?.id, ...FACTS, started: START, ended: START + 1500, state: "done", ...tally };
      assert.deepEqual(await spool.records.turns({ limit: 9 }), [ended]);
      assert.deepEqual(await spool.records.lastTurns(), [ended]);
      assert.deepEqual((await spool.records.totals()).turns.provider, { done: 1, failed: 0 });
    });

    it("turns come newest first, by customer, side, state and page", async () => {
      const { spool, clock } = await desk();
      const ids: string[] = [];
      for (const [customer, why] of [
        ["home", undefined],
        ["work", "the line was lost"],
        ["home", "greeted with 421"],
      ] as const) {
        clock.pass(1);
        await spool.records.turn({ ...FACTS, customer }).end(why);
        ids.unshift((await spool.records.turns({ limit: 1 }))[0]?.id ?? "");
      }
      const listed = async (filter: Omit<Parameters<typeof spool.records.turns>[0], "limit">, limit = 9) =>
        (await spool.records.turns({ ...filter, limit })).map(({ id }) => id);
      assert.deepEqual(await listed({}), ids);
      assert.deepEqual(await listed({ customer: "home" }), [ids[0], ids[2]]);
      assert.deepEqual(await listed({ state: "failed" }), [ids[0], ids[1]]);
      assert.deepEqual(await listed({ side: "customer" }), []);
      assert.deepEqual(await listed({ before: ids[0] ?? "" }, 1), [ids[1]]);
      assert.deepEqual((await spool.records.lastTurns()).map(({ id }) => id).sort(), [ids[1], ids[0]].sort());
    });

    it("a turn whose process died is shown as failed", async () => {
      const { spool, clock } = await desk();
      spool.records.turn(FACTS);
      await committed(spool);
      clock.sleep(5 * MINUTE);
      const [dead] = await spool.records.turns({ state: "failed", limit: 9 });
      assert.deepEqual(
        { state: dead?.state, why: dead?.why, ended: dead?.ended },
        { state: "failed", why: "its process ended", ended: START },
      );
      assert.deepEqual(await spool.records.turns({ state: "running", limit: 9 }), []);
    });

    it("a watcher is told of what this process does, and of turns", async () => {
      const { spool } = await desk();
      const stop = new AbortController();
      const changes = take(spool.records.watch(stop.signal), 2);
      await spool.records.totals();
      const id = await stored(spool);
      const turn = spool.records.turn(FACTS);
      const told = await changes;
      assert.deepEqual(
        told.map((change) =>
          change.type === "event" ? [change.event.what, change.event.id] : [change.type],
        ),
        [["accepted", id], ["turn"]],
      );
      await turn.end();
      stop.abort();
    });

    it("a watcher is told of what others do, goes on where it was, and ends when told to", async () => {
      const { spool, clock, open } = await desk();
      const other = await open();
      const stop = new AbortController();
      const first = await stored(other);
      const second = await stored(other);
      const all = await take(spool.records.watch(stop.signal, 0), 2);
      assert.deepEqual(
        all.map((change) => change.type === "event" && change.event.id),
        [first, second],
      );
      const [one] = all;
      const rest = await take(spool.records.watch(stop.signal, one?.type === "event" ? one.seq : 0), 1);
      assert.equal(rest[0]?.type === "event" && rest[0].event.id, second);
      const ended = take(spool.records.watch(stop.signal), 1);
      await spool.records.totals();
      stop.abort();
      assert.deepEqual(await ended, []);
      clock.pass(1000);
    });

    it("a series has every bucket, and counts what fell into each", async () => {
      const { spool, clock } = await desk();
      await stored(spool);
      clock.pass(10 * MINUTE);
      await stored(spool);
      await stored(spool);
      await all(spool.act({ type: "remove" }, { limit: 1 }, BY));
      assert.deepEqual(await spool.records.series(START - 5 * MINUTE, START + 15 * MINUTE, 5 * MINUTE), [
        { at: START - 5 * MINUTE, counts: {} },
        { at: START, counts: { accepted: 1 } },
        { at: START + 5 * MINUTE, counts: {} },
        { at: START + 10 * MINUTE, counts: { accepted: 2, removed: 1 } },
      ]);
    });

    it("lanes have their sums, their oldest, and what is held and leased; totals never go back", async () => {
      const { spool, clock } = await desk();
      await stored(spool);
      clock.pass(MINUTE);
      await stored(spool, { arrived: clock.now() });
      await stored(spool, { lane: OUT, arrived: clock.now() });
      await all(spool.act({ type: "hold" }, { direction: "outgoing" }, BY));
      const claim = await spool.claim({ lane: HOME, lease: DAY }, "test/1");
      if (typeof claim === "string") throw new Error(claim);
      const held = await claim.next();
      assert.deepEqual(await spool.records.lanes(), [
        { ...OUT, count: 1, octets: 44, oldest: START + MINUTE, held: 1, leased: 0 },
        { ...HOME, count: 2, octets: 88, oldest: START, held: 0, leased: 2 },
      ]);
      if (held === undefined) throw new Error("nothing is due");
      await claim.settle(held, [
        { to: "bob@example.org", result: "delivered", reply: reply(250, "2.0.0", "ok") },
      ]);
      await claim.release();
      const { events, octets } = await spool.records.totals();
      assert.deepEqual({ ...events }, { accepted: 3, delivered: 1, held: 1 });
      assert.equal(octets, 132);
    });

    it("commits are timed, looks are not", async () => {
      const { spool } = await desk();
      await stored(spool);
      await spool.count({});
      const { count, buckets } = spool.records.commits();
      assert.equal(count, 1);
      assert.equal(buckets.at(-1)?.count, 1);
    });

    it("new mail that fits a hold rule is held from its first moment, and does not expire", async () => {
      const { spool, clock } = await desk();
      const rule = await spool.records.addHoldRule({
        ...{ customer: "home", recipient: "bob@*", reason: "audit", actor: "cli:root" },
      });
      assert.deepEqual(await spool.records.holdRules(), [rule]);
      const id = await stored(spool, { to: ["Bob@example.org", "eve@example.org"] });
      await stored(spool, { lane: WORK });
      const [entry] = await all(spool.list({ ids: [id] }));
      assert.deepEqual(
        entry?.recipients.map(({ state }) => state),
        ["held", "waiting"],
      );
      const history = await all(spool.history({ ids: [id] }));
      assert.deepEqual(history.at(-1), {
        ...{ at: START, id, recipient: "Bob@example.org", what: "held", actor: "cli:root" },
        reason: `rule ${rule.id}: audit`,
      });
      assert.equal(await spool.count({ state: "held" }), 1);
      clock.pass(31 * DAY);
      await spool.expire(clock.now());
      assert.equal(await spool.count({ state: "held" }), 1);
      assert.equal(await spool.records.removeHoldRule(rule.id), true);
      assert.equal(await spool.records.removeHoldRule(rule.id), false);
      await stored(spool, { to: ["bob@example.org"] });
      assert.equal(await spool.count({ state: "held" }), 1);
    });

    it("rules hold by size, and by the null sender", async () => {
      const { spool } = await desk();
      const by = { reason: "", actor: "cli:root" };
      await spool.records.addHoldRule({ ...by, largerThan: 100 });
      await spool.records.addHoldRule({ ...by, sender: "<>" });
      await stored(spool, { from: "" });
      await stored(spool, { body: "x".repeat(200) });
      await stored(spool);
      assert.equal(await spool.count({ state: "held" }), 2);
    });

    it("pages go on where they ended: entries, actions, history", async () => {
      const { spool } = await desk();
      const ids = [await stored(spool), await stored(spool), await stored(spool)];
      const first = await spool.records.page({}, { limit: 2 });
      const rest = await spool.records.page({}, { limit: 2, ...(first.next && { after: first.next }) });
      assert.deepEqual(
        [...first.items, ...rest.items].map(({ id }) => id),
        ids,
      );
      assert.equal(rest.next, undefined);
      const dry = await spool.records.actPage({ type: "hold" }, {}, BY, { limit: 2 }, "dry");
      assert.deepEqual(dry.items, ids.slice(0, 2));
      const held = await spool.records.actPage({ type: "hold" }, {}, BY, { limit: 9 });
      assert.deepEqual(held, { items: ids });
      const events = await spool.records.historyPage(undefined, { limit: 4 });
      const more = await spool.records.historyPage(undefined, {
        limit: 4,
        ...(events.next && { after: events.next }),
      });
      assert.deepEqual([events.items.length, more.items.length], [4, 2]);
    });
  });
