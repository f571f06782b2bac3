import assert from "node:assert/strict";
import { appendFile, chmod, readFile, stat } from "node:fs/promises";
import { connect } from "node:net";
import { describe, it } from "node:test";
import type { Child } from "../../cmd/demo/child.ts";
import { compare } from "../../cmd/demo/compare.ts";
import type { Letter } from "../../cmd/demo/letters.ts";
import { send } from "../../cmd/demo/send.ts";
import { freePort } from "../support/processes.ts";
import { inWorld, portOf, programs, relayOf, type World } from "../support/program.ts";
import { hearsUsr1 } from "../support/runtime.ts";

const letters = (count: number, from = 0): readonly Letter[] =>
  Array.from({ length: count }, (_, i) => ({
    name: `letter ${from + i}`,
    octets: new TextEncoder().encode(`Subject: ${from + i}\r\n\r\nText.\r\n`),
  }));

const post = (port: number, all = letters(1)) => send(all, { port, sessions: 1 }, () => {});

/** The house's configuration: each account is lines of YAML behind what all have. */
const house = (
  world: World,
  accounts: Readonly<Record<string, readonly [door: string, ...lines: string[]]>>,
) =>
  world.file(
    "house.yaml",
    `hostname: house.example.org\nspool: house/spool.db\npull:\n  accounts:\n${Object.entries(accounts)
      .map(
        ([name, [door, ...lines]]) =>
          `    - name: ${name}\n      provider: ${door}\n      tls: none\n      user: home\n` +
          `      password: { file: home.secret }\n      domains: [example.org, example.com]\n` +
          `      deliver: [{ match: "*", to: "maildir:mail/{domain}/{local}" }]\n${lines
            .map((line) => `      ${line}\n`)
            .join("")}`,
      )
      .join("")}`,
  );

const daemonOf = (world: World): Child =>
  world.start(["pull", "--daemon", "--config", "house.yaml", "--log", "json"]);
const logged =
  (event: string, times = 1) =>
  (stderr: string) =>
    stderr.split(`"event":"${event}"`).length > times ? true : undefined;
const now = (world: World, ...more: readonly string[]) =>
  world.run(["pull", "--now", "--config", "house.yaml", ...more]);

