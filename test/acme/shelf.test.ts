import assert from "node:assert/strict";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { accountKeyIn, readKept, writeKept } from "../../src/acme/shelf.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { certs } from "../support/certs.ts";
import { inFolder } from "../support/cli.ts";

const directory = "https://ca.test/directory";

describe("the shelf of a certificate", () => {
  it("gives back what was put on it, for its owner alone, and leaves nothing beside", () =>
    inFolder(async (folder) => {
      const file = join(folder, "state", "spool.db.acme.pem");
      assert.equal(await readKept(file), undefined);
      const { server, renewed, ca } = certs();
      await writeKept(file, { ...server, directory }, systemRandom);
      const chain = { certificate: `${renewed.certificate}${ca}`, key: renewed.key, directory };
      const written = await writeKept(file, chain, systemRandom);
      const kept = await readKept(file);
      assert.deepEqual(kept, written);
      assert.deepEqual(
        { names: kept?.names, from: kept?.from, until: kept?.until, directory: kept?.directory },
        { names: ["relay.test"], from: Date.UTC(2020, 0, 1), until: Date.UTC(2099, 0, 1), directory },
      );
      assert.equal(kept?.certificate, chain.certificate);
      assert.equal(kept?.key, chain.key);
      assert.equal((await stat(file)).mode & 0o777, 0o600);
      assert.deepEqual(await readdir(join(folder, "state")), ["spool.db.acme.pem"]);
    }));

  it("keeps the old one where the new one is none", () =>
    inFolder(async (folder) => {
      const file = join(folder, "kept.pem");
      await writeKept(file, { ...certs().server, directory }, systemRandom);
      const before = await readFile(file, "utf8");
      const broken = { certificate: "<html>", key: certs().server.key, directory };
      await assert.rejects(writeKept(file, broken, systemRandom));
      assert.equal(await readFile(file, "utf8"), before);
    }));

  it("says which file it cannot read", () =>
    inFolder(async (folder) => {
      const file = join(folder, "kept.pem");
      await writeFile(file, "nothing");
      await assert.rejects(readKept(file), {
        message: `${file} is no certificate with its key; move it away`,
      });
    }));

  it("makes the account's key once", () =>
    inFolder(async (folder) => {
      const file = join(folder, "account.key");
      const [one, two] = await Promise.all([
        accountKeyIn(file, systemRandom),
        accountKeyIn(file, systemRandom),
      ]);
      assert.match(one, /^-----BEGIN PRIVATE KEY-----\n/);
      assert.equal(one, two);
      assert.equal((await stat(file)).mode & 0o777, 0o600);
    }));
});
