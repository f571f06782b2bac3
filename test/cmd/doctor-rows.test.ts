/** Rows of `odmr doctor`'s table over a world that the test makes: what is asked of whom, and what is not. */
import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { examine, type Finding, type Group } from "../../cmd/doctor/check.ts";
import type { Patient } from "../../cmd/doctor/patient.ts";
import { systemDisk } from "../../cmd/doctor/system.ts";
import { checks, checksOf } from "../../cmd/doctor/table.ts";
import { parseConfig } from "../../src/config/load.ts";
import type { Connection } from "../../src/net/connection.ts";
import { ConnectionError } from "../../src/net/connection.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { seeded } from "../spool/support.ts";
import { certs } from "../support/certs.ts";
import { inFolder } from "../support/cli.ts";
import { pipe } from "../support/pipe.ts";
import { lookupIn, txt, type Zone } from "../support/zone.ts";

interface World extends Partial<Patient> {
  readonly zone?: Zone;
  /** Who answers, by `host:port` or path, and with what greeting. */
  readonly doors?: Readonly<Record<string, string>>;
}

/** A patient in a world where nobody answers, but for what is given. */
function patientIn(settings: object, { zone = {}, doors = {}, ...world }: World = {}): Patient {
  const base = { hostname: "relay.test", spool: "/nowhere/spool.db" };
  return {
    config: parseConfig(JSON.stringify({ ...base, ...settings }), "/nowhere/odmr.yaml"),
    load: async () => undefined,
    remarks: async () => [],
    clock: systemClock,
    random: seeded(1),
    lookup: lookupIn(zone),
    policy: () => Promise.reject(new Error("no policy there")),
    dial: async (at) => {
      const name = "path" in at ? at.path : `${at.host}:${at.port}`;
      const greeting = doors[name];
      if (greeting === undefined) throw new ConnectionError("refused", `nobody at ${name}`);
      return greeter(greeting);
    },
    interfaces: ["127.0.0.1"],
    roots: [],
    disk: systemDisk,
    spool: async () => undefined,
    time: undefined,
    bodies: false,
    owner: undefined,
    ...world,
  };
}

/** A server that greets, and says 221 to all. */
async function greeter(greeting: string): Promise<Connection> {
  const [ours, theirs] = pipe();
  const say = (text: string) => theirs.write(new TextEncoder().encode(`${text}\r\n`), 1000);
  await say(greeting);
  void (async () => {
    while ((await theirs.read(10_000)) !== undefined) await say("221 bye");
    await theirs.close();
  })().catch(() => undefined);
  return ours;
}

async function found(patient: Patient, group: Group, check: string): Promise<readonly string[]> {
  const all: Finding[] = [];
  const rows = checksOf([group]).filter((row) => row.check === check);
  assert.equal(rows.length, 1, check);
  for await (const { finding } of examine(rows, patient)) all.push(finding);
  return all.map(({ subject, status, detail }) => `${subject} ${status}: ${detail}`);
}

const customer = { name: "home", domains: ["x.test"], scram: `SCRAM-SHA-256$4096:AAAA$AAAA:AAAA` };
const serve = (more: object = {}) => ({
  serve: { listen: [{ service: "intake", address: "0.0.0.0:25" }], customers: [customer], ...more },
});

describe("the table of checks", () => {
  it("has each check once, whole in its group", () => {
    const names = checks.map(({ check }) => check);
    assert.deepEqual([...new Set(names)], names);
    assert.deepEqual(
      checksOf(["clock"]).map(({ check }) => check),
      ["clock"],
    );
    assert.equal(checksOf([]).length, checks.length);
  });

  it("says nothing of what a configuration does not have", async () => {
    const pull = {
      accounts: [
        {
          name: "vps",
          provider: "relay.test",
          user: "home",
          domains: ["x.test"],
          tls: "none",
          password: { file: "p" },
          deliver: [{ match: "*", to: "discard:" }],
        },
      ],
    };
    const all: string[] = [];
    for await (const { finding } of examine(checks, patientIn({ pull }))) all.push(finding.check);
    for (const absent of [
      "listener",
      "open-relay",
      "tlsa",
      "dkim",
      "spf",
      "last-turn",
      "user",
      "admin",
      "rspamd",
    ])
      assert.ok(!all.includes(absent), absent);
  });
});

