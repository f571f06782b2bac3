import assert from "node:assert/strict";
import { realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { jsonSchema } from "../../src/config/describe.ts";
import { inFolder, odmr } from "../support/cli.ts";

const right = `hostname: relay.example.net
spool: spool.db
serve:
  listen: [{ service: odmr, address: "127.0.0.1:366" }, { service: lmtp, address: "127.0.0.1:24" }]
  customers: [{ name: home, domains: [example.org], password: { file: home.secret } }]
pull:
  accounts:
    - name: vps
      provider: relay.example.net
      user: home
      password: { file: home.secret }
      domains: [example.org]
      deliver: [{ match: "*", to: "maildir:/var/mail/all" }]
`;

const checked = (text: string, ...args: string[]) =>
  inFolder(async (folder) => {
    await writeFile(join(folder, "odmr.yaml"), text);
    await writeFile(join(folder, "home.secret"), "x\n", { mode: 0o600 });
    const { stdout, ...rest } = await odmr(["check", ...args], { cwd: folder });
    return { ...rest, stdout: stdout.replaceAll(`${await realpath(folder)}/`, "") };
  });

test("a right configuration is summed up, and what is seldom meant is remarked on", async () => {
  assert.deepEqual(await checked(right), {
    status: 0,
    stdout: `odmr.yaml is right
  hostname  relay.example.net
  spool     spool.db
  listen    odmr on 127.0.0.1:366, no TLS
  listen    lmtp on 127.0.0.1:24, no TLS, from 127.0.0.0/8, ::1
  customer  home: example.org; by password; held 30d, 2GiB at most
  account   vps: relay.example.net:366 (starttls) as home; example.org; * → maildir
`,
    stderr:
      "./odmr.yaml:13:35: pull.accounts[0].deliver[0].to: all that * takes goes into one mailbox; {local} in the path gives each its own\n",
  });
});

test("what is looked at before mail is let in is summed up too", async () => {
  const checks = (text: string) => right.replace("pull:", `  checks: ${text}\npull:`);
  const { stdout } = await checked(
    checks(
      '{ at: [intake, lmtp], greetingDelay: 3s, reverseName: mark, listed: refuse, blocklists: [{ zone: bl.example.net }], authentication: { dmarcReject: refuse }, rspamd: { at: "127.0.0.1:11333" } }',
    ),
  );
  assert.equal(
    /^ {2}checks .*$/m.exec(stdout)?.[0],
    "  checks    at intake, lmtp: greeting after 3s; reverse name (mark); bl.example.net (refuse); DMARC (reject: refuse); rspamd on 127.0.0.1:11333",
  );
  assert.match((await checked(checks("{}"))).stdout, /^ {2}checks {4}at intake: nothing$/m);
});

test("--json gives the configuration as it is understood, in one object", async () => {
  const { status, stdout } = await checked(right, "--json");
  const told = JSON.parse(stdout) as {
    valid: boolean;
    serve: { listen: { requireTls: boolean }[] };
    remarks: string[];
  };
  assert.deepEqual(
    [status, told.valid, told.serve.listen[0]?.requireTls, told.remarks.length],
    [0, true, false, 1],
  );
});

test("a wrong one ends with 78, with every problem on stderr", async () => {
  const { status, stdout, stderr } = await checked("hostname: a b\nspol: x\n");
  assert.deepEqual({ status, stdout }, { status: 78, stdout: "" });
  assert.deepEqual(stderr.replaceAll(/; .*/g, "").trimEnd().split("\n"), [
    "./odmr.yaml:1:1: spool: it is missing",
    './odmr.yaml:1:11: hostname: "a b" is no host name',
    "./odmr.yaml:2:1: spol: this is no key here",
  ]);
});

test("--json gives the problems as an object too", async () => {
  const { status, stdout } = await checked("", "--json");
  const { valid, problems } = JSON.parse(stdout) as { valid: boolean; problems: string[] };
  assert.deepEqual([status, valid, problems.length], [78, false, 2]);
});

test("--schema prints the JSON Schema for editors, without any configuration", () =>
  inFolder(async (folder) => {
    const { status, stdout } = await odmr(["check", "--schema"], { cwd: folder });
    assert.equal(status, 0);
    assert.deepEqual(JSON.parse(stdout), JSON.parse(JSON.stringify(jsonSchema())));
  }));
