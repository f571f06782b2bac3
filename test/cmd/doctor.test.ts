/** `odmr doctor` as it runs: at a house that is well and at one that is not, with a real relay, name server and spool. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, readFile, realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { z } from "zod";
import { type Check, examine, fail, groups, ok, row, statusFor } from "../../cmd/doctor/check.ts";
import { relaying } from "../../cmd/doctor/openrelay.ts";
import type { Patient } from "../../cmd/doctor/patient.ts";
import { patientOf } from "../../cmd/doctor/system.ts";
import { checksOf } from "../../cmd/doctor/table.ts";
import { readConfig } from "../../src/config/load.ts";
import { ConnectionError } from "../../src/net/connection.ts";
import { LineError } from "../../src/net/talk.ts";
import { NameTrouble } from "../../src/platform/dns.ts";
import { openDatabase } from "../../src/platform/sqlite.ts";
import { SpoolError } from "../../src/spool/spool.ts";
import { type Ended, inFolder, odmr, odmrHere } from "../support/cli.ts";
import { manualClock } from "../support/clock.ts";
import { withNameServer } from "../support/nameserver.ts";
import { pipe } from "../support/pipe.ts";
import { withServe } from "../support/served.ts";
import { txt, type Zone } from "../support/zone.ts";

/** A line of `odmr doctor --json`: these names and words are kept. */
const finding = z.strictObject({
  check: z.string().regex(/^[a-z]+(-[a-z]+)*$/),
  group: z.enum(groups),
  subject: z.string().min(1),
  status: z.enum(["ok", "warn", "fail", "skipped"]),
  detail: z.string().min(1),
  mend: z.string().min(1).optional(),
});

const findingsIn = ({ stdout }: Ended) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => finding.parse(JSON.parse(line)));

interface House {
  readonly folder: string;
  readonly port: number;
  readonly server: string;
}

/** A relay that takes calls, a name server, and a folder for the house. */
const withHouse = (zone: Zone, use: (house: House) => Promise<void>): Promise<void> =>
  inFolder((folder) =>
    withNameServer(zone, (server) =>
      withServe(
        folder,
        {
          listen: [{ service: "odmr" }, { service: "lmtp", address: `unix:${folder}/lmtp.sock` }],
          domains: ["example.org"],
        },
        ({ ports: [port = 0] }) => use({ folder, port, server }),
      ),
    ),
  );

/** The house's configuration; its places are named as in the house that is well, unless others are given. */
async function settle(
  { folder, port }: House,
  given: Readonly<Record<string, unknown>> = {},
  name = "house",
): Promise<string> {
  const account = {
    name: "vps",
    provider: `127.0.0.1:${port}`,
    tls: "none",
    user: "home",
    password: { file: "home.secret" },
    domains: ["example.org"],
    smarthost: { at: `smtp://home@127.0.0.1:${port}`, tls: "none", password: { file: "home.secret" } },
    deliver: [
      { match: "sales@example.org", to: 'command:["sh","-c","cat"]' },
      { match: "old@example.org", to: "mbox:mail/old" },
      { match: "ann@example.org", to: "lmtp:LMTP" },
      { match: "*", to: "maildir:mail/{domain}/{local}" },
    ],
    ...given,
  };
  const file = join(folder, `${name}.yaml`);
  const pull = { accounts: [account], outgoing: { via: "vps" } };
  const text = JSON.stringify({ hostname: "house.test", spool: `${name}.db`, pull });
  await writeFile(file, text.replace("lmtp:LMTP", `lmtp:${folder}/lmtp.sock`));
  return file;
}

/** Without what differs by place and time. */
async function told({ stdout }: Ended, { folder, port }: Pick<House, "folder" | "port">): Promise<string> {
  return stdout
    .replaceAll(`${await realpath(folder)}/`, "")
    .replaceAll(`${folder}/`, "")
    .replaceAll(`:${port}`, ":366")
    .replace(/ +/g, " ");
}

const zone: Zone = {
  "example.org MX": [{ priority: 10, exchange: "mx.test" }],
  "mx.test A": ["127.0.0.1"],
  "example.org TXT": txt("v=spf1 include:smarthost.test -all"),
  "_dmarc.example.org TXT": txt("v=DMARC1; p=none"),
};

/** Of this very machine and its disk, and therefore not in what is expected here. */
const ONLY = ["--only", "config,files,certificate,dns,listeners,turns,peers,targets,clock"];

