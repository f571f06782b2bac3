import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type Files, type NewFile, systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { type Database, openDatabase, SqliteError, type SqliteFault } from "../../src/platform/sqlite.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { openSpool } from "../../src/spool/open.ts";
import type { Claim } from "../../src/spool/spool.ts";
import { damage } from "../../src/spool/verify.ts";
import { reply } from "../../src/wire/reply.ts";
import { all, HandClock, HOME, post, seeded, stored, temporary } from "./support.ts";

/** A disk that fails when it is told to. */
class BadDisk {
  /** The fault of each statement that begins with the text, while it is set. */
  fault: { readonly statement: string; readonly fault: SqliteFault } | undefined;
  /** The errno of every append or sync, while it is set. */
  append: string | undefined;
  sync: string | undefined;

  readonly sqlite = (path: string): Database => {
    const db = openDatabase(path);
    const check = (sql: string): void => {
      if (this.fault !== undefined && sql.startsWith(this.fault.statement))
        throw new SqliteError(this.fault.fault, `${this.fault.fault} by order`);
    };
    return {
      exec: (sql) => db.exec(sql),
      run: (sql, ...values) => {
        check(sql);
        return db.run(sql, ...values);
      },
      get: (sql, ...values) => {
        check(sql);
        return db.get(sql, ...values);
      },
      all: (sql, ...values) => db.all(sql, ...values),
      close: () => db.close(),
    };
  };

  readonly files: Files = {
    ...systemFiles,
    create: async (path) => this.#wrap(await systemFiles.create(path)),
  };

  #wrap(file: NewFile): NewFile {
    const failing = (code: string | undefined): void => {
      if (code !== undefined) throw Object.assign(new Error(`${code} by order`), { code });
    };
    return {
      append: async (...pieces) => {
        failing(this.append);
        await file.append(...pieces);
      },
      sync: async () => {
        failing(this.sync);
        await file.sync();
      },
      close: () => file.close(),
    };
  }
}

async function onBadDisk(
  run: (spool: EmbeddedSpool, disk: BadDisk, path: string) => Promise<void>,
): Promise<void> {
  const folder = temporary();
  const disk = new BadDisk();
  const path = `${folder.path}/spool.db`;
  const spool = await openSpool({
    path,
    clock: new HandClock(),
    random: seeded(1),
    log: silent,
    files: disk.files,
    sqlite: disk.sqlite,
    thread: "here",
  });
  try {
    await run(spool, disk, path);
    assert.deepEqual(await all(damage(spool)), []);
  } finally {
    await spool.close();
    folder.remove();
  }
}

const large = new Uint8Array(300_000);

/** Body files that lie in the spool's folder. */
async function bodyFiles(path: string): Promise<readonly string[]> {
  const hours = await systemFiles.list(`${path}.bodies`);
  return (await Promise.all(hours.map((hour) => systemFiles.list(`${path}.bodies/${hour}`)))).flat();
}

