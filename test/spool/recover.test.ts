import assert from "node:assert/strict";
import { statSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { systemFiles } from "../../src/platform/files.ts";
import type { Fields, Log } from "../../src/platform/log.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { openSpool } from "../../src/spool/open.ts";
import { damage } from "../../src/spool/verify.ts";
import { all, DAY, HandClock, HOME, post, START, seeded, stored, temporary, turnsLeft } from "./support.ts";

const large = new Uint8Array(150_000);

function open(path: string, log: Log = { log: () => {} }): Promise<EmbeddedSpool> {
  return openSpool({
    path,
    clock: new HandClock(),
    random: seeded(1),
    log,
    files: systemFiles,
    thread: "here",
  });
}

async function bodiesOf(
  path: string,
): Promise<{ readonly folder: string; readonly names: readonly string[] }> {
  const [hour = ""] = await systemFiles.list(`${path}.bodies`);
  const folder = `${path}.bodies/${hour}`;
  return { folder, names: await systemFiles.list(folder) };
}

describe("when a spool is opened", () => {
  it("abandoned bodies go after a day, and those of rows and of live drafts stay", async () => {
    const { path: folder, remove } = temporary();
    const path = `${folder}/spool.db`;
    const spool = await open(path);
    const id = await stored(spool, { body: large });
    await spool.close();
    const { folder: hour } = await bodiesOf(path);
    for (const [name, age] of [
      ["old", 2 * DAY],
      ["young", DAY / 2],
      [id, 2 * DAY],
    ] as const) {
      if (name !== id) writeFileSync(`${hour}/${name}`, "x");
      utimesSync(`${hour}/${name}`, (START - age) / 1000, (START - age) / 1000);
    }
    const again = await open(path);
    assert.deepEqual((await bodiesOf(path)).names, [id, "young"]);
    assert.deepEqual(await all(damage(again)), []);
    await again.close();
    remove();
  });

  it("folders of past hours go once they are empty", async () => {
    const { path: folder, remove } = temporary();
    const path = `${folder}/spool.db`;
    await (await open(path)).close();
    for (const hour of ["2025123100", "2026010203"]) await systemFiles.makeFolder(`${path}.bodies/${hour}`);
    await (await open(path)).close();
    assert.deepEqual(await systemFiles.list(`${path}.bodies`), ["2026010203"]);
    remove();
  });

  it("it knows what its lanes hold, and that it is the same spool", async () => {
    const { path: folder, remove } = temporary();
    const spool = await open(`${folder}/spool.db`);
    await stored(spool);
    await spool.close();
    const again = await open(`${folder}/spool.db`);
    assert.equal(again.usage(HOME).count, 1);
    assert.equal(again.id, spool.id);
    await again.close();
    remove();
  });

  it("it learns within a second of usage() what another one stored", async () => {
    const { path: folder, remove } = temporary();
    const clock = new HandClock();
    const options = {
      clock,
      random: seeded(1),
      log: { log: () => {} },
      files: systemFiles,
      thread: "here",
    } as const;
    const spool = await openSpool({ path: `${folder}/spool.db`, ...options });
    const other = await open(`${folder}/spool.db`);
    await stored(other);
    assert.equal(spool.usage(HOME).count, 0);
    clock.pass(1000);
    spool.usage(HOME);
    await spool.count({});
    assert.equal(spool.usage(HOME).count, 1);
    await other.close();
    await spool.close();
    remove();
  });

  it("an entry whose body is missing is reported, and stays", async () => {
    const { path: folder, remove } = temporary();
    const path = `${folder}/spool.db`;
    const spool = await open(path);
    const id = await stored(spool, { body: large });
    await spool.close();
    const bodies = await bodiesOf(path);
    unlinkSync(`${bodies.folder}/${bodies.names[0]}`);
    const said: (readonly [string, Fields | undefined])[] = [];
    const again = await open(path, {
      log: (level, event, fields) => void said.push([`${level} ${event}`, fields]),
    });
    assert.deepEqual(said, [["error body missing", { id }]]);
    assert.equal(await again.count({}), 1);
    assert.deepEqual(await all(damage(again)), [{ type: "missing", ids: [id] }]);
    await again.close();
    remove();
  });

  it("its files and folders are its owner's alone", async () => {
    const { path: folder, remove } = temporary();
    const path = `${folder}/deep/spool.db`;
    const spool = await open(path);
    await stored(spool, { body: large });
    const bodies = await bodiesOf(path);
    const modes = [
      path,
      `${path}-wal`,
      `${folder}/deep`,
      `${path}.bodies`,
      `${bodies.folder}/${bodies.names[0]}`,
    ].map((one) => (statSync(one).mode & 0o777).toString(8));
    assert.deepEqual(modes, ["600", "600", "700", "700", "600"]);
    await spool.close();
    remove();
  });

  it("a file that is no spool is refused as corrupt", async () => {
    const { path: folder, remove } = temporary();
    writeFileSync(`${folder}/spool.db`, "no database ".repeat(1000));
    await assert.rejects(open(`${folder}/spool.db`), { name: "SpoolError", fault: "corrupt" });
    remove();
  });
});

describe("verify", () => {
  it("finds a body that was changed", async () => {
    const { path: folder, remove } = temporary();
    const path = `${folder}/spool.db`;
    const spool = await open(path);
    await stored(spool);
    const id = await stored(spool, { body: large });
    assert.deepEqual(await all(damage(spool)), []);
    const bodies = await bodiesOf(path);
    writeFileSync(`${bodies.folder}/${bodies.names[0]}`, "other");
    assert.deepEqual(await all(damage(spool)), [{ type: "damaged", ids: [id] }]);
    await spool.close();
    remove();
  });
});

describe("prune", () => {
  it("gives the room of mail that left back to the disk, but for a little", async () => {
    const { path: folder, remove } = temporary();
    const spool = await openSpool({
      path: `${folder}/s.db`,
      clock: new HandClock(),
      random: seeded(1),
      log: { log: () => {} },
      files: systemFiles,
      thread: "here",
    });
    const [last] = await Promise.all(
      Array.from({ length: 80 }, () => stored(spool, { body: new Uint8Array(100_000) })),
    );
    const rest = (await all(spool.list({}))).map(({ id }) => id).filter((id) => id !== last);
    await all(spool.act({ type: "remove" }, { ids: rest }, { name: "x", reason: "" }));
    const size = () => statSync(`${folder}/s.db`).size;
    await spool.prune(0);
    assert.deepEqual(await all(damage(spool)), []);
    assert.equal(await spool.count({}), 1);
    await spool.close(); // writes the log back
    assert.ok(size() > 100_000 && size() < 2_500_000, `${size()} octets`);
    remove();
  });

  it("forgets turns of long ago, but each customer's last", async () => {
    const { path: folder, remove } = temporary();
    const clock = new HandClock();
    const spool = await openSpool({
      ...{ path: `${folder}/s.db`, clock, random: seeded(1), log: { log: () => {} }, files: systemFiles },
      thread: "here",
    });
    assert.deepEqual(await turnsLeft(spool, clock), ["away", "home", "work", "work", "away", "home"]);
    await spool.close();
    remove();
  });

  it("forgets what left long ago, and the ledger only after 37 days", async () => {
    const { path: folder, remove } = temporary();
    const clock = new HandClock();
    const files = systemFiles;
    const log = { log: () => {} };
    const spool = await openSpool({
      path: `${folder}/s.db`,
      clock,
      random: seeded(1),
      log,
      files,
      thread: "here",
    });
    const origin = { spool: "s", message: "m" };
    await stored(spool, { origin });
    const kept = await stored(spool);
    await all(spool.act({ type: "remove" }, { ids: [] }, { name: "x", reason: "" }));
    const [first] = await all(spool.list({}));
    await all(spool.act({ type: "remove" }, { ids: [first?.id ?? ""] }, { name: "x", reason: "" }));
    clock.pass(DAY);
    await spool.prune(clock.now() - 2 * DAY);
    assert.equal(await spool.count({ gone: true }), 2);
    await spool.prune(clock.now());
    assert.deepEqual(
      (await all(spool.list({ gone: true }))).map(({ id }) => id),
      [kept],
    );
    assert.deepEqual(new Set((await all(spool.history({}))).map(({ id }) => id)), new Set([kept]));
    assert.deepEqual(await all(damage(spool)), []);
    const again = () => post(spool, { origin });
    assert.equal((await again()).type, "had");
    clock.pass(37 * DAY);
    await spool.prune(0);
    assert.equal((await again()).type, "stored");
    await spool.close();
    remove();
  });
});
