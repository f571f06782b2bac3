import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { systemFiles as files, isFull } from "../../src/platform/files.ts";

const folder = mkdtempSync(join(tmpdir(), "odmr-files-"));

async function content(path: string, from?: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of files.read(path, from)) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

describe("files", () => {
  after(() => rmSync(folder, { recursive: true }));

  it("are written in pieces, synced, and read back from anywhere", async () => {
    const path = join(folder, "one");
    const bytes = new Uint8Array(700_000).map((_, i) => i * 7);
    const file = await files.create(path);
    await file.append(bytes.subarray(0, 10));
    await file.append(bytes.subarray(10));
    await file.sync();
    await file.close();
    await files.syncFolder(folder);
    assert.deepEqual(await content(path), bytes);
    assert.deepEqual(await content(path, 699_990), bytes.subarray(699_990));
    assert.equal((await files.stat(path))?.size, 700_000);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it("take any number of pieces at once, empty ones too", async () => {
    const path = join(folder, "pieces");
    const pieces = Array.from({ length: 2_500 }, (_, i) => new Uint8Array(i % 5).fill(i));
    const file = await files.create(path);
    await file.append(...pieces);
    await file.append();
    await file.close();
    assert.deepEqual(await content(path), new Uint8Array(Buffer.concat(pieces)));
  });

  it("are not made twice under one name", async () => {
    await (await files.create(join(folder, "two"))).close();
    await assert.rejects(files.create(join(folder, "two")), { code: "EEXIST" });
  });

  it("that are missing are no error to unlink, list or stat", async () => {
    await files.unlink(join(folder, "none"));
    assert.deepEqual(await files.list(join(folder, "none")), []);
    assert.equal(await files.stat(join(folder, "none")), undefined);
    await assert.rejects(content(join(folder, "none")), { code: "ENOENT" });
  });

  it("lie in folders that nobody else may read", async () => {
    const deep = join(folder, "a", "b");
    assert.equal(await files.makeFolder(deep), join(folder, "a"));
    assert.equal(await files.makeFolder(deep), undefined);
    assert.equal(statSync(join(folder, "a")).mode & 0o777, 0o700);
    await (await files.create(join(deep, "y"))).close();
    await files.rename(join(deep, "y"), join(deep, "x"));
    assert.deepEqual(await files.list(deep), ["x"]);
  });

  it("lie in folders that go only when they are empty", async () => {
    const path = join(folder, "c");
    await files.makeFolder(join(path, "d"));
    await files.removeFolder(path);
    assert.deepEqual(await files.list(path), ["d"]);
    await files.removeFolder(join(path, "d"));
    await files.removeFolder(path);
    await files.removeFolder(path);
    assert.equal(await files.stat(path), undefined);
  });

  it("have room on this disk, and know the errors that mean there is none", async () => {
    assert.ok((await files.free(folder)) > 0);
    assert.equal(isFull(Object.assign(new Error("no room"), { code: "ENOSPC" })), true);
    assert.equal(isFull(new Error("other")), false);
  });
});
