/** dist/docs/operations.md: its units, packages and files are there, its configurations are right, and a backup is one. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { settingsIn } from "../../src/config/schema.ts";
import { version } from "../../src/version.ts";
import { blockOf, blocksOf, Walk } from "../support/page.ts";
import { withPeers } from "../support/processes.ts";

const dist = new URL("../../dist/", import.meta.url);
const text = readFileSync(new URL("docs/operations.md", dist), "utf8");

it("every unit and file that operations.md names is in dist", () => {
  const units = [...text.matchAll(/`(odmr[a-z-]*\.(?:service|socket|timer))`/g)].map(
    ([, unit]) => `systemd/${unit}`,
  );
  const files = [...text.matchAll(/`((?:container|fail2ban)\/[\w.]+)`/g)].map(([, file]) => file);
  assert.ok(units.length >= 5 && files.length >= 4);
  assert.deepEqual(
    [...units, ...files].filter((file) => !existsSync(new URL(file ?? "", dist))),
    [],
  );
});

it("the configurations in operations.md are right", () => {
  const blocks = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, yaml = ""]) => parse(yaml) as object);
  assert.equal(blocks.length, 2);
  for (const block of blocks)
    assert.equal(
      settingsIn("/etc/odmr").safeParse({ hostname: "relay.test", spool: "spool.db", ...block }).error,
      undefined,
    );
});

it("the packages in operations.md are called as a release calls them, and install.sh is there", () => {
  const archive = `odmr-${version}-linux-x64.tar.gz`;
  assert.equal(
    blockOf("operations", "sh", "install").text,
    `apt install ./odmr_${version}_amd64.deb\nsh install.sh ${archive}\n`,
  );
  assert.ok(readFileSync(new URL("install.sh", dist), "utf8").includes("odmr-VERSION-linux-x64.tar.gz"));
});

describe("who follows operations.md", withPeers("tar", "swaks"), () => {
  it("has the mail of a backup back in the spool", { timeout: 120_000 }, () =>
    Walk.here(async (walk) => {
      const begun = blocksOf("relay").filter(({ of }) => of !== "");
      const until = begun.findIndex(({ of }) => of === "world");
      for (const block of begun.slice(0, until + 1)) await walk.follow(block);
      const [backup, restore, ...more] = blocksOf("operations").filter(({ of }) => of === "relay");
      assert.deepEqual(more, []);
      await walk.follow(backup!);
      const printed = await walk.follow(restore!);
      assert.match(
        printed,
        /^all that was accepted .* intact\n\S+\twaiting\tturn\thome\t.*\tbob@example\.org\t/,
      );
    }),
  );
});