describe("a row", () => {
  it("fetches an MTA-STS policy where a record says that there is one", async () => {
    const zone = { "_mta-sts.x.test TXT": txt("v=STSv1; id=1") };
    const look = (policy: () => Promise<string>) =>
      found(patientIn(serve(), { zone, policy }), "dns", "mta-sts");
    assert.deepEqual(await look(() => Promise.reject(new Error("the policy's host answers 404"))), [
      "x.test fail: the record is there, and the policy is not to be had: the policy's host answers 404",
    ]);
    assert.deepEqual(
      await look(async () => "version: STSv1\nmode: enforce\nmx: relay.test\nmax_age: 86400\n"),
      ["x.test fail: it demands TLS, and there is no certificate here"],
    );
    assert.match((await look(async () => "<html>"))[0] ?? "", /^x\.test fail: .*version/i);
    assert.deepEqual(await found(patientIn(serve()), "dns", "mta-sts"), [
      "x.test skipped: no policy: senders may bring mail in the clear, if somebody makes them",
    ]);
  });

  it("asks a blocklist about each of our addresses, forwards nothing else", async () => {
    const checks = { blocklists: [{ zone: "list.test" }, { zone: "friends.test", weight: -1 }] };
    const settings = serve({ outbound: { mx: true }, checks });
    const zone = {
      "relay.test A": ["192.0.2.7"],
      "relay.test AAAA": ["2001:db8::7"],
      "7.2.0.192.list.test A": ["127.0.0.2"],
    };
    assert.deepEqual(await found(patientIn(settings, { zone }), "dns", "blocklist"), [
      "list.test fail: 192.0.2.7 is listed: others refuse its mail",
    ]);
  });

  it("takes DNS that does not answer for no answer, and not for none", async () => {
    assert.deepEqual(await found(patientIn(serve(), { zone: { "x.test MX": "trouble" } }), "dns", "mx"), [
      "x.test warn: no answer on x.test: DNS does not answer",
    ]);
  });

  it("greets doors at loopback where they are open to all, and knows another program", async () => {
    const settings = {
      ...serve({
        listen: [
          { service: "intake", address: "0.0.0.0:25" },
          { service: "lmtp", address: "192.0.2.7:24" },
        ],
      }),
      pull: {
        accounts: [
          {
            name: "vps",
            provider: "relay.test",
            user: "home",
            domains: ["y.test"],
            tls: "none",
            password: { file: "p" },
            deliver: [{ match: "*", to: "discard:" }],
          },
        ],
        outgoing: { listen: "127.0.0.1:2525", via: "vps" },
      },
    };
    const doors = {
      "127.0.0.1:25": "220 relay.test ESMTP Postfix",
      "127.0.0.1:2525": "220 relay.test ESMTP",
    };
    assert.deepEqual(await found(patientIn(settings, { doors }), "listeners", "listener"), [
      "intake on 0.0.0.0:25 fail: another program answers: 220 relay.test ESMTP Postfix",
      "lmtp on 192.0.2.7:24 skipped: its networks leave this machine out",
      "outgoing on 127.0.0.1:2525 ok: answers, and is ours",
    ]);
    assert.deepEqual(await found(patientIn(settings, { doors }), "listeners", "outside"), [
      "relay.test skipped: whether the world reaches it cannot be seen from here",
    ]);
  });

  it("warns of an admin interface that is open to more than this machine", async () => {
    const admin = (listen: string) => ({ ...serve(), admin: { listen, token: { file: "t" } } });
    const doors = { "127.0.0.1:8366": "", "192.0.2.7:8366": "" };
    const look = (listen: string) => found(patientIn(admin(listen), { doors }), "listeners", "admin");
    assert.deepEqual(await look("127.0.0.1:8366"), ["127.0.0.1:8366 ok: answers, on this machine alone"]);
    assert.match((await look("192.0.2.7:8366"))[0] ?? "", /^192\.0\.2\.7:8366 warn: it answers, to more/);
    assert.deepEqual(await look("127.0.0.1:8367"), ["127.0.0.1:8367 warn: nobody answers"]);
  });

  it("meets rspamd", async () => {
    const patient = (doors: Record<string, string>) =>
      patientIn(serve({ checks: { rspamd: { at: "127.0.0.1:11333" } } }), { doors });
    assert.deepEqual(await found(patient({ "127.0.0.1:11333": "" }), "peers", "rspamd"), [
      "127.0.0.1:11333 ok: it answers",
    ]);
    assert.deepEqual(await found(patient({}), "peers", "rspamd"), [
      "127.0.0.1:11333 fail: nobody at 127.0.0.1:11333",
    ]);
  });

  it("compares the clock with a time server, where one is named and answers", async () => {
    const look = (time: Patient["time"]) => found(patientIn(serve(), { time }), "clock", "clock");
    assert.deepEqual(await look(async () => -3), ["this machine ok: 3 ms behind the time server"]);
    assert.deepEqual(await look(() => Promise.reject(new Error("no time from x in time"))), [
      "this machine warn: the time server does not answer: no time from x in time",
    ]);
    assert.match((await look(undefined))[0] ?? "", /^this machine skipped: /);
  });

  it("knows whom odmr becomes", async () => {
    const look = (owner: Patient["owner"]) =>
      found(patientIn({ ...serve(), user: "odmr" }, { owner }), "config", "user");
    assert.deepEqual(await look({ name: "odmr", uid: 7, gid: 7 }), ["odmr ok: a user of this machine"]);
    assert.deepEqual(await look("there is no user odmr"), ["odmr fail: there is no user odmr"]);
  });

  it("reads certificates from their files, and leaves out what is not there yet", () =>
    inFolder(async (folder) => {
      const at = (name: string) => join(folder, name);
      await writeFile(at("good.crt"), certs().server.certificate);
      await writeFile(at("empty.crt"), "nothing\n");
      const tls = (name: string) => ({ ...serve(), tls: { certificate: at(name), key: at("tls.key") } });
      const look = async (name: string) =>
        (await found(patientIn(tls(name)), "certificate", "certificate-name"))
          .join()
          .replace(`${folder}/`, "");
      assert.equal(await look("good.crt"), "good.crt ok: for relay.test");
      assert.equal(await look("none.crt"), "none.crt skipped: it is not there");
      assert.match(await look("empty.crt"), /^empty\.crt fail: .* holds no certificate in PEM form$/);
    }));

  it("measures the disk without leaving anything there", () =>
    inFolder(async (folder) => {
      assert.ok((await systemDisk.syncs(folder)) > 0);
      const room = await systemDisk.room(folder);
      assert.ok(room.free > 0 && room.size >= room.free && room.type !== 0);
      assert.deepEqual(await systemDisk.mode(join(folder, "none")), undefined);
      assert.deepEqual(
        [await systemDisk.writable(folder), await systemDisk.writable(join(folder, "none"))],
        [true, false],
      );
      assert.deepEqual(await readdir(folder), []);
    }));
});
