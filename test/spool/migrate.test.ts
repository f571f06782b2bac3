import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { describe, it } from "node:test";
import { systemFiles } from "../../src/platform/files.ts";
import { openDatabase } from "../../src/platform/sqlite.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { migrate, rehearse } from "../../src/spool/migrate.ts";
import type { KeptMail } from "../../src/spool/movable.ts";
import { openSpool } from "../../src/spool/open.ts";
import type { MessageId } from "../../src/spool/spool.ts";
import { damage } from "../../src/spool/verify.ts";
import { reply } from "../../src/wire/reply.ts";
import {
  all,
  DAY,
  HandClock,
  HOME,
  MINUTE,
  octets,
  post,
  START,
  seeded,
  stored,
  temporary,
  WORK,
} from "./support.ts";

const OPERATOR = { name: "cli:root", reason: "because" };
const LARGE = new Uint8Array(300_000).fill(120);

interface House {
  readonly clock: HandClock;
  readonly from: EmbeddedSpool;
  readonly to: EmbeddedSpool;
  readonly folder: string;
}

async function inHouse(run: (house: House) => Promise<void>): Promise<void> {
  const { path: folder, remove } = temporary();
  const clock = new HandClock();
  const open = (name: string, seed: number): Promise<EmbeddedSpool> =>
    openSpool({
      path: `${folder}/${name}.db`,
      clock,
      random: seeded(seed),
      log: { log: () => {} },
      files: systemFiles,
      thread: "here",
    });
  const [from, to] = [await open("from", 1), await open("to", 2)];
  try {
    await run({ clock, from, to, folder });
  } finally {
    await from.close();
    await to.close();
    remove();
  }
}

/** Mail in every state that there is. */
async function lived({ from, clock }: House): Promise<readonly MessageId[]> {
  const ids = [
    await stored(from, { to: ["held@example.org"], subject: "held" }),
    await stored(from, { to: ["a@example.org", "b@example.org"], subject: "partly" }),
    await stored(from, { lane: WORK, to: ["later@work.example"], subject: "later" }),
    await stored(from, { to: ["gone@example.org"], subject: "gone", body: LARGE }),
    await stored(from, { to: ["large@example.org"], subject: "large", body: LARGE }),
    await stored(from, {
      to: ["leased@example.org"],
      subject: "leased",
      origin: { spool: "s", message: "m" },
    }),
  ];
  await post(from, {
    postings: [HOME, WORK].map((lane) => ({
      lane,
      recipients: [{ address: `two@${lane.customer}.example`, notify: ["NEVER"], orcpt: "rfc822;x" }],
      expires: START + DAY,
    })),
    subject: "for two",
  });
  await all(from.act({ type: "hold" }, { recipient: "held@*" }, OPERATOR));
  await all(from.act({ type: "remove" }, { recipient: "gone@*" }, OPERATOR));
  const settle = async (id: MessageId, address: string, result: "delivered" | "deferred"): Promise<void> => {
    const lane = result === "deferred" ? WORK : HOME;
    const claim = await from.claim({ lane, lease: MINUTE }, `test/${id}`);
    if (typeof claim === "string") throw new Error(claim);
    for (let held = await claim.next(); held !== undefined; held = await claim.next())
      if (held.id === id)
        await claim.settle(held, [
          {
            to: address,
            result,
            reply: reply(result === "deferred" ? 451 : 250, "4.2.1", "x"),
            due: START + DAY,
          },
        ]);
    await claim.release();
  };
  await settle(ids[1] ?? "", "a@example.org", "delivered");
  await settle(ids[2] ?? "", "later@work.example", "deferred");
  await from.records.addHoldRule({ sender: "*@spam.example", reason: "spam", actor: "cli:root" });
  clock.pass(1);
  return ids;
}

const gone = { gone: true } as const;

async function everything(spool: EmbeddedSpool): Promise<object> {
  const entries = (await all(spool.list(gone))).sort((a, b) => (a.id < b.id ? -1 : 1));
  const bodies = [];
  for (const { id } of entries) {
    const content = await spool.content(id);
    bodies.push(content && Buffer.from(await octets(content)).toString("latin1"));
  }
  const history = (await all(spool.history({}))).map((event) => JSON.stringify(event)).sort();
  return { entries, bodies, history, rules: await spool.records.holdRules() };
}

