import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { type Database, openDatabase, SqliteError } from "../../src/platform/sqlite.ts";

const folder = mkdtempSync(join(tmpdir(), "odmr-sqlite-"));
let made = 0;

function fresh(): Database {
  const db = openDatabase(join(folder, `${made++}.db`));
  db.exec("CREATE TABLE t (a INTEGER PRIMARY KEY, b)");
  return db;
}

function faultOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof SqliteError) return error.fault;
    throw error;
  }
  return "none";
}

describe("the SQLite driver", () => {
  after(() => rmSync(folder, { recursive: true }));

  it("gives undefined for a missing row and an empty list for missing rows", () => {
    const db = fresh();
    assert.equal(db.get("SELECT * FROM t WHERE a = ?", 1), undefined);
    assert.deepEqual(db.all("SELECT * FROM t"), []);
    db.close();
  });

  it("keeps integers, text, nulls and octets as they were", () => {
    const db = fresh();
    const values = [2 ** 53 - 1, -1, 0, 1.5, "ä\r\n", "", null, new Uint8Array([0, 255]), new Uint8Array(0)];
    for (const value of values) {
      db.run("INSERT OR REPLACE INTO t VALUES (1, ?)", value);
      assert.deepEqual(db.get<{ b: unknown }>("SELECT b FROM t")?.b, value);
    }
    db.close();
  });

  it("says how many rows changed, and where the last one went", () => {
    const db = fresh();
    assert.deepEqual(db.run("INSERT INTO t VALUES (7, 'x'), (9, 'y')"), { changes: 2, row: 9 });
    assert.equal(db.run("UPDATE t SET b = 'z'").changes, 2);
    assert.equal(db.run("DELETE FROM t WHERE a = 1").changes, 0);
    db.close();
  });

  it("runs a statement while the rows of the same statement are gone through", () => {
    const db = fresh();
    db.run("INSERT INTO t VALUES (1, 1), (2, 2)");
    const seen: number[] = [];
    for (const { a } of db.all<{ a: number }>("SELECT a FROM t WHERE a > ?", 0))
      for (const inner of db.all<{ a: number }>("SELECT a FROM t WHERE a > ?", a)) seen.push(inner.a);
    assert.deepEqual(seen, [2]);
    db.close();
  });

  it("calls a syntax error and a broken constraint misuse", () => {
    const db = fresh();
    db.run("INSERT INTO t VALUES (1, 1)");
    assert.equal(
      faultOf(() => db.exec("SELEC 1")),
      "misuse",
    );
    assert.equal(
      faultOf(() => db.run("INSERT INTO t VALUES (1, 1)")),
      "misuse",
    );
    db.close();
  });

  it("calls a database without room full", () => {
    const db = fresh();
    db.exec("PRAGMA max_page_count = 3");
    assert.equal(
      faultOf(() => db.run("INSERT INTO t VALUES (1, zeroblob(100000))")),
      "full",
    );
    db.close();
  });

  it("calls a database that another one writes busy", () => {
    const path = join(folder, "busy.db");
    const [one, two] = [openDatabase(path), openDatabase(path)];
    one.exec("BEGIN IMMEDIATE");
    assert.equal(
      faultOf(() => two.exec("BEGIN IMMEDIATE")),
      "busy",
    );
    one.exec("ROLLBACK");
    one.close();
    two.close();
  });

  it("calls a file that is no database corrupt, and a folder that is not there io", () => {
    writeFileSync(join(folder, "no.db"), "this is no database, however long one looks at it".repeat(100));
    assert.equal(
      faultOf(() => openDatabase(join(folder, "no.db")).get("SELECT * FROM sqlite_schema")),
      "corrupt",
    );
    assert.equal(
      faultOf(() => openDatabase(join(folder, "missing", "x.db"))),
      "io",
    );
  });

  it("leaves no log behind when it is closed", () => {
    const path = join(folder, "log.db");
    const db = openDatabase(path);
    db.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (a)");
    db.run("INSERT INTO t VALUES (1)");
    assert.ok(existsSync(`${path}-wal`));
    assert.equal(db.all("SELECT * FROM t").length, 1);
    db.close();
    assert.equal(existsSync(`${path}-wal`), false);
  });

  it("still answers after more statements than it keeps", () => {
    const db = fresh();
    for (let i = 0; i < 600; i++) assert.equal(db.get<{ n: number }>(`SELECT ${i} AS n, ? AS v`, "x")?.n, i);
    db.close();
  });
});