for (const { name, words } of programs)
  describe(`${name} pull --daemon`, () => {
    it("takes mail the moment it comes where it follows, tells who asks, and ends with 0 when told to", () =>
      inWorld(words, async (world) => {
        const { doors } = await world.serve(await relayOf(world));
        await house(world, { vps: [doors.odmr!, "follow: true"] });
        const daemon = daemonOf(world);
        await daemon.heard(logged("following"));
        const sent = await post(portOf(doors.intake));
        await daemon.heard(logged("called"));
        assert.deepEqual((await compare(world.at("mail"), sent)).lost, []);
        assert.deepEqual(await now(world, "vps"), { status: 0, stdout: "vps: no mail\n", stderr: "" });
        assert.equal((await stat(world.at("house/spool.db.control"))).mode & 0o777, 0o600);
        const begun = Date.now();
        assert.equal((await daemon.end("SIGTERM")).status, 0);
        assert.ok(Date.now() - begun < 9_000);
      }));

    it("answers --now as a call does: mail, a provider that is not there, an account that it does not have", () =>
      inWorld(words, async (world) => {
        const { doors } = await world.serve(await relayOf(world));
        await house(world, {
          vps: [doors.odmr!, 'schedule: ["0 0 29 2 *"]', "timezone: Europe/Berlin"],
          gone: [`127.0.0.1:${await freePort()}`, 'schedule: ["0 0 29 2 *"]'],
        });
        const none = await now(world);
        assert.equal(none.status, 69);
        assert.match(none.stderr, /^odmr: no odmr pull --daemon runs on this spool \(\S+\); start it/);
        const daemon = daemonOf(world);
        await post(portOf(doors.intake), letters(3));
        await eventually(async () => (await now(world, "vps")).stdout !== "");
        await post(portOf(doors.intake), letters(2));
        const mail = await now(world, "vps", "--json");
        const { account, result, messages, delivered, status } = JSON.parse(mail.stdout);
        assert.deepEqual([account, result, messages, delivered, status], ["vps", "mail", 2, 2, 0]);
        const gone = await now(world, "gone");
        assert.equal(gone.status, 69);
        assert.match(gone.stdout, /^gone: 127\.0\.0\.1:\d+: /);
        await daemon.end("SIGTERM");
      }));

    it(
      "calls at once at SIGUSR1, for those who have no more than its process id",
      {
        skip: !hearsUsr1 && "Deno opens its debugger at SIGUSR1",
      },
      () =>
        inWorld(words, async (world) => {
          const { doors } = await world.serve(await relayOf(world));
          await house(world, { vps: [doors.odmr!, 'schedule: ["0 0 29 2 *"]'] });
          const daemon = daemonOf(world);
          await eventually(async () => (await now(world)).status === 0);
          const sent = await post(portOf(doors.intake), letters(2));
          assert.equal((await compare(world.at("mail"), sent)).lost.length, 2);
          process.kill(daemon.pid, "SIGUSR1");
          await daemon.heard(logged("called", 2));
          assert.deepEqual((await compare(world.at("mail"), sent)).lost, []);
          assert.equal((await daemon.end("SIGTERM")).status, 0);
        }),
    );

    it("reads its configuration anew at SIGHUP, and runs what is to be run after a call", () =>
      inWorld(words, async (world) => {
        const { doors } = await world.serve(await relayOf(world));
        const never = 'schedule: ["0 0 29 2 *"]';
        await house(world, { vps: [doors.odmr!, never] });
        const daemon = daemonOf(world);
        await eventually(async () => (await now(world)).status === 0);
        const hook = await world.file(
          "hook",
          `#!/bin/sh\necho "$ODMR_ACCOUNT $ODMR_RESULT $ODMR_MESSAGES" >> ${world.at("said")}\n`,
        );
        await chmod(hook, 0o700);
        await house(world, {
          vps: [doors.odmr!, never, `after: ["${hook}"]`],
          bad: [doors.odmr!, never, 'after: ["/bin/false"]'],
        });
        process.kill(daemon.pid, "SIGHUP");
        await daemon.heard(logged("reloaded"));
        await post(portOf(doors.intake));
        assert.equal((await now(world)).stdout.split("\n").length, 3);
        assert.match(await readFile(world.at("said"), "utf8"), /^vps (mail 1|no mail 0)\n$/);
        await daemon.heard(logged("hook failed"));
        await world.file("house.yaml", "nonsense: true\n");
        process.kill(daemon.pid, "SIGHUP");
        await daemon.heard(logged("not reloaded"));
        assert.equal((await daemon.end("SIGTERM")).status, 0);
      }));

    it("moves the door for mail of the house at SIGHUP, and lets those finish who came in by the old one", () =>
      inWorld(words, async (world) => {
        const { doors } = await world.serve(await relayOf(world));
        const never = 'schedule: ["0 0 29 2 *"]';
        const write = async (listen: string, from = "") => {
          const file = await house(world, { vps: [doors.odmr!, never] });
          await appendFile(file, `  outgoing: { listen: "${listen}", via: vps${from} }\n`);
        };
        await write("127.0.0.1:0");
        const daemon = daemonOf(world);
        const places = (stderr: string) =>
          [...stderr.matchAll(/"event":"listening".*?"address":"([^"]+)"/g)].map(([, place]) => place!);
        const opened = (count: number) => daemon.heard((stderr) => places(stderr)[count - 1]);
        const old = await opened(1);
        const first = await talkTo(old);
        await write("127.0.0.2:0");
        process.kill(daemon.pid, "SIGHUP");
        const place = await opened(2);
        assert.match(place, /^127\.0\.0\.2:/);
        await assert.rejects(talkTo(old));
        assert.match(await first.says("MAIL FROM:<a@example.org>"), /^250 /);

        // Only what it lets through changes: the door stays where it is.
        await write("127.0.0.2:0", ', from: ["b@example.org"]');
        process.kill(daemon.pid, "SIGHUP");
        await daemon.heard(logged("reloaded", 2));
        const second = await talkTo(place);
        assert.match(await second.says("MAIL FROM:<a@example.org>"), /^5/);

        // A place that is taken: nothing changes.
        await write(doors.odmr!);
        process.kill(daemon.pid, "SIGHUP");
        await daemon.heard(logged("not reloaded"));
        const third = await talkTo(await opened(3));
        for (const each of [first, second, third]) assert.match(await each.says("QUIT"), /^221 /);
        assert.equal((await daemon.end("SIGTERM")).status, 0);
      }));
  });

/** A talk with the door of the house, greeted. @throws where nobody listens */
async function talkTo(place: string): Promise<{ says(line: string): Promise<string> }> {
  const [, host = "", port = ""] = /^(.*):(\d+)$/.exec(place) ?? [];
  const socket = connect(Number(port), host);
  const answers = socket.setEncoding("latin1")[Symbol.asyncIterator]() as AsyncIterator<string>;
  const next = async () => (await answers.next()).value as string;
  const says = (line: string) => {
    socket.write(`${line}\r\n`);
    return next();
  };
  assert.match(await next(), /^220 /);
  assert.match(await says("HELO mta.test"), /^250 /);
  return { says };
}

/** Asks again and again: a program takes a moment to begin. */
async function eventually(fits: () => Promise<boolean>): Promise<void> {
  while (!(await fits()));
}
