import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { newSha256 } from "../../src/platform/hash.ts";
import { silent } from "../../src/platform/log.ts";
import { lend } from "../../src/platform/memory.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { openSpool } from "../../src/spool/open.ts";
import type { Acceptance } from "../../src/spool/spool.ts";
import { verify } from "../../src/spool/verify.ts";
import { acceptance, HOME, stored, temporary } from "./support.ts";

const MB = 1024 * 1024;

describe("pieces that the network lent", () => {
  const skip = "Bun" in globalThis ? false : "other runtimes see their buffers";
  it("leave memory once they are written, unless doubles are looked for", { skip }, async () => {
    const folder = temporary();
    const spool = await openSpool({
      ...{ path: `${folder.path}/spool.db`, clock: systemClock, random: systemRandom, log: silent },
      ...{ files: systemFiles, thread: "here" },
    });
    const leftOf = async (more: Pick<Acceptance, "doubles">): Promise<readonly number[]> => {
      const pieces = [1, 2, 3].map((i) => new Uint8Array(100_000).fill(i));
      const draft = spool.begin({ ...acceptance({ trace: "" }), ...more });
      for (const piece of pieces) {
        lend(piece);
        await draft.write(piece);
      }
      assert.equal((await draft.commit({})).type, "stored");
      return pieces.map(({ length }) => length);
    };
    assert.deepEqual(await leftOf({}), [0, 0, 0]);
    assert.deepEqual(await leftOf({ doubles: "remove" }), [100_000, 100_000, 100_000]);
    assert.deepEqual(await Array.fromAsync(verify(spool)), []);
    await spool.close();
    folder.remove();
  });
});

describe("a body of 200 MB", () => {
  it("passes through in pieces: memory stays bounded, and small mail goes on meanwhile", async () => {
    const folder = temporary();
    const spool = await openSpool({
      path: `${folder.path}/spool.db`,
      clock: systemClock,
      random: systemRandom,
      log: silent,
      files: systemFiles,
      thread: "worker",
    });
    const before = process.memoryUsage().rss;
    let most = before;
    const draft = spool.begin(acceptance({ trace: "" }));
    const sent = newSha256();
    for (let i = 0; i < 800; i++) {
      const piece = new Uint8Array(MB / 4).fill(i);
      sent.update(piece);
      await draft.write(piece);
      if (i % 200 === 0) await stored(spool, { to: ["small@example.com"] });
      most = Math.max(most, process.memoryUsage().rss);
    }
    const committed = await draft.commit({});
    assert.equal(committed.type, "stored");
    const claim = await spool.claim({ lane: HOME, domains: ["example.org"], lease: 60_000 }, "large");
    if (typeof claim === "string") throw new Error(claim);
    const held = await claim.next();
    assert.equal(held?.size, 200 * MB);
    const came = newSha256();
    for await (const piece of held?.content() ?? []) {
      came.update(piece);
      most = Math.max(most, process.memoryUsage().rss);
    }
    assert.deepEqual(came.digest(), sent.digest());
    assert.ok(most - before < 120 * MB, `memory grew by ${Math.round((most - before) / MB)} MB`);
    await spool.close();
    folder.remove();
  });
});
