import assert from "node:assert/strict";
import { chown, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { placeNew, replace } from "../../src/platform/newfile.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { inFolder } from "../support/cli.ts";

test("of many who make a file one does, and all find that one whole", () =>
  inFolder(async (folder) => {
    const file = join(folder, "sub", "key");
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, i) => placeNew(file, `by ${i}\n`, systemRandom)),
    );
    assert.equal(made.filter((each) => each).length, 1);
    assert.equal(await readFile(file, "utf8"), `by ${made.indexOf(true)}\n`);
    assert.deepEqual(await readdir(join(folder, "sub")), ["key"]);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.equal((await stat(join(folder, "sub"))).mode & 0o777, 0o700);
  }));

test("a file is put in the place of another one, and nothing is left beside it", () =>
  inFolder(async (folder) => {
    const file = join(folder, "key");
    await replace(file, "first\n", systemRandom);
    await replace(file, "second\n", systemRandom);
    assert.equal(await readFile(file, "utf8"), "second\n");
    assert.deepEqual(await readdir(folder), ["key"]);
  }));

const skip = process.getuid?.() !== 0 && "not root";
const [DAEMON, NOBODYS_GROUP] = [1, 54_321];

test("what root makes is the folder's owner's, or of the user whose own group the folder has", { skip }, () =>
  inFolder(async (folder) => {
    const made = async (uid: number, gid: number) => {
      await chown(folder, uid, gid);
      await replace(join(folder, "key"), "x\n", systemRandom);
      const its = await stat(join(folder, "key"));
      return [its.uid, its.gid];
    };
    assert.deepEqual(await made(DAEMON, DAEMON), [DAEMON, DAEMON]);
    assert.deepEqual(await made(0, DAEMON), [DAEMON, DAEMON]);
    assert.equal((await made(0, NOBODYS_GROUP))[0], 0);
    assert.deepEqual(await made(0, 0), [0, 0]);
  }),
);
