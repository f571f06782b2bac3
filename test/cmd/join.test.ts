import assert from "node:assert/strict";
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fromSource } from "../../cmd/demo/child.ts";
import { main } from "../../cmd/odmr.ts";
import { formatInvitation, parseInvitation } from "../../src/config/invitation.ts";
import { lineDelivery } from "../../src/delivery/line.ts";
import { dial } from "../../src/net/dial.ts";
import { Talk } from "../../src/net/talk.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { freePort } from "../support/processes.ts";
import { inWorld, portOf, programs, type World } from "../support/program.ts";
import { atTerminal, withTerminal } from "../support/terminal.ts";

/** Writes a starter configuration and puts it onto loopback: nothing else of it is changed. */
async function initRelay(world: World, odmr = 0): Promise<string> {
  const { status, stderr } = await world.run([
    "init",
    "relay",
    "--hostname",
    "relay.example.net",
    "relay.yaml",
  ]);
  assert.equal(status, 0, stderr);
  assert.match(
    stderr,
    /odmr serve --config relay\.yaml\n {2}odmr invite home --domain example\.org --config relay\.yaml\n$/,
  );
  const text = await readFile(world.at("relay.yaml"), "utf8");
  const here = text
    .replace("0.0.0.0:366", `127.0.0.1:${odmr}`)
    .replace("0.0.0.0:25", "127.0.0.1:0")
    .replace("/var/lib/odmr/spool.db", "relay/spool.db");
  return await world.file("relay.yaml", here);
}

const joining = ["join", "--config", "home.yaml", "--spool", "home/spool.db", "--to", "maildir:mail/{local}"];

async function letterTo(to: string, port: number): Promise<void> {
  const talk = new Talk(await dial({ host: "127.0.0.1", port, clock: systemClock, within: 10_000 }));
  await talk.greeting();
  await talk.ask({ verb: "EHLO", name: "world.example" });
  const bytes = new TextEncoder().encode("Subject: Hello\r\n\r\nText.\r\n");
  const delivery = lineDelivery(talk, { compatibility: "plain" });
  const outcomes = await delivery.deliver({
    id: "",
    envelope: { from: "ann@world.example", smtputf8: false, recipients: [{ address: to, notify: [] }] },
    size: bytes.length,
    arrived: 0,
    content: () => [bytes],
  });
  await delivery.close();
  assert.deepEqual(
    outcomes.map(({ result }) => result),
    ["delivered"],
  );
}

/** What lies in somebody's Maildir. */
async function lettersOf(world: World, user: string): Promise<readonly string[]> {
  const folder = world.at(`mail/${user}/new`);
  const names = await readdir(folder).catch(() => []);
  return await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
}

