import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { answeredRelay } from "../../cmd/answered.ts";
import { starter } from "../../cmd/starter.ts";
import { parseConfig } from "../../src/config/load.ts";
import { certs } from "../support/certs.ts";
import { inFolder, odmr } from "../support/cli.ts";
import { atTerminal, withTerminal } from "../support/terminal.ts";

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
  const text = answeredRelay({ hostname: "relay.example.org", domains: [] });
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

describe("in a terminal", withTerminal, () => {
  test("init relay asks for the name and the domains, again where they are wrong, and leaves nothing to be changed", () =>
    inFolder(async (cwd) => {
      const { status, screen } = await atTerminal(
        ["init", "relay"],
        [
          ["as the world knows it", "relay\r"],
          ['"relay" is no host name', ""],
          ["as the world knows it", "Relay.example.net\r"],
          ["odmr invite): ", "example.org, example.com\r"],
        ],
        { cwd },
      );
      assert.equal(status, 0, screen);
      assert.match(
        screen,
        /Wrote odmr\.yaml\. Then:\n {2}odmr passwd home\.secret\n {2}odmr check\n {2}odmr serve\n$/,
      );
      const text = await readFile(join(cwd, "odmr.yaml"), "utf8");
      assert.equal(
        text,
        answeredRelay({ hostname: "relay.example.net", domains: ["example.org", "example.com"] }),
      );
      assert.doesNotMatch(text, /<--/);
      const { hostname, tls, serve } = parseConfig(text, "odmr.yaml");
      assert.deepEqual(
        [hostname, tls?.self, serve?.customers.map(({ name, domains }) => [name, domains])],
        ["relay.example.net", true, [["home", ["example.org", "example.com"]]]],
      );
    }));

  test("init home asks whom to call, and proposes where mail goes", () =>
    inFolder(async (cwd) => {
      await mkdir(join(cwd, "Maildir"));
      const { status, screen } = await atTerminal(
        ["init", "home", "home.yaml"],
        [
          ["The relay, host or host:port: ", "relay.example.net\r"],
          ["whose mail it has for us: ", "example.org\r"],
          ["Who we are there [home]: ", "\r"],
          ["or another target [1]: ", "nowhere\r"],
          ['"nowhere" is no target', ""],
          ["or another target [1]: ", "maildir:~/Mail/{local}\r"],
        ],
        { cwd, env: { HOME: cwd } },
      );
      assert.equal(status, 0, screen);
      assert.match(screen, /^ {2}\d {2}maildir:\S+\{local\} {3}\(a Maildir for each address\)$/m);
      const text = await readFile(join(cwd, "home.yaml"), "utf8");
      assert.doesNotMatch(text, /<--/);
      const [account] = parseConfig(text, "home.yaml").pull?.accounts ?? [];
      assert.deepEqual(
        [account?.provider, account?.user, account?.domains, account?.deliver.at(-1)?.to],
        [
          { host: "relay.example.net", port: 366 },
          "home",
          ["example.org"],
          { type: "maildir", path: join(cwd, "Mail/{local}") },
        ],
      );
    }));

  test("who leaves before the last answer has written nothing", () =>
    inFolder(async (cwd) => {
      const { status, screen } = await atTerminal(["init", "home"], [["host:port: ", "\x04"]], { cwd });
      assert.deepEqual([status, await readdir(cwd)], [64, []], screen);
      assert.match(screen, /odmr: it was not answered, and nothing was written\n$/);
    }));

  test("with --yes init asks nothing, and a file that is there is said before any question", () =>
    inFolder(async (cwd) => {
      const { status, screen } = await atTerminal(["init", "relay", "--yes"], [], { cwd });
      assert.equal(status, 0, screen);
      assert.equal(await readFile(join(cwd, "odmr.yaml"), "utf8"), starter("relay"));
      const again = await atTerminal(["init", "relay"], [], { cwd });
      assert.deepEqual(
        [again.status, again.screen],
        [73, "odmr: odmr.yaml is there already; name another file, or say --force\n"],
      );
    }));
});
