import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Clock, systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { systemRandom } from "../../src/platform/random.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { openSpool } from "../../src/spool/open.ts";
import { damage } from "../../src/spool/verify.ts";
import { all, HandClock, HOME, stored, temporary } from "./support.ts";

function open(path: string): Promise<EmbeddedSpool> {
  return openSpool({
    path,
    clock: systemClock,
    random: systemRandom,
    log: silent,
    files: systemFiles,
    thread: "here",
  });
}

/** Another process of this runtime that posts into the spool, and says each id once its commit() resolved. */
function poster(path: string, messages: number): ChildProcess {
  const program = fileURLToPath(new URL("./poster.ts", import.meta.url));
  const flags = process.versions.bun === undefined ? ["run", "-A", "--no-check"] : [];
  return spawn(process.execPath, [...flags, program, path, String(messages)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

const turnOfTheLoop = () => new Promise<void>((resolve) => void setImmediate(resolve));

describe("with several processes", () => {
  it("what others store is heard of within a second of the last look, however long a look takes", async () => {
    const folder = temporary();
    const clock = new HandClock();
    const openBy = (by: Clock) =>
      openSpool({
        ...{ path: `${folder.path}/spool.db`, clock: by, random: systemRandom, log: silent },
        ...{ files: systemFiles, thread: "here" },
      });
    const [listening, other] = [await openBy(clock), await openBy(systemClock)];
    let heard = 0;
    listening.onChange(() => void heard++);
    clock.pass(1_000);
    clock.sleep(3); // the look is answered a little later than it was asked
    await turnOfTheLoop();
    await stored(other);
    clock.pass(997);
    clock.pass(3);
    await turnOfTheLoop();
    assert.ok(heard > 0);
    await listening.close();
    await other.close();
    folder.remove();
  });

  it("what commit() resolved for is there after kill -9, with its body", async () => {
    const folder = temporary();
    const path = `${folder.path}/spool.db`;
    for (let round = 0; round < 3; round++) {
      const child = poster(path, Number.MAX_SAFE_INTEGER);
      const said: string[] = [];
      if (child.stdout === null) throw new Error("no pipe");
      for await (const line of createInterface({ input: child.stdout })) {
        said.push(line);
        if (said.length === 60 + round * 25) child.kill("SIGKILL");
      }
      const spool = await open(path);
      assert.equal(await spool.count({ ids: said }), said.length);
      assert.deepEqual(await all(damage(spool)), []);
      await spool.close();
    }
    folder.remove();
  });

  it("two can write at once, and each sees what the other stored", async () => {
    const folder = temporary();
    const path = `${folder.path}/spool.db`;
    const spool = await open(path);
    const child = poster(path, 40);
    const exit = new Promise((resolve) => child.once("exit", resolve));
    const ids = await Promise.all(Array.from({ length: 40 }, () => stored(spool)));
    child.stdout?.resume();
    assert.equal(await exit, 0);
    assert.equal((await all(spool.list({}))).length, 80);
    await stored(spool);
    assert.equal(spool.usage(HOME).count, 81);
    assert.equal(await spool.count({ ids }), 40);
    assert.deepEqual(await all(damage(spool)), []);
    await spool.close();
    folder.remove();
  });
});