describe("odmr doctor", () => {
  it("finds nothing to mend at a house that is well, changes nothing there, and says of one that is not what is to be done", () =>
    withHouse(zone, async (house) => {
      const { folder, server } = house;
      const file = await settle(house);
      await mkdir(join(folder, "mail"));
      assert.deepEqual((await odmr(["pull", "--config", file, "--log-level", "error"])).status, 0);
      const before = await snapshot(folder);
      const ended = await odmrHere(["doctor", "--config", file, "--dns", server, ...ONLY]);
      assert.deepEqual(
        { status: ended.status, stderr: ended.stderr },
        { status: 0, stderr: "" },
        ended.stdout,
      );
      assert.equal(
        (await told(ended, house)).replace(/last \d+s ago/, "last 0s ago"),
        `config
 ✓ configuration house.yaml right, with all the files that it names

files
 ✓ configuration-mode house.yaml changed by its owner alone
 ✓ private-file home.secret its owner's alone
 ✓ private-file house.db its owner's alone

dns
 ✓ mx example.org 10 mx.test
 ✓ spf example.org v=spf1 include:smarthost.test -all; whether the smarthost is among them cannot be known here
 ✓ dmarc example.org p=none, at example.org: it is only watched

turns
 ✓ last-call vps last 0s ago

peers
 ✓ provider vps (127.0.0.1:366) it takes our call; in the clear
 ✓ smarthost 127.0.0.1:366 it takes our call; in the clear

targets
 ✓ target command:["sh","-c","cat"] it can be run
 ✓ target mbox:mail/old it can be written to
 ✓ target lmtp:lmtp.sock it answers
 ✓ target maildir:mail/{domain}/{local} it can be written to

clock
 - clock this machine nothing was named to compare it with
 → --ntp SERVER asks a time server

14 fine, 0 to look at, 0 to mend, 1 not looked at
`,
      );
      const spool = await odmrHere(["doctor", "--config", file, "--only", "spool", "--bodies", "--json"]);
      assert.deepEqual(
        findingsIn(spool)
          .filter(({ check }) => check.startsWith("spool"))
          .map(({ check, status }) => `${check} ${status}`),
        ["spool ok", "spool-pages ok", "spool-sums ok", "spool-bodies ok"],
      );
      assert.deepEqual(await snapshot(folder), before);
      await isNotWell(house);
    }));

  it("says in JSON that the spool is damaged, and ends with 65", () =>
    inFolder(async (folder) => {
      const file = await settle({ folder, port: 366, server: "" });
      await writeFile(join(folder, "home.secret"), "secret\n", { mode: 0o600 });
      await writeFile(
        join(folder, "house.db"),
        "no database at all, and long enough to be looked at".repeat(200),
        {
          mode: 0o600,
        },
      );
      const ended = await odmr(["doctor", "--config", file, "--json", "--only", "spool,turns"]);
      const damaged = findingsIn(ended).find(({ check }) => check === "spool");
      assert.deepEqual([ended.status, damaged?.status], [65, "fail"]);
    }));

  it("makes no spool of another program's database", () =>
    inFolder(async (folder) => {
      const file = await settle({ folder, port: 366, server: "" });
      await writeFile(join(folder, "home.secret"), "secret\n", { mode: 0o600 });
      const db = openDatabase(join(folder, "house.db"));
      db.exec("CREATE TABLE other (x)");
      db.close();
      const before = await snapshot(folder);
      const asked = { file, dns: [], ntp: undefined, bodies: false, log: { log: () => {} } };
      const { patient, close } = patientOf(await readConfig(file), asked);
      const found: string[] = [];
      for await (const { finding: each, exit } of examine(checksOf(["spool"]), patient))
        if (each.check === "spool") found.push(`${each.status}: ${each.detail}: ${exit}`);
      await close();
      assert.deepEqual(found, [`fail: ${join(folder, "house.db")} is a database, and no spool of odmr: 78`]);
      assert.deepEqual(await snapshot(folder), before);
    }));

  it("has one finding for a configuration that cannot be read", () =>
    inFolder(async (folder) => {
      await writeFile(join(folder, "odmr.yaml"), "hostname: x.test\nspool: s.db\nspol: y\n");
      const ended = await odmrHere(["doctor", "--json", "--config", join(folder, "odmr.yaml")]);
      assert.equal(ended.status, 78);
      assert.deepEqual(
        findingsIn(ended).map(({ check, status }) => [check, status]),
        [["configuration", "fail"]],
      );
    }));

  it("tells of what a configuration names and is not there, and goes on", () =>
    inFolder(async (folder) => {
      const file = await settle({ folder, port: 366, server: "" });
      const ended = await odmrHere(["doctor", "--config", file, "--only", "config,files", "--json"]);
      const [configuration, ...others] = findingsIn(ended);
      assert.equal(configuration?.status, "fail");
      assert.match(configuration.detail, /home\.secret does not exist/);
      assert.deepEqual([ended.status, others.length > 0], [78, true]);
    }));

  it("takes no other words for groups, name servers and time servers", async () => {
    for (const [flag, value] of [
      ["--only", "dsn"],
      ["--dns", "ns.example.net"],
      ["--ntp", "a b"],
    ] as const)
      assert.equal((await odmrHere(["doctor", flag, value])).status, 64, flag);
  });
});

