import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import { wishesOf } from "../../cmd/sendmail.ts";
import type { Ended } from "../support/cli.ts";
import { run } from "../support/processes.ts";
import { inWorld, programs, relayOf, type World } from "../support/program.ts";

const given = (
  world: World,
  [program, ...more]: readonly [string, ...string[]],
  options: Given,
): Promise<Ended> =>
  run(program, [...more, "sendmail", ...options.args], {
    cwd: world.folder,
    stdin: options.stdin,
    env: { HOME: world.folder, ODMR_CONFIG: world.at("house.yaml") },
  });

interface Given {
  readonly args: readonly string[];
  readonly stdin: string;
}

const config = (world: World, provider = "127.0.0.1:1") =>
  world.file(
    "house.yaml",
    `hostname: house.example.org
spool: house/spool.db
pull:
  accounts:
    - name: vps
      provider: ${provider}
      follow: true
      tls: none
      user: home
      password: { file: home.secret }
      domains: [example.org]
      deliver: [{ match: "*", to: "maildir:mail/{local}" }]
  outgoing: { via: vps }
`,
  );

test("the command line is read as sendmail has it", () => {
  const plain = { recipients: [], fromHeader: false, dotEnds: true, notify: [] };
  const cases: readonly (readonly [string, Partial<ReturnType<typeof wishesOf>>])[] = [
    ["bob@b.test", { recipients: ["bob@b.test"] }],
    ["-t -oi", { fromHeader: true, dotEnds: false }],
    ["-ti -fann@a.test", { fromHeader: true, dotEnds: false, sender: "ann@a.test" }],
    [
      "-i -f ann@a.test -FAnn bob@b.test",
      { sender: "ann@a.test", name: "Ann", dotEnds: false, recipients: ["bob@b.test"] },
    ],
    ["-oem -odb -bm -B 8BITMIME -v -q5 bob@b.test".replace(" -q5", ""), { recipients: ["bob@b.test"] }],
    ["-N failure,delay bob@b.test", { notify: ["FAILURE", "DELAY"], recipients: ["bob@b.test"] }],
    ["-- -odd@b.test", { recipients: ["-odd@b.test"] }],
  ];
  for (const [line, wanted] of cases)
    assert.deepEqual(wishesOf(line.split(" ")), { ...plain, ...wanted }, line);
});

test("what it does not do is said", () => {
  assert.throws(() => wishesOf(["-bs"]), /-bs is not for odmr/);
  assert.throws(() => wishesOf(["-q"]), /odmr pull --now/);
  assert.throws(() => wishesOf(["-Z"]), /there is no option -Z/);
  assert.throws(() => wishesOf(["-f"]), /-f wants a value/);
});

for (const { name, words } of programs)
  describe(`${name} sendmail`, () => {
    it("takes mail for home and for the world, without its blind copies", () =>
      inWorld(words, async (world) => {
        const file = await config(world);
        await world.file("home.secret", "open sesame\n");
        const stdin = "To: Bob <bob@world.test>, root\nBcc: eve@world.test\nSubject: x\n\nHi\n.\nyou\n";
        const args = ["-t", "-oi", "-f", "ann@example.org", "-F", "Ann"];
        assert.deepEqual(await given(world, words, { args, stdin }), { status: 0, stdout: "", stderr: "" });
        const list = await world.run(["queue", "list", "--json", "--config", file]);
        const found = list.stdout
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line));
        assert.deepEqual(
          found
            .map(({ direction, sender, recipients }) =>
              [direction, sender, ...recipients.map(({ address }: { address: string }) => address)].join(" "),
            )
            .sort(),
          [
            "local ann@example.org root@example.org",
            "outgoing ann@example.org bob@world.test eve@world.test",
          ],
        );
        const { stdout } = await world.run(["queue", "cat", found[0].id, "--config", file]);
        assert.match(
          stdout,
          /^Received: [\s\S]*\nFrom: "Ann" <ann@example\.org>\r?\nDate: [\s\S]*\nHi\r?\n\.\r?\nyou\r?\n$/,
        );
        assert.doesNotMatch(stdout, /eve@/);
      }));

    it("sends in the name of who runs it, and an action is noted so, whatever the environment says", () =>
      inWorld(words, async (world) => {
        const file = await config(world);
        await world.file("home.secret", "open sesame\n");
        const me = (await run("id", ["-un"])).stdout.trim();
        const [program, ...more] = words;
        for (const USER of ["mallory", ""]) {
          const env = { USER, LOGNAME: USER, HOME: world.folder, ODMR_CONFIG: file };
          const sent = await run(program, [...more, "sendmail", "bob@world.test"], { env, stdin: "Hi\n" });
          assert.deepEqual([sent.status, sent.stderr], [0, ""]);
        }
        const env = { USER: "mallory", LOGNAME: "mallory" };
        await world.run(["queue", "hold", "--all", "--config", file], { env });
        const { stdout } = await world.run(["queue", "list", "--json", "--config", file]);
        const senders = stdout
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line).sender);
        assert.deepEqual(senders, [`${me}@example.org`, `${me}@example.org`]);
        const history = await world.run(["queue", "history", "--json", "--config", file]);
        assert.equal(history.stdout.split(`"what":"held","actor":"cli:${me}"`).length, 3);
      }));

    it("has its mail taken along at once by a daemon that stays on the line", () =>
      inWorld(words, async (world) => {
        const relay = await relayOf(world);
        const served = await world.serve(relay);
        const file = await config(world, served.doors.odmr);
        const daemon = world.start(["pull", "--daemon", "--config", file, "--log", "json"]);
        await served.heard((stderr) => (stderr.includes("turn refused") ? true : undefined));
        const args = ["-f", "ann@example.org", "bob@example.com"];
        assert.equal((await given(world, words, { args, stdin: "Subject: x\n\nHi\n" })).status, 0);
        await daemon.heard((stderr) => (stderr.includes('"event":"delivered"') ? true : undefined));
        const list = await world.run(["queue", "list", "--json", "--config", relay]);
        const { sender, recipients } = JSON.parse(list.stdout);
        assert.deepEqual([sender, recipients[0].address], ["ann@example.org", "bob@example.com"]);
      }));

    it("waits for the next call where no daemon runs, and the report says that it went", () =>
      inWorld(words, async (world) => {
        const { doors } = await world.serve(await relayOf(world));
        const file = await config(world, doors.odmr);
        const args = ["-f", "ann@example.org", "bob@example.com"];
        assert.equal((await given(world, words, { args, stdin: "Subject: x\n\nHi\n" })).status, 0);
        const pulled = await world.run(["pull", "--config", file, "--log-level", "warn"]);
        assert.deepEqual(pulled, { status: 0, stdout: "vps: 1 sent, no mail\n", stderr: "" });
      }));

    it("ends with the statuses of sysexits", () =>
      inWorld(words, async (world) => {
        await config(world);
        await world.file("home.secret", "open sesame\n");
        const of = async (...args: readonly string[]) =>
          (await given(world, words, { args, stdin: "Hi\n" })).status;
        assert.equal(await of("-t"), 64);
        assert.equal(await of("-bs"), 64);
        assert.equal(await of("a b@@c"), 65);
        assert.equal(await of("-C", world.at("none.yaml"), "bob@world.test"), 78);
      }));
  });
