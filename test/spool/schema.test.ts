import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openDatabase } from "../../src/platform/sqlite.ts";
import { type Step, steps, upgrade } from "../../src/spool/schema.ts";
import { temporary } from "./support.ts";

const more: readonly Step[] = [
  ...steps,
  (db) => {
    db.exec("ALTER TABLE lane ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'");
  },
];

const version = "SELECT value FROM meta WHERE key = 'version'";

describe("the schema", () => {
  it("is made once, and the spool keeps its id", () => {
    const folder = temporary();
    const db = openDatabase(`${folder.path}/a.db`);
    assert.equal(upgrade(db, "one"), "one");
    assert.equal(upgrade(db, "two"), "one");
    assert.deepEqual({ ...db.get<object>(version) }, { value: steps.length });
    db.close();
    folder.remove();
  });

  it("climbs to a newer version with what is in it", () => {
    const folder = temporary();
    const db = openDatabase(`${folder.path}/a.db`);
    upgrade(db, "one");
    db.run("INSERT INTO lane (direction, customer) VALUES ('turn', 'home')");
    assert.equal(upgrade(db, "two", more), "one");
    assert.deepEqual(
      db.all<object>("SELECT customer, colour FROM lane").map((row) => ({ ...row })),
      [{ customer: "home", colour: "grey" }],
    );
    db.close();
    folder.remove();
  });

  it("of the future is refused, and left as it is", () => {
    const folder = temporary();
    const db = openDatabase(`${folder.path}/a.db`);
    upgrade(db, "one", more);
    assert.throws(() => upgrade(db, "two"), { name: "SpoolError", fault: "version" });
    assert.deepEqual({ ...db.get<object>(version) }, { value: more.length });
    db.close();
    folder.remove();
  });

  it("stays at its version when a step fails", () => {
    const folder = temporary();
    const db = openDatabase(`${folder.path}/a.db`);
    upgrade(db, "one");
    const broken: Step = (db) => {
      db.exec("CREATE TABLE half (a)");
      throw new Error("by order");
    };
    assert.throws(() => upgrade(db, "one", [...steps, broken]), /by order/);
    assert.deepEqual({ ...db.get<object>(version) }, { value: steps.length });
    assert.equal(db.get("SELECT 1 FROM sqlite_schema WHERE name = 'half'"), undefined);
    db.close();
    folder.remove();
  });
});