describe("on a bad disk", () => {
  it("a database without room says full, keeps nothing of it, and goes on when there is room", () =>
    onBadDisk(async (spool, disk, path) => {
      disk.fault = { statement: "INSERT INTO body", fault: "full" };
      const said = await Promise.all([post(spool), post(spool, { body: large })]);
      assert.deepEqual(said, [{ type: "full" }, { type: "full" }]);
      assert.equal(await spool.count({ gone: true }), 0);
      assert.deepEqual(await bodyFiles(path), []);
      disk.fault = undefined;
      await stored(spool);
    }));

  it("a settlement gets through although the mail that came with it found no room", () =>
    onBadDisk(async (spool, disk) => {
      await stored(spool);
      const claim = (await spool.claim({ lane: HOME, lease: 1000 }, "a")) as Claim;
      const held = await claim.next();
      assert.ok(held !== undefined);
      disk.fault = { statement: "INSERT INTO body", fault: "full" };
      const outcome = {
        to: "bob@example.org",
        result: "delivered",
        reply: reply(250, "2.0.0", "ok"),
      } as const;
      const [, said] = await Promise.all([claim.settle(held, [outcome]), post(spool)]);
      assert.deepEqual(said, { type: "full" });
      assert.equal(await spool.count({}), 0);
    }));

  for (const fault of ["io", "corrupt", "busy"] as const)
    it(`a commit that fails (${fault}) is told to every draft of the group, and nothing of it is stored`, () =>
      onBadDisk(async (spool, disk) => {
        await stored(spool);
        disk.fault = { statement: "COMMIT", fault };
        const said = await Promise.allSettled([post(spool), post(spool), post(spool)]);
        for (const one of said) {
          assert.equal(one.status, "rejected");
          assert.equal((one as PromiseRejectedResult).reason.fault, fault);
        }
        disk.fault = undefined;
        assert.equal(await spool.count({ gone: true }), 1);
        await stored(spool);
        assert.deepEqual(spool.usage(HOME).count, 2);
      }));

  it("a body file without room says full, and the file goes", () =>
    onBadDisk(async (spool, disk, path) => {
      disk.append = "ENOSPC";
      assert.deepEqual(await post(spool, { body: large }), { type: "full" });
      disk.append = undefined;
      disk.sync = "EDQUOT";
      assert.deepEqual(await post(spool, { body: large }), { type: "full" });
      disk.sync = undefined;
      assert.deepEqual(await bodyFiles(path), []);
      await stored(spool, { body: large });
      assert.equal((await bodyFiles(path)).length, 1);
    }));

  it("a body file that cannot be synced is not stored", () =>
    onBadDisk(async (spool, disk, path) => {
      disk.sync = "EIO";
      await assert.rejects(post(spool, { body: large }), { name: "SpoolError", fault: "io" });
      assert.deepEqual(await bodyFiles(path), []);
      assert.equal(await spool.count({ gone: true }), 0);
    }));

  it("a body whose folder cannot be synced is not stored", async () => {
    const folder = temporary();
    let failing = false;
    const files: Files = {
      ...systemFiles,
      syncFolder: async (path) => {
        if (failing) throw Object.assign(new Error("EIO by order"), { code: "EIO" });
        await systemFiles.syncFolder(path);
      },
    };
    const spool = await openSpool({
      path: `${folder.path}/spool.db`,
      clock: new HandClock(),
      random: seeded(1),
      log: silent,
      files,
      thread: "here",
    });
    await stored(spool, { body: large });
    failing = true;
    await assert.rejects(post(spool, { body: large }), { name: "SpoolError", fault: "io" });
    failing = false;
    await stored(spool, { body: large });
    await spool.close();
    folder.remove();
  });

  it("the folders that are made for a spool are named for good before anything is stored in it", async () => {
    const folder = temporary();
    const synced: string[] = [];
    const files: Files = {
      ...systemFiles,
      syncFolder: async (path) => {
        await systemFiles.syncFolder(path);
        synced.push(path);
      },
    };
    const path = `${folder.path}/a/b/spool.db`;
    const parts = { clock: new HandClock(), random: seeded(1), log: silent, files, thread: "here" } as const;
    await (await openSpool({ path, ...parts })).close();
    const above = join(folder.path, "..");
    assert.deepEqual(synced.splice(0), [above, folder.path, `${folder.path}/a`, `${folder.path}/a/b`]);
    // Whoever was killed before it could do that: the next one does.
    await (await openSpool({ path, ...parts })).close();
    assert.deepEqual(synced, [`${folder.path}/a`, `${folder.path}/a/b`]);
    folder.remove();
  });

  it("a sub-folder that one body made, and could not name for good, is named before the next one is stored", async () => {
    const folder = temporary();
    const path = `${folder.path}/spool.db`;
    const synced: string[] = [];
    let failing = true;
    const files: Files = {
      ...systemFiles,
      async syncFolder(of) {
        if (failing && of === `${path}.bodies`)
          throw Object.assign(new Error("EIO by order"), { code: "EIO" });
        await systemFiles.syncFolder(of);
        synced.push(of);
      },
    };
    const spool = await openSpool({
      ...{ path, clock: new HandClock(), random: seeded(1), log: silent, files, thread: "here" },
    });
    await assert.rejects(post(spool, { body: large }), { name: "SpoolError", fault: "io" });
    failing = false;
    await stored(spool, { body: large });
    assert.equal(synced.filter((of) => of === `${path}.bodies`).length, 1);
    await stored(spool, { body: large });
    assert.equal(synced.filter((of) => of === `${path}.bodies`).length, 1);
    await spool.close();
    folder.remove();
  });
});
