/** A draft can be looked at before it is committed, wherever it lies. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { openSpool } from "../../src/spool/open.ts";
import { acceptance, octets, temporary } from "./support.ts";

for (const pieces of [1, 40])
  it(`a draft of ${pieces} pieces shows what was written, twice, and is committed as it was`, async () => {
    const folder = temporary();
    const spool = await openSpool({
      path: `${folder.path}/spool.db`,
      clock: systemClock,
      random: systemRandom,
      log: silent,
      files: systemFiles,
      thread: "here",
    });
    try {
      const draft = spool.begin(acceptance({ trace: "" }));
      for (let i = 0; i < pieces; i++) await draft.write(new Uint8Array(10_000).fill(i));
      const written = await octets(draft.content());
      assert.equal(written.length, pieces * 10_000);
      assert.deepEqual([written[0], written.at(-1)], [0, pieces - 1]);
      assert.deepEqual(await octets(draft.content()), written);
      const committed = await draft.commit({});
      assert.equal(committed.type, "stored");
      const [id = ""] = draft.ids;
      assert.deepEqual(await octets((await spool.content(id)) ?? []), written);
    } finally {
      await spool.close();
      folder.remove();
    }
  });
