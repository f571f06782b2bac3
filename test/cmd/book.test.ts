import assert from "node:assert/strict";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { readBook, serverSecret } from "../../cmd/book.ts";
import { fromSource } from "../../cmd/demo/child.ts";
import { loadConfig } from "../../src/config/load.ts";
import { seeded } from "../spool/support.ts";
import { manualClock } from "../support/clock.ts";
import { inWorld, relayOf } from "../support/program.ts";

describe("a book that is read anew", () => {
  it("knows who guessed passwords, and has the new customers", () =>
    inWorld(fromSource, async (world) => {
      const random = seeded(1);
      const read = async (domains: readonly string[], before?: Awaited<ReturnType<typeof readBook>>) => {
        await mkdir(world.at("relay"), { recursive: true });
        const config = await loadConfig(await relayOf(world, { domains }));
        return await readBook(config, config.serve!, {
          secret: undefined,
          ...{ random, clock: manualClock(), log: { log: () => {} } },
          ...(before && { before }),
        });
      };
      const first = await read(["example.org"]);
      for (let i = 0; i < 4; i++) first.credentials.guesses.failed({ network: "192.0.2.1", user: "home" }, 0);
      const second = await read(["example.com"], first);
      assert.equal(second.credentials.guesses.wait({ network: "192.0.2.1", user: undefined }, 0), 2_000);
      assert.deepEqual(second.customers.named("home")?.domains, ["example.com"]);
      assert.deepEqual(
        [first.postmaster, second.postmaster],
        ["postmaster@example.org", "postmaster@example.com"],
      );
    }));
});

describe("the secret that salts are made with", () => {
  it("is made once, whoever of several comes first, and stays", () =>
    inWorld(fromSource, async (world) => {
      const file = world.at("spool.db.secret");
      const all = await Promise.all([1, 2, 3].map((seed) => serverSecret(file, seeded(seed))));
      const known = await serverSecret(file, seeded(4));
      assert.equal(known.length, 32);
      for (const one of all) assert.deepEqual(new Uint8Array(one), new Uint8Array(known));
      assert.deepEqual(await readdir(world.folder), ["spool.db.secret"]);
    }));

  it("is made anew where a power cut left it empty", () =>
    inWorld(fromSource, async (world) => {
      const file = await world.file("spool.db.secret", "");
      const made = await serverSecret(file, seeded(1));
      assert.equal(made.length, 32);
      assert.deepEqual(new Uint8Array(await readFile(file)), made);
    }));
});
