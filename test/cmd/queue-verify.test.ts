import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openDatabase } from "../../src/platform/sqlite.ts";
import { idsOf, jsonOf, withQueue } from "../support/queue.ts";

test("a spool in which all is well ends with 0, and says so to people alone", () =>
  withQueue(async (queue, folder) => {
    await queue("import", "--to", "a@example.org", join(folder, "one.eml"), join(folder, "two.eml"));
    await queue("remove", "--all", "--limit", "1");
    const { code, out, err } = await queue("verify");
    assert.deepEqual([code, out, err], [0, "all that was accepted is accounted for, and intact\n", ""]);
    assert.deepEqual(await queue("verify", "--json").then(({ code, out }) => [code, out]), [0, ""]);
  }));

test("each damaged or missing body, orphan file and wrong counter is named, and ends with 65", () =>
  withQueue(async (queue, folder) => {
    writeFileSync(join(folder, "large.eml"), `Subject: large\n\n${"x".repeat(70)}\n`.repeat(5000));
    const put = async (name: string): Promise<string> =>
      idsOf((await queue("import", "--to", "a@example.org", join(folder, name))).out)[0] ?? "";
    const [small, one, two] = [await put("one.eml"), await put("large.eml"), await put("large.eml")];
    const bodies = join(folder, "spool.db.bodies");
    const [hour = ""] = await readdir(bodies);
    const fileOf = (id: string): string => join(bodies, hour, id);
    rmSync(fileOf(one));
    const body = readFileSync(fileOf(two));
    body[200_000] = 0;
    writeFileSync(fileOf(two), body);
    writeFileSync(fileOf("stray"), "x");
    const db = openDatabase(join(folder, "spool.db"));
    db.run("UPDATE lane SET count = 7");
    db.run("UPDATE message SET here = 3 WHERE id = ?", small);
    db.close();
    const { code, out, err } = await queue("verify", "--json");
    assert.deepEqual([code, err], [65, ""]);
    const found = jsonOf(out);
    assert.deepEqual(
      found.map(({ type, ids, file, customer }) => [type, ids ?? file ?? customer]),
      [
        ["miscounted", "home"],
        ["inconsistent", [small]],
        ["missing", [one]],
        ["damaged", [two]],
        ["orphan", `${hour}/stray`],
      ],
    );
    const people = await queue("verify");
    assert.equal(people.code, 65);
    assert.deepEqual(
      people.out
        .trim()
        .split("\n")
        .map((line) => line.split(":")[0]),
      found.map(({ type }) => type),
    );
    const exported = await queue("export", "--to", join(folder, "saved"));
    assert.equal(exported.code, 65);
    assert.deepEqual(idsOf(exported.out), [small, two]);
    assert.match(exported.err, new RegExp(`${one} cannot be read`));
    assert.deepEqual((await readdir(join(folder, "saved"))).sort(), [`${small}.eml`, `${two}.eml`].sort());
  }));

test("an orphan alone is told and is no damage", () =>
  withQueue(async (queue, folder) => {
    writeFileSync(join(folder, "large.eml"), "x".repeat(300_000));
    await queue("import", "--to", "a@example.org", join(folder, "large.eml"));
    const [hour = ""] = await readdir(join(folder, "spool.db.bodies"));
    writeFileSync(join(folder, "spool.db.bodies", hour, "stray"), "x");
    const { code, out } = await queue("verify", "--json");
    assert.deepEqual([code, jsonOf(out)], [0, [{ type: "orphan", file: `${hour}/stray` }]]);
  }));

test("with damaged pages verify tells, and export saves the rest", () =>
  withQueue(async (queue, folder) => {
    const mbox = Array.from(
      { length: 300 },
      (_, n) => `From a@b Tue Nov 24 12:00:00 2026\nSubject: ${n}\n\n${n}\n\n`,
    );
    writeFileSync(join(folder, "in.mbox"), mbox.join(""));
    const ids = idsOf((await queue("import", "--to", "a@example.org", join(folder, "in.mbox"))).out);
    assert.equal(ids.length, 300);
    const path = join(folder, "spool.db");
    const spool = readFileSync(path);
    const page = pageWith(spool, ids[150] ?? "");
    writeFileSync(path, spool.fill(0, page * 4096, (page + 1) * 4096));
    const verified = await queue("verify", "--json");
    assert.equal(verified.code, 65);
    const types = new Set(jsonOf(verified.out).map(({ type }) => type));
    assert.ok(types.has("database") && types.has("unreadable"), [...types].join());
    const exported = await queue("export", "--to", join(folder, "saved.mbox"));
    const saved = idsOf(exported.out);
    assert.equal(exported.code, 65);
    assert.match(exported.err, /the spool is damaged: \d+ entries could not be read/);
    const lost = jsonOf(verified.out).flatMap(({ type, ids }) => (type === "unreadable" ? ids : []));
    assert.deepEqual([...saved, ...lost].sort(), [...ids].sort());
    assert.ok(saved.length > 250);
    const written = readFileSync(join(folder, "saved.mbox"), "latin1");
    assert.equal(written.match(/^From /gm)?.length, saved.length);
    assert.equal((await queue("list")).code, 65);
  }));

/** The page of the table of messages that has this id beside its trace field. */
function pageWith(spool: Buffer, id: string): number {
  return Math.floor(spool.indexOf(`with file id ${id}`) / 4096);
}

test("what is no database at all ends with 65, and with no spool there is nothing to verify", () =>
  withQueue(async (queue, folder) => {
    assert.equal((await queue("verify")).code, 78);
    writeFileSync(
      join(folder, "spool.db"),
      "this is no database, and it is long enough to be looked at".repeat(100),
    );
    const { code, out } = await queue("verify", "--json");
    assert.equal(code, 65);
    assert.deepEqual(
      jsonOf(out).map(({ type }) => type),
      ["database"],
    );
  }));