describe("moving house", () => {
  it("takes everything along as it was: states, attempts, times, replies, bodies, history, rules", () =>
    inHouse(async (house) => {
      await lived(house);
      const { from, to } = house;
      assert.deepEqual(await rehearse(from.moving, to.moving), {
        ...{ entries: 8, moving: 8 },
        octets: (await all(from.list({}))).reduce((sum, { size }) => sum + size, 0),
      });
      const done = await migrate(from.moving, to.moving);
      assert.deepEqual(done, { passes: 2, moved: 8, entries: 8, left: 0, damaged: [], unfinished: false });
      assert.deepEqual(await everything(to), await everything(from));
      assert.deepEqual(to.usage(HOME), from.usage(HOME));
      assert.deepEqual(await all(damage(to)), []);
      assert.deepEqual(await to.inspect("tally", {}), await from.inspect("tally", {}));
      assert.equal((await rehearse(from.moving, to.moving)).moving, 0);
    }));

  it("shares a body between its entries there too, and what the ledger knows is not taken twice", () =>
    inHouse(async (house) => {
      await lived(house);
      const { from, to } = house;
      await migrate(from.moving, to.moving);
      assert.equal((await to.inspect("audit", {})).bodies, (await from.inspect("audit", {})).bodies);
      assert.deepEqual(await post(to, { to: ["leased@example.org"], origin: { spool: "s", message: "m" } }), {
        type: "had",
      });
    }));

  it("goes on after a break at any page, and moves nothing twice", () =>
    inHouse(async (house) => {
      const { from, to } = house;
      for (let n = 0; n < 150; n++) await stored(from, { to: [`r${n}@example.org`] });
      const breaking = {
        id: to.id,
        lacking: to.moving.lacking.bind(to.moving),
        books: () => to.moving.books(),
        keepBooks: to.moving.keepBooks.bind(to.moving),
        kept: () => to.moving.kept(),
        adopt: async (page: readonly KeptMail[]) => {
          if ((await to.count({})) >= 128) throw new Error("broken");
          return await to.moving.adopt(page);
        },
      };
      await assert.rejects(migrate(from.moving, breaking), /broken/);
      assert.equal(await to.count({}), 128);
      assert.equal((await migrate(from.moving, to.moving)).moved, 22);
      assert.deepEqual(await everything(to), await everything(from));
    }));

  it("takes along what arrives meanwhile, and what leaves meanwhile leaves there too", () =>
    inHouse(async ({ from, to }) => {
      const [first = ""] = [await stored(from, { to: ["a@x", "b@x"] }), await stored(from)];
      let passes = 0;
      const done = await migrate(from.moving, to.moving, async () => {
        if (++passes !== 1) return;
        await stored(from, { subject: "late" });
        await all(from.act({ type: "remove" }, { ids: [first], recipient: "a@x" }, OPERATOR));
      });
      assert.deepEqual([done.moved, done.left, done.unfinished], [3, 1, false]);
      await all(from.act({ type: "bounce" }, { ids: [first] }, OPERATOR));
      assert.deepEqual((await migrate(from.moving, to.moving)).left, 1);
      const states = async (spool: EmbeddedSpool) =>
        (await all(spool.list(gone))).map(({ id, state }) => [id, state]);
      assert.deepEqual((await states(to)).sort(), (await states(from)).sort());
      assert.deepEqual(await all(damage(to)), []);
    }));

  it("owes there what was owed here, and has paid there what was paid here", () =>
    inHouse(async ({ from, to }) => {
      const [id = ""] = [await stored(from, { body: LARGE }), await stored(from)];
      await all(from.act({ type: "bounce" }, { ids: [id] }, OPERATOR));
      const debts = async (spool: EmbeddedSpool) =>
        Promise.all(
          (await spool.owed(10)).map(async ({ notices: _, content, ...owed }) => ({
            ...owed,
            content: (await octets(content())).length,
          })),
        );
      await migrate(from.moving, to.moving);
      assert.deepEqual(await debts(to), await debts(from));
      assert.equal((await debts(to)).length, 1);
      assert.deepEqual(await all(damage(to)), []);
      await all(from.act({ type: "bounce" }, {}, OPERATOR));
      await from.forgive({ notices: [(await from.owed(1))[0]?.notices[0] ?? 0] });
      assert.equal((await migrate(from.moving, to.moving)).left, 1);
      assert.deepEqual(await debts(to), await debts(from));
      assert.deepEqual(await all(damage(to)), []);
      for (const { notices } of await to.owed(10)) await to.forgive({ notices });
      assert.equal((await to.inspect("audit", {})).bodies, 0);
    }));

  it("leaves out damaged and missing bodies, says which, and moves the rest", () =>
    inHouse(async ({ from, to, folder }) => {
      const [small, large, good] = [
        await stored(from),
        await stored(from, { body: LARGE }),
        await stored(from),
      ];
      const db = openDatabase(`${folder}/from.db`);
      db.run("UPDATE body SET bytes = x'00' WHERE seq = (SELECT body FROM message WHERE id = ?)", small);
      db.close();
      const [hour = ""] = readdirSync(`${folder}/from.db.bodies`);
      rmSync(`${folder}/from.db.bodies/${hour}/${large}`);
      const done = await migrate(from.moving, to.moving);
      assert.deepEqual([done.damaged, done.moved], [[small, large], 1]);
      assert.deepEqual(
        (await all(to.list({}))).map(({ id }) => id),
        [good],
      );
      assert.deepEqual(await all(damage(to)), []);
    }));
});
