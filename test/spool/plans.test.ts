import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { type Database, openDatabase, type Value } from "../../src/platform/sqlite.ts";
import { openSpool } from "../../src/spool/open.ts";
import type { Claim } from "../../src/spool/spool.ts";
import { reply } from "../../src/wire/reply.ts";
import { all, HandClock, HOME, MINUTE, post, seeded, stored, temporary } from "./support.ts";

/** What may be looked through from end to end: lanes and hold rules are few. */
const SCAN = /SCAN (?!lane\b|hold_rule\b|json_each\b|sqlite_schema\b)/;

/** Notes every statement, with an example of its values. */
function watching(seen: Map<string, readonly Value[]>): (path: string) => Database {
  return (path) => {
    const db = openDatabase(path);
    const note = (sql: string, values: readonly Value[]): void => {
      if (!/^\s*(BEGIN|COMMIT|ROLLBACK|PRAGMA)/.test(sql)) seen.set(sql, values);
    };
    return {
      exec: (sql) => db.exec(sql),
      run: (sql, ...values) => {
        note(sql, values);
        return db.run(sql, ...values);
      },
      get: <Row>(sql: string, ...values: readonly Value[]) => {
        note(sql, values);
        return db.get<Row>(sql, ...values);
      },
      all: <Row>(sql: string, ...values: readonly Value[]) => {
        note(sql, values);
        return db.all<Row>(sql, ...values);
      },
      close: () => db.close(),
    };
  };
}

/** The statements that look through a table, with what the planner says of them. */
function scans(path: string, seen: ReadonlyMap<string, readonly Value[]>): readonly string[] {
  const db = openDatabase(path);
  const found = [...seen].flatMap(([sql, values]) =>
    db
      .all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, ...values)
      .filter(({ detail }) => SCAN.test(detail))
      .map(({ detail }) => `${detail}: ${sql}`),
  );
  db.close();
  return found;
}

describe("every statement of daily work", () => {
  it("finds what it needs by an index, however much is held", async () => {
    const folder = temporary();
    const path = `${folder.path}/spool.db`;
    const seen = new Map<string, readonly Value[]>();
    const clock = new HandClock();
    const spool = await openSpool({
      path,
      clock,
      random: seeded(3),
      log: silent,
      files: systemFiles,
      thread: "here",
      sqlite: watching(seen),
    });
    const by = { name: "x", reason: "" };
    const id = await stored(spool, { origin: { spool: "s", message: "m" }, body: new Uint8Array(200_000) });
    for (let i = 0; i < 5; i++) await post(spool);
    for (const sort of ["oldest", "newest", "largest", "smallest"] as const)
      for (const customer of [undefined, "home"])
        await all(spool.list({ sort, limit: 2, ...(customer && { customer }) }));
    await all(spool.list({ ids: [id] }));
    await spool.count({ ids: [id] });
    await spool.count({ customer: "home" });
    await spool.content(id);
    await all(spool.history({ ids: [id] }));
    await all(spool.history({ after: clock.now() }));
    for (const type of ["hold", "release", "retry"] as const)
      await all(spool.act({ type }, { ids: [id] }, by));
    await all(spool.act({ type: "move", customer: "work" }, { ids: [id] }, by));
    await all(spool.act({ type: "remove" }, { ids: [id] }, by));
    for (const more of [{}, { domains: ["example.org"] }, { order: "small" }] as const) {
      const claim = (await spool.claim({ lane: HOME, lease: MINUTE, ...more }, "a")) as Claim;
      const held = await claim.next();
      assert.equal(await spool.claim({ lane: HOME, lease: MINUTE }, "b"), "busy");
      clock.pass(MINUTE / 2);
      if (held !== undefined)
        await claim.settle(held, [
          { to: "bob@example.org", result: "delivered", reply: reply(250, "2.0.0", "stored") },
        ]);
      await claim.release();
    }
    await spool.expire(clock.now() + 1e12);
    await spool.prune(clock.now() + 1);
    await spool.close();
    assert.ok(seen.size > 30);
    assert.deepEqual(scans(path, seen), []);
    folder.remove();
  });
});
