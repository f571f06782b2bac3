import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { readyRelay, starter } from "../../cmd/starter.ts";
import { parseConfig } from "../../src/config/load.ts";
import { certs } from "../support/certs.ts";
import { inFolder, odmr } from "../support/cli.ts";

const named = {
  relay: ["relay.crt", "relay.key", "home.secret"],
  home: ["home.secret"],
} as const;

for (const kind of ["relay", "home"] as const) {
  test(`the ${kind}'s starter is a right configuration, with what the schema says of its keys`, () => {
    const text = starter(kind);
    assert.equal(parseConfig(text, "odmr.yaml").file.endsWith("odmr.yaml"), true);
    assert.match(text, /^# The name this host has for others/m);
    assert.doesNotMatch(text, /#\?|# *$/m);
  });

  test(`the ${kind}'s starter passes check but for the files that must exist, which check names`, () =>
    inFolder(async (folder) => {
      assert.deepEqual(
        await odmr(["init", kind], { cwd: folder }).then(({ status, stdout }) => ({ status, stdout })),
        {
          status: 0,
          stdout: "",
        },
      );
      const before = await odmr(["check"], { cwd: folder });
      assert.equal(before.status, 78);
      const lines = before.stderr.trimEnd().split("\n");
      assert.equal(lines.length, named[kind].length, before.stderr);
      for (const [i, name] of named[kind].entries())
        assert.match(lines[i] ?? "", new RegExp(`/${name} does not exist`));

      const { certificate, key } = certs().server;
      const contents: Record<string, string> = { "relay.crt": certificate, "relay.key": key };
      for (const name of named[kind])
        await writeFile(join(folder, name), contents[name] ?? "x\n", { mode: 0o600 });
      const after = await odmr(["check"], { cwd: folder });
      assert.deepEqual({ status: after.status, stderr: after.stderr }, { status: 0, stderr: "" });
    }));
}

test("what the relay's starter says of checks is right, when it is written", () => {
  const text = starter("relay").replaceAll(
    /^ {2}# (?=(?: {2})*(?:checks|authentication|reverseName|blocklists|listed|rspamd):)/gm,
    "  ",
  );
  assert.deepEqual(Object.keys(parseConfig(text, "odmr.yaml").serve?.checks ?? {}).sort(), [
    ...[
      "at",
      "authentication",
      "blocklists",
      "dns",
      "listed",
      "listedFrom",
      "reverseName",
      "rspamd",
      "timeout",
      "trusted",
    ],
  ]);
});

test("what to do next names the file that was written", () =>
  inFolder(async (folder) => {
    const { stderr } = await odmr(["init", "home", "sub.yaml"], { cwd: folder });
    const steps = [
      "odmr passwd --stdin home.secret   # what the relay's operator gave you",
      "odmr check --config sub.yaml",
      "odmr pull --config sub.yaml",
    ];
    assert.equal(
      stderr,
      `Wrote sub.yaml. Change what is marked with <--, then:\n${steps.map((step) => `  ${step}\n`).join("")}`,
    );
  }));

test("a file that is there stays as it is, unless --force says otherwise", () =>
  inFolder(async (folder) => {
    const file = join(folder, "mine.yaml");
    await writeFile(file, "mine");
    const { status, stderr } = await odmr(["init", "home", file]);
    assert.deepEqual(
      { status, stderr },
      { status: 73, stderr: `odmr: ${file} is there already; name another file, or say --force\n` },
    );
    assert.equal(await readFile(file, "utf8"), "mine");
    assert.equal((await odmr(["init", "home", "--force", file])).status, 0);
    assert.equal(await readFile(file, "utf8"), starter("home"));
  }));

test("a relay that is given its name needs nothing else: its own certificate, and customers that are still to come", () => {
  const text = readyRelay("relay.example.org");
  assert.doesNotMatch(text, /<--/);
  const { hostname, tls, serve } = parseConfig(text, "/etc/odmr/odmr.yaml");
  assert.deepEqual(
    {
      hostname,
      tls,
      customers: serve?.customers,
      doors: serve?.listen.map(({ service, tls }) => [service, tls]),
    },
    {
      hostname: "relay.example.org",
      tls: { self: true, certificate: "/var/lib/odmr/spool.db.crt", key: "/var/lib/odmr/spool.db.key" },
      customers: [],
      doors: [
        ["odmr", "starttls"],
        ["intake", "starttls"],
      ],
    },
  );
  // The example is still there to be copied.
  assert.match(text, /^ {2}# {3}- name: home$/m);
});

test("a home is not made by its name alone", async () => {
  const { status, stderr } = await odmr(["init", "home", "--hostname", "home.example.org"]);
  assert.deepEqual(
    [status, stderr],
    [64, "odmr: --hostname is for a relay; for a home odmr join writes all\n"],
  );
});

test("there is a relay and a home, and nothing else", async () => {
  const { status, stderr } = await odmr(["init", "cloud"]);
  assert.equal(status, 64);
  assert.match(stderr, /"cloud" is neither relay nor home; see --help/);
});
