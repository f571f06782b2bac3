import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemFiles } from "../../src/platform/files.ts";
import { idsOf, jsonOf, withQueue } from "../support/queue.ts";

test("a spool is moved with ids, states and history, and moving it again moves nothing", () =>
  withQueue(async (queue, folder) => {
    writeFileSync(join(folder, "large.eml"), "x".repeat(300_000));
    const files = ["one.eml", "two.eml", "large.eml"].map((name) => join(folder, name));
    const ids = idsOf(
      (await queue("import", "--to", "a@example.org", "--to", "b@other.example", ...files)).out,
    );
    await queue("hold", ids[0] ?? "", "--reason", "looks odd");
    const [from, to] = [join(folder, "spool.db"), join(folder, "new.db")];
    const migrate = async (...words: readonly string[]) => {
      const { code, out, err } = await queue("migrate", "--from", from, "--to", to, "--json", ...words);
      return { code, err, said: jsonOf(out)[0] };
    };
    const dry = await migrate("--dry-run");
    assert.deepEqual([dry.code, dry.said.moved, dry.said.dryRun], [0, 6, true]);
    assert.equal(await systemFiles.stat(to), undefined);
    assert.deepEqual(await migrate(), {
      ...{ code: 0, err: "" },
      said: { entries: 6, moved: 6, left: 0, passes: 2, damaged: 0, verified: true },
    });
    const looks: readonly (readonly string[])[] = [
      ["list", "--json"],
      ["history", "--json"],
      ["cat", ids[2] ?? ""],
      ["verify"],
    ];
    for (const words of looks) {
      const [before, after] = [await queue(...words), await queue(...words, "--spool", to)];
      assert.deepEqual(sorted(after.out), sorted(before.out), words.join(" "));
    }
    const again = await migrate();
    assert.deepEqual([again.code, again.said.moved, again.said.entries], [0, 0, 6]);
    assert.match(
      (await queue("migrate", "--from", from, "--to", to)).out,
      /^0 of 6 entries moved, .* verified\n$/,
    );
  }));

const sorted = (out: string): readonly string[] => out.split("\n").sort();

test("what cannot be moved from or to is told", () =>
  withQueue(async (queue, folder) => {
    const here = join(folder, "spool.db");
    assert.equal((await queue("migrate", "--from", here, "--to", here)).code, 64);
    assert.equal((await queue("migrate", "--from", here)).code, 64);
    const none = await queue("migrate", "--from", here, "--to", join(folder, "new.db"));
    assert.deepEqual([none.code, await systemFiles.stat(join(folder, "new.db"))], [78, undefined]);
  }));