/** The house beside it: its mail goes elsewhere, its secret is another, and its targets are not there. */
const isNotWell = (house: House): Promise<void> =>
  withNameServer({ "example.org MX": [{ priority: 5, exchange: "elsewhere.test" }] }, async (server) => {
    const { folder } = house;
    await writeFile(join(folder, "wrong.secret"), "not it\n", { mode: 0o600 });
    await writeFile(join(folder, "blocked"), "");
    const file = await settle(
      house,
      {
        password: { file: "wrong.secret" },
        smarthost: undefined,
        deliver: [
          { match: "a@example.org", to: "lmtp:nobody.sock" },
          { match: "b@example.org", to: "maildir:blocked/{local}" },
          { match: "c@example.org", to: 'command:["no-such-program-here"]' },
          { match: "*", to: "discard:" },
        ].map(({ match, to }) => ({ match, to: to.replace("lmtp:", `lmtp:${folder}/`) })),
      },
      "bad",
    );
    await chmod(file, 0o666);
    const ended = await odmrHere(["doctor", "--config", file, "--dns", server, ...ONLY]);
    assert.equal(ended.status, 77);
    assert.equal(
      (await told(ended, house)).replace(/(connect\w*) ENOENT.*/, "$1 ENOENT"),
      `config
 ✓ configuration bad.yaml right, with all the files that it names

files
 ✗ configuration-mode bad.yaml others may change it, and name programs in it
 → chmod go-w bad.yaml
 ✓ private-file wrong.secret its owner's alone
 - private-file bad.db no spool there

dns
 ✗ mx example.org its mail goes to 5 elsewhere.test, and not to 127.0.0.1
 → make an MX record with a name whose address is 127.0.0.1
 ✗ spf example.org it has no SPF record
 → make the TXT record "v=spf1 ip4:127.0.0.1 -all"
 ! dmarc example.org it has no DMARC policy; large receivers ask for one
 → make the TXT record "v=DMARC1; p=none" at _dmarc.example.org

turns
 - last-call vps no spool there yet

peers
 ✗ provider vps (127.0.0.1:366) 127.0.0.1:366 refuses the login home: 535 5.7.8 Authentication failed
 → see user, password and certificate, here and there

targets
 ✗ target lmtp:nobody.sock connecting to nobody.sock: connect ENOENT
 → see that it runs, and that nothing is between
 ✗ target maildir:blocked/{local} blocked is no folder
 → name another
 ✗ target command:["no-such-program-here"] there is no program no-such-program-here in PATH
 → install it, or name it by its full path
 ! target discard: mail is thrown away
 → leave it if it is meant so

clock
 - clock this machine nothing was named to compare it with
 → --ntp SERVER asks a time server

2 fine, 2 to look at, 7 to mend, 3 not looked at
`,
    );
  });

