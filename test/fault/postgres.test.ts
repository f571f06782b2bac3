import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withPostgresqlOnBun } from "../support/postgresql.ts";
import { trial } from "./nodes.ts";

describe("three nodes on one PostgreSQL", withPostgresqlOnBun(), () => {
  it("wake who waits at another, and lose and double nothing, whichever is killed, cut off or stopped, the database too", {
    timeout: 300_000,
  }, async () => {
    const each = 10;
    const rounds = [
      ["node", "database"],
      ["pause", "cut"],
    ] as const;
    const { taken, problems } = await trial({ seed: 31, each, calls: 1, rounds });
    assert.deepEqual(problems, []);
    assert.ok(taken > 3 + each, `${taken} taken in`);
  });
});