describe("from nothing to mail at home", () => {
  for (const { name, words } of programs)
    it(`with ${name}: init, serve, invite; join, pull`, () =>
      inWorld(words, async (world) => {
        const relay = await initRelay(world);
        const { doors } = await world.serve(relay);
        const address = `127.0.0.1:${portOf(doors.odmr)}`;
        const invited = await world.run([
          "invite",
          "home",
          "--domain",
          "example.org",
          "--domain",
          "example.com",
          "--config",
          relay,
          "--address",
          address,
        ]);
        assert.equal(invited.status, 0, invited.stderr);
        const line = parseInvitation(invited.stdout);
        assert.equal(invited.stdout, `${formatInvitation(line)}\n`);
        await world.file("line", invited.stdout);

        // Somebody on the way, with a relay of his own in its place, has another certificate.
        const forged = formatInvitation({ ...line, pin: "0a".repeat(32) });
        const elsewhere = await world.run([...joining, "--file", await world.file("forged", forged)]);
        assert.deepEqual([elsewhere.status, elsewhere.stdout], [77, ""]);
        assert.match(elsewhere.stderr, /which is not the pinned one/);

        const joined = await world.run([...joining, "--file", "line"]);
        assert.deepEqual(
          [joined.status, joined.stdout],
          [
            0,
            `This host is home at 127.0.0.1 now; mail for example.org, example.com goes to maildir:${world.at("mail/{local}")}
Wrote ${world.at("home.yaml")}
A message to postmaster@example.org went to the relay and came back
Next: odmr pull --daemon --config home.yaml
`,
          ],
          joined.stderr,
        );
        assert.match((await lettersOf(world, "postmaster"))[0] ?? "", /^Subject: odmr join: it works/m);
        for (const file of [
          "home.yaml",
          "home.key",
          "home.crt",
          "relay/spool.db.key",
          "relay/spool.db.customers/home.yaml",
        ])
          assert.equal((await stat(world.at(file))).mode & 0o777, 0o600, file);

        await letterTo("bob@example.com", portOf(doors.intake));
        const pulled = await world.run(["pull", "--config", "home.yaml"]);
        assert.deepEqual(
          [pulled.status, pulled.stdout.replace(/\(.*?\)/, "(…)")],
          [0, "relay: 1 message (…), 1 delivered\n"],
          pulled.stderr,
        );
        assert.match((await lettersOf(world, "bob"))[0] ?? "", /^Subject: Hello/m);

        // What broke after the relay's answer is done again with the same line and the same key; nobody else can use it.
        const again = await world.run([...joining, "--file", "line", "--force", "--untested"]);
        assert.equal(again.status, 0, again.stderr);
        const thief = await world.run([
          "join",
          "--config",
          "thief/odmr.yaml",
          "--spool",
          "thief/spool.db",
          "--to",
          "discard:",
          "--file",
          "line",
        ]);
        assert.deepEqual([thief.status, thief.stdout], [77, ""]);
        assert.match(
          thief.stderr,
          /127\.0\.0\.1:\d+ does not take us in: 535 5\.7\.8 This invitation does not count/,
        );
        assert.deepEqual((await readdir(world.at("thief"))).sort(), ["odmr.crt", "odmr.key"]);
      }));

  // One whole way is enough for a runtime that starts so slowly.
  const skip = "Deno" in globalThis;
  it(
    "an invitation that was made before the relay ran is taken once it runs, through restarts too",
    { skip },
    () =>
      inWorld(fromSource, async (world) => {
        const port = await freePort();
        const relay = await initRelay(world, port);
        const inviting = ["invite", "home", "--domain", "example.org", "--config", relay, "--json"];
        const invited = await world.run([...inviting, "--address", "127.0.0.1", "--valid", "1h"]);
        assert.equal(invited.status, 0, invited.stderr);
        const { invitation, until, ...rest } = JSON.parse(invited.stdout) as Record<string, string>;
        assert.deepEqual(rest, { name: "home", domains: ["example.org"] });
        assert.ok(Date.parse(until ?? "") > Date.now());
        await world.file("line", `${invitation}\n`);
        const nobody = await world.run([...joining, "--file", "line"]);
        assert.equal(nobody.status, 69, nobody.stderr);
        const first = await world.serve(relay);
        const joined = await world.run([...joining, "--file", "line", "--json"]);
        assert.deepEqual(
          [joined.status, JSON.parse(joined.stdout)],
          [
            0,
            {
              name: "home",
              domains: ["example.org"],
              config: world.at("home.yaml"),
              to: `maildir:${world.at("mail/{local}")}`,
              test: { arrived: true, outcome: "went to the relay and came back" },
            },
          ],
        );
        await first.end("SIGKILL");
        await world.serve(relay);
        const pulled = await world.run(["pull", "--config", "home.yaml"]);
        assert.deepEqual([pulled.status, pulled.stdout], [0, "relay: no mail\n"], pulled.stderr);
        const twice = await world.run(inviting);
        assert.equal(twice.status, 65);
        assert.match(
          twice.stderr,
          /home is a customer already; say --again to give it a new key, .*\(it stands in .*relay\.yaml or .*home\.yaml\)\n$/,
        );

        // A new machine comes in the place of the old one, whose key counts no more.
        const anew = await world.run([
          "invite",
          "home",
          "--again",
          "--config",
          relay,
          "--address",
          "127.0.0.1",
        ]);
        assert.equal(anew.status, 0, anew.stderr);
        assert.match(
          anew.stderr,
          /^An invitation for home \(example\.org\): .*\nUntil it is used, home is who it was;/,
        );
        await world.file("line", anew.stdout);
        const elsewhere = ["--config", "anew/odmr.yaml", "--spool", "anew/spool.db", "--to", "discard:"];
        const moved = await world.run(["join", ...elsewhere, "--file", "line"]);
        assert.equal(moved.status, 0, moved.stdout + moved.stderr);
        assert.equal((await world.run(["pull", "--config", "home.yaml"])).status, 77);
        const rival = await world.run(["invite", "office", "--domain", "example.org", "--config", relay]);
        assert.deepEqual(
          [rival.status, rival.stderr],
          [65, "odmr: example.org is the customer home's already\n"],
        );
      }),
  );
});