/** Each file below a folder, with a sum of its content. */
async function snapshot(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((each) => each.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const sums = files
    // The relay beside the house works on.
    .filter((file) => !file.includes("relay.db"))
    .map(async (file) => {
      const content = await readFile(file);
      // SQLite counts there how often it had a database in hand.
      if (file.endsWith(".db")) for (const at of [24, 92]) content.fill(0, at, at + 4);
      return `${file} ${createHash("sha256").update(content).digest("hex")}`;
    });
  return (await Promise.all(sums)).sort();
}

describe("an examination", () => {
  const clock = manualClock();
  const patient = { clock } as unknown as Patient;
  const check = (name: string, look: () => Promise<ReturnType<typeof ok>>, exit: 69 | 78 = 78): Check =>
    row({ check: name, group: "dns", exit, subjects: () => ["x"], name: (subject) => subject, look });

  it("tells in the order of the table, whatever comes first, and waits for nothing too long", async () => {
    const never = new Promise<never>(() => {});
    const found: string[] = [];
    const done = (async () => {
      const all = [check("slow", () => never), check("quick", async () => ok("fine"))];
      for await (const { finding: each } of examine(all, patient)) found.push(`${each.check} ${each.status}`);
    })();
    await clock.advance(19_999);
    assert.deepEqual(found, []);
    await clock.advance(1);
    await done;
    assert.deepEqual([found, clock.timers], [["slow warn", "quick ok"], 0]);
  });

  it("makes a finding of what a check throws", async () => {
    const throwing = (error: Error) => check("x", () => Promise.reject(error));
    const found: string[] = [];
    for (const error of [
      new NameTrouble("no answer on x"),
      new ConnectionError("refused", "nobody there"),
      new LineError("timeout", "no word in time"),
      new SpoolError("busy", "the database: locked"),
      new Error("EACCES"),
    ])
      for await (const { finding: each } of examine([throwing(error)], patient))
        found.push(`${each.status}: ${each.detail}`);
    assert.deepEqual(found, [
      "warn: no answer on x: DNS does not answer",
      "fail: nobody there",
      "fail: no word in time",
      "skipped: the spool cannot be read: the database: locked",
      "warn: it could not be looked at: EACCES",
    ]);
  });

  it("ends with the status of what is most pressing, and with 0 for what is only to be looked at", async () => {
    const found = async (...checks: readonly Check[]) => {
      const all = [];
      for await (const each of examine(checks, patient)) all.push(each);
      return statusFor(all);
    };
    const bad = (exit: 69 | 78) => check("bad", async () => fail("bad", "mend it"), exit);
    const doubtful = check("doubtful", () => Promise.reject(new Error("x")));
    assert.equal(
      await found(
        doubtful,
        check("good", async () => ok("fine")),
      ),
      0,
    );
    assert.equal(await found(bad(78)), 78);
    assert.equal(await found(bad(78), bad(69), doubtful), 69);
  });
});

describe("the trial of a relay", () => {
  /** A server that answers each line by `answer`; undefined: it hangs up. */
  async function trial(answer: (line: string) => string | undefined) {
    const [ours, theirs] = pipe();
    const heard: string[] = [];
    const serving = (async () => {
      const write = (text: string) => theirs.write(new TextEncoder().encode(`${text}\r\n`), 1000);
      await write("220-open.test\r\n220 ready");
      for (let bytes = await theirs.read(1000); bytes !== undefined; bytes = await theirs.read(1000)) {
        const line = new TextDecoder().decode(bytes).trimEnd();
        heard.push(line);
        const said = answer(line);
        if (said === undefined) break;
        await write(said);
      }
      await theirs.close();
    })();
    const asked = { service: "intake", ours: "x.test", hostname: "relay.test", patience: 1000 };
    const found = await relaying(ours, asked);
    await ours.close();
    await serving;
    return { found, heard };
  }

  it("finds one that takes all, and never sends a message", async () => {
    const { found, heard } = await trial(() => "250 fine");
    assert.ok(typeof found !== "string");
    assert.deepEqual([found.tried, found.leaving.length, found.odd.length], [24, 12, 12]);
    assert.equal(found.leaving[0], "<> → <v@odmr-doctor.invalid>");
    assert.deepEqual(
      [...new Set(heard.map((line) => line.split(/[ :]/)[0]))],
      ["EHLO", "MAIL", "RCPT", "RSET", "QUIT"],
    );
  });

  it("believes one that refuses all, and one that hangs up on so many strangers", async () => {
    const refusing = (line: string) => (/^(MAIL|RCPT)/.test(line) ? "550 no" : "250 fine");
    const { found } = await trial(refusing);
    assert.deepEqual(found, { tried: 24, leaving: [], odd: [] });
    let count = 0;
    const tired = await trial((line) => (++count > 6 ? undefined : refusing(line)));
    assert.deepEqual(tired.found, { tried: 5, leaving: [], odd: [] });
  });
});
