/** dist/docs/operations.md: its units and files are there, and its configurations are right. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { it } from "node:test";
import { parse } from "yaml";
import { settingsIn } from "../../src/config/schema.ts";

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