describe("whoever sits at a terminal", {
  skip: withTerminal.skip || ("Deno" in globalThis && "Bun has tried it"),
}, () => {
  it("is asked whom to invite; then for the line, the target and the test message's address", () =>
    inWorld(fromSource, async (world) => {
      const port = await freePort();
      const relay = await initRelay(world, port);
      const inviting = ["invite", "--config", relay, "--address", "127.0.0.1"];
      const invited = await atTerminal(
        inviting,
        [
          ["to be called here [home]: ", "\r"],
          ["whose mail it is to get: ", "example\r"],
          ['"example" is no domain', ""],
          ["whose mail it is to get: ", "example.org\r"],
        ],
        { cwd: world.folder },
      );
      assert.equal(invited.status, 0, invited.screen);
      const [line = ""] = /^odmr-join:.*$/m.exec(invited.screen) ?? [];
      await world.serve(relay);
      const joined = await atTerminal(
        ["join", "--config", "home.yaml", "--spool", "home/spool.db"],
        [
          ["The line of odmr invite: ", `${line}\r`],
          ["or another target", `maildir:${world.at("mail/{local}")}\r`],
          ["may go to [postmaster@example.org]: ", "bob\r"],
          ['"bob" is no mail address', ""],
          ["may go to [postmaster@example.org]: ", "bob@example.org\r"],
        ],
        { cwd: world.folder, env: { HOME: world.folder } },
      );
      assert.equal(joined.status, 0, joined.screen);
      assert.match(joined.screen, /^A message to bob@example\.org went to the relay and came back$/m);
      assert.equal((await lettersOf(world, "bob")).length, 1);
      const again = await atTerminal([...inviting, "home"], [["(yes or no) [no]: ", "yes\r"]], {
        cwd: world.folder,
      });
      assert.equal(again.status, 0, again.screen);
      assert.match(again.screen, /Until it is used, home is who it was/);
    }));
});

/** The same program within this process: it is refused before it would need one of its own. */
async function here(world: World, args: readonly string[]) {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const into = (said: string[]) => ({ write: (text: string) => void said.push(text) });
  const env = { HOME: world.folder, NO_COLOR: "1" };
  const mask = process.umask();
  try {
    const status = await main(args, "odmr", { stdout: into(stdout), stderr: into(stderr), env });
    return { status, stdout: stdout.join(""), stderr: stderr.join("") };
  } finally {
    process.umask(mask);
  }
}

const joiningIn = (world: World): readonly string[] => [
  ...["join", "--config", world.at("home.yaml"), "--spool", world.at("home/spool.db")],
  ...["--to", `maildir:${world.at("mail/{local}")}`],
];

describe("an invitation cannot be made", () => {
  const bare = `hostname: relay.example.net\nspool: spool.db\nserve: { listen: [{ service: odmr, address: "127.0.0.1:0" }] }\n`;

  for (const [why, config, more, status, said] of [
    ["without a domain", bare, [], 64, /write --domain example\.org/],
    [
      "where no listener has TLS",
      bare,
      ["--domain", "example.org"],
      78,
      /no odmr listener has TLS.*write tls: \{ self: true \}/,
    ],
    [
      "where there is no relay",
      "hostname: a.example\nspool: s.db\n",
      ["--domain", "example.org"],
      78,
      /serve: is missing/,
    ],
    [
      "where nobody knows the port",
      bare.replace("serve", "tls: { self: true }\nserve"),
      ["--domain", "example.org"],
      64,
      /which port do customers call\?.*--address relay\.example\.net:366/,
    ],
  ] as const)
    it(why, () =>
      inWorld(fromSource, async (world) => {
        const ended = await here(world, [
          "invite",
          "home",
          ...more,
          "--config",
          await world.file("relay.yaml", config),
        ]);
        assert.deepEqual([ended.status, ended.stdout], [status, ""]);
        assert.match(ended.stderr, said);
      }),
    );
});

describe("joining", () => {
  const line = `odmr-join://127.0.0.1:1/${"A".repeat(22)}/${"A".repeat(43)}\n`;

  it("takes no invitation from the command line, where others can read it", () =>
    inWorld(fromSource, async (world) => {
      const ended = await here(world, ["join", line.trim()]);
      assert.equal(ended.status, 64);
      assert.match(ended.stderr, /others can read a command line; say odmr join alone/);
      assert.equal(ended.stderr.includes("A".repeat(22)), false);
    }));

  it("leaves a configuration that is there as it is, before anything is spent", () =>
    inWorld(fromSource, async (world) => {
      await world.file("line", line);
      await writeFile(world.at("home.yaml"), "mine\n");
      const ended = await here(world, [...joiningIn(world), "--file", world.at("line")]);
      assert.deepEqual(
        [ended.status, ended.stderr],
        [73, `odmr: ${world.at("home.yaml")} is there already; name another with --config, or say --force\n`],
      );
      assert.equal(await readFile(world.at("home.yaml"), "utf8"), "mine\n");
      await rm(world.at("home.yaml"));
      const nobody = await here(world, [...joiningIn(world), "--file", world.at("line")]);
      assert.equal(nobody.status, 69, nobody.stderr);
      assert.deepEqual((await readdir(world.folder)).sort(), ["home.crt", "home.key", "line", "mail"]);
    }));

  it("asks nobody who is not there, and says what it would propose", () =>
    inWorld(fromSource, async (world) => {
      await world.file("line", line);
      const ended = await here(world, [
        "join",
        "--config",
        world.at("home.yaml"),
        "--file",
        world.at("line"),
      ]);
      assert.equal(ended.status, 64);
      assert.match(ended.stderr, /say where mail is to go, such as --to \S+ {3}\(.+\)\n$/);
    }));
});
