/** What 250 promises, held against a disk that forgets: the program's own system calls, played again and cut off anywhere. */
// It proves that the program (and SQLite in it) syncs what it must, in the right order, before the 250 leaves, on a disk that
// keeps what was synced and nothing else for sure. It proves nothing about a kernel or a disk that says "synced" and is not,
// about a sync that fails (disk.test.ts, the simulation), or about octets that go bad later (`queue verify`).
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { seeded } from "../spool/support.ts";
import { withServers } from "../support/processes.ts";
import { inWorld, programs } from "../support/program.ts";
import { cutPower, record } from "./lossy.ts";

for (const { name, words } of programs)
  describe(`${name} on a disk that loses what was not synced`, withServers("strace"), () => {
    it("has all that was answered 250, and nothing torn, wherever the power is cut", () =>
      inWorld(words, async (world) => {
        const recording = await record(world, words, { sessions: 4, each: 8 });
        const folder = join(world.folder, "disk");
        const { problems, ...counts } = await cutPower(recording, { cuts: 30, random: seeded(1), folder });
        assert.deepEqual(problems, []);
        assert.ok(counts.kept >= counts.promised && counts.promised > 200, JSON.stringify(counts));

        // That the check can fail: a program without one kind of its syncs.
        const withouts: Readonly<Record<string, (path: string) => boolean>> = {
          "its log": (path) => path.endsWith("-wal"),
          "large bodies": (path) => /\.bodies\/\d+\/./.test(path),
          "the folders of large bodies": (path) => /\.bodies\/\d+$/.test(path),
          "the spool's folder": (path) => path.endsWith("/relay"),
        };
        for (const [what, without] of Object.entries(withouts)) {
          const random = seeded(2);
          let missed = 0;
          for (let i = 0; i < 20 && missed === 0; i++)
            missed = (await cutPower(recording, { cuts: 1, random, folder, without })).problems.length;
          assert.ok(missed > 0, `nobody misses the syncs of ${what}`);
        }
      }));
  });
