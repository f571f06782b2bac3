import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { openDatabase } from "../../src/platform/sqlite.ts";
import { seeded, temporary } from "../spool/support.ts";
import { SqliteBooks } from "./database.ts";
import { Chance } from "./world.ts";

it("a power cut in a commit that writes its log back leaves a whole database, with the commit or without it", () => {
  const folder = temporary();
  try {
    const path = join(folder.path, "spool.db");
    const database = openDatabase(path);
    database.exec(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 1; CREATE TABLE t (a TEXT UNIQUE, b)",
    );
    const books = new SqliteBooks(path);
    const commit = (n: number) => {
      database.run("BEGIN IMMEDIATE");
      for (let i = 0; i < 100; i++) database.run("INSERT INTO t VALUES (?, ?)", `${n} ${i}`, "x".repeat(100));
      database.run("COMMIT");
    };
    commit(1);
    books.committed(database);
    commit(2); // of this one nobody heard
    const chance = new Chance(seeded(1));
    const found = new Set<number>();
    for (let round = 0; round < 100; round++) {
      const survivors = books.survivors(chance);
      const copy = join(folder.path, `${round}.db`);
      writeFileSync(copy, survivors.database);
      if (survivors.log !== undefined) writeFileSync(`${copy}-wal`, survivors.log);
      const reopened = openDatabase(copy);
      const said = reopened.get<{ integrity_check: string }>("PRAGMA integrity_check")?.integrity_check;
      assert.equal(said, "ok");
      found.add(reopened.get<{ n: number }>("SELECT count(*) AS n FROM t")?.n ?? 0);
      reopened.close();
    }
    assert.deepEqual([...found].sort(), [100, 200]);
    database.close();
  } finally {
    folder.remove();
  }
});
