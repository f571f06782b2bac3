import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Child, start } from "../../cmd/demo/child.ts";
import { compare } from "../../cmd/demo/compare.ts";
import { lettersIn } from "../../cmd/demo/letters.ts";
import { send } from "../../cmd/demo/send.ts";
import { dial } from "../../src/net/dial.ts";
import { Talk } from "../../src/net/talk.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { certs } from "../support/certs.ts";
import { houseOf, inWorld, portOf, programs, relayOf, type World } from "../support/program.ts";

const fixtures = fileURLToPath(new URL("../fixtures", import.meta.url));
const SOON = 10_000;

const here = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
const logged = (event: string) => (stderr: string) =>
  stderr.includes(`"event":"${event}"`) ? true : undefined;

async function talkTo(door: string | undefined): Promise<Talk> {
  const talk = new Talk(
    await dial({ host: "127.0.0.1", port: portOf(door), clock: systemClock, within: SOON }),
  );
  await talk.greeting();
  await talk.ask({ verb: "EHLO", name: "world.example" });
  return talk;
}

async function answerTo(talk: Talk, to: string): Promise<number> {
  await talk.ask({ verb: "RSET" });
  await talk.ask({ verb: "MAIL", from: "ann@world.example", parameters: {} });
  return (await talk.ask({ verb: "RCPT", to, parameters: {} })).code;
}

/** The fingerprint of the certificate that a door shows. */
async function shownAt(door: string | undefined): Promise<string | undefined> {
  const tls = { servername: "relay.test", ca: certs().ca };
  const connection = await dial({
    host: "127.0.0.1",
    port: portOf(door),
    tls,
    clock: systemClock,
    within: SOON,
  });
  connection.destroy();
  return connection.tls?.certificate?.fingerprint;
}

/** A customer who turns the line, hears the first command of the mail, and never answers. @returns what it heard */
async function stalledTurn(door: string | undefined): Promise<string> {
  const connection = await dial({ host: "127.0.0.1", port: portOf(door), clock: systemClock, within: SOON });
  const decoder = new TextDecoder();
  let heard = "";
  const until = async (end: RegExp) => {
    while (!end.test(heard)) heard += decoder.decode((await connection.read(SOON)) ?? assert.fail(heard));
    return end.exec(heard)!;
  };
  const say = (line: string) => {
    heard = "";
    return connection.write(new TextEncoder().encode(`${line}\r\n`), SOON);
  };
  await until(/^220 .*\r\n/);
  await say("EHLO house.example.org");
  await until(/^250 .*\r\n/m);
  await say("AUTH CRAM-MD5");
  const [, challenge = ""] = await until(/^334 (\S+)\r\n/);
  const digest = createHmac("md5", "open sesame").update(Buffer.from(challenge, "base64")).digest("hex");
  await say(Buffer.from(`home ${digest}`).toString("base64"));
  await until(/^235 .*\r\n/);
  await say("ATRN example.org,example.com");
  await until(/^250 .*\r\n/);
  await say("220 house.example.org");
  await until(/^EHLO .*\r\n/);
  await say("250 house.example.org");
  const [mail] = await until(/^MAIL .*\r\n/);
  return mail;
}

/** Runs a Python script that gets the words as arguments. */
async function python(world: World, text: string, words: readonly string[]): Promise<Child> {
  const script = await world.file("script.py", text);
  return start(words, { program: ["python3", script], cwd: world.folder });
}

for (const { name, words } of programs)
  describe(`${name} serve`, () => {
    it("ends with 78 and says the line and the column of what is wrong", () =>
      inWorld(words, async (world) => {
        await world.file(
          "odmr.yaml",
          "hostname: relay.example.net\nspool: spool.db\nserve:\n  listen: nowhere\n",
        );
        const { status, stdout, stderr } = await world.run(["serve"]);
        assert.deepEqual({ status, stdout }, { status: 78, stdout: "" });
        assert.match(stderr, /^\.\/odmr\.yaml:4:11: serve\.listen: /);
      }));

    it("ends with 78 without a serve section, and with 69 where another program listens", () =>
      inWorld(words, async (world) => {
        const bare = await world.file("bare.yaml", "hostname: relay.example.net\nspool: spool.db\n");
        const without = await world.run(["serve", "--config", bare]);
        assert.equal(without.status, 78);
        assert.match(without.stderr, /bare\.yaml/);
        const other = createServer();
        await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
        const { port } = other.address() as { port: number };
        const taken = await relayOf(world, { listen: [`{ service: odmr, address: "127.0.0.1:${port}" }`] });
        const { status, stderr } = await world.run(["serve", "--config", taken]);
        assert.equal(status, 69);
        assert.match(stderr, /cannot listen on 127\.0\.0\.1:\d+: another program listens there/);
        const admin = await relayOf(world);
        await world.file("admin.secret", "a token of some length\n");
        const section = `admin: { listen: "127.0.0.1:${port}", token: { file: admin.secret } }\n`;
        await writeFile(admin, section, { flag: "a" });
        const half = await world.run(["serve", "--config", admin]);
        other.close();
        assert.equal(half.status, 69);
        assert.match(half.stderr, /\nodmr: cannot listen on 127\.0\.0\.1:\d+: another program listens there/);
      }));

    it("says where each door is, with the ports that the system chose", () =>
      inWorld(words, async (world) => {
        const listen = [
          '{ service: intake, address: "127.0.0.1:0" }',
          '{ service: odmr, address: "127.0.0.1:0" }',
          '{ service: lmtp, address: "unix:lmtp.sock" }',
        ];
        const relay = await relayOf(world, { listen });
        const { doors, ended, end } = await world.serve(relay, { doors: 3 });
        assert.match(doors.intake ?? "", /^127\.0\.0\.1:[1-9]\d+$/);
        assert.match(doors.odmr ?? "", /^127\.0\.0\.1:[1-9]\d+$/);
        assert.match(doors.lmtp ?? "", /^unix:.*lmtp\.sock$/);
        await end("SIGTERM");
        assert.deepEqual(
          { status: (await ended).status, stdout: (await ended).stdout },
          { status: 0, stdout: "" },
        );
      }));

    it("reads customers and certificate anew at SIGHUP, and drops no session", () =>
      inWorld(words, async (world) => {
        const identity = async (which: "server" | "renewed") => {
          await world.file("relay.crt", certs()[which].certificate);
          await world.file("relay.key", certs()[which].key);
        };
        const facts = {
          tls: "{ certificate: relay.crt, key: relay.key }",
          listen: [
            '{ service: intake, address: "127.0.0.1:0" }',
            '{ service: odmr, address: "127.0.0.1:0", tls: implicit }',
          ],
        };
        await identity("server");
        const relay = await relayOf(world, facts);
        const { doors, pid, heard, end } = await world.serve(relay);
        const before = await talkTo(doors.intake);
        assert.deepEqual(
          [await answerTo(before, "x@example.org"), await answerTo(before, "x@new.example")],
          [250, 550],
        );
        const first = await shownAt(doors.odmr);

        await identity("renewed");
        await relayOf(world, { ...facts, domains: ["example.org", "new.example"] });
        process.kill(pid, "SIGHUP");
        await heard(logged("reloaded"));
        const after = await talkTo(doors.intake);
        assert.equal(await answerTo(after, "x@new.example"), 250);
        assert.equal(await answerTo(before, "x@example.com"), 250);
        assert.notEqual(await shownAt(doors.odmr), first);

        await writeFile(relay, "hostname: [\n");
        process.kill(pid, "SIGHUP");
        await heard(logged("not reloaded"));
        assert.equal(await answerTo(after, "x@new.example"), 250);
        await Promise.all([before.close(), after.close()]);
        assert.equal((await end("SIGTERM")).status, 0);
      }));

    it("knows at SIGHUP which certificates were revoked, and says when that list is out of date", () =>
      inWorld(words, async (world) => {
        const { server, ca, crl, staleCrl, otherCrl } = certs();
        await world.file("relay.crt", server.certificate);
        await world.file("relay.key", server.key);
        await world.file("ca.crt", ca);
        await world.file("ca.crl", staleCrl);
        const relay = await relayOf(world, {
          tls: "{ certificate: relay.crt, key: relay.key, clientCa: ca.crt, clientCrl: ca.crl }",
          listen: ['{ service: odmr, address: "127.0.0.1:0", tls: implicit }'],
        });
        const { pid, heard, end } = await world.serve(relay, { doors: 1 });
        await heard((stderr) => (/is out of date.*"since":"2020-02-01T/.test(stderr) ? true : undefined));
        await world.file("ca.crl", otherCrl);
        process.kill(pid, "SIGHUP");
        await heard((stderr) =>
          /"not reloaded".*tls\.clientCrl: .*signed by no certificate in tls\.clientCa/.test(stderr)
            ? true
            : undefined,
        );
        await world.file("ca.crl", crl);
        process.kill(pid, "SIGHUP");
        await heard(logged("reloaded"));
        assert.equal((await end("SIGTERM")).status, 0);
      }));

    it("ends within ten seconds of SIGTERM with a session and a turn open, and nothing is lost", () =>
      inWorld(words, async (world) => {
        await mkdir(world.at("mail"));
        const relay = await relayOf(world);
        const first = await world.serve(relay);
        const letters = await lettersIn(fixtures);
        const sent = await send(letters, { port: portOf(first.doors.intake), sessions: 2 }, () => {});
        assert.equal(sent.size, letters.length);
        const idle = await talkTo(first.doors.intake);
        assert.match(await stalledTurn(first.doors.odmr), /^MAIL FROM:<letter-/);
        const began = performance.now();
        assert.equal((await first.end("SIGTERM")).status, 0);
        assert.ok(performance.now() - began < 10_000);
        idle.connection.destroy();

        const second = await world.serve(relay);
        const house = await houseOf(world, { vps: { provider: second.doors.odmr! } });
        assert.equal((await world.run(["pull", "--config", house])).status, 0);
        const { lost, changed, doubled, strange } = await compare(world.at("mail"), sent);
        assert.deepEqual(
          { lost, changed, doubled, strange },
          { lost: [], changed: [], doubled: 0, strange: 0 },
        );
      }));

    it("tells the service manager when it is ready, when it reads anew, and when it ends", async (t) => {
      if (!(await here("/usr/bin/systemd-notify"))) return t.skip("there is no systemd-notify");
      await inWorld(words, async (world) => {
        const socket = world.at("notify");
        const manager = await python(world, notifySocket, [socket]);
        const told = (state: string) => manager.printed((text) => (text.includes(state) ? text : undefined));
        try {
          await told("bound");
          const { pid, end } = await world.serve(await relayOf(world), { env: { NOTIFY_SOCKET: socket } });
          await told("READY=1");
          process.kill(pid, "SIGHUP");
          await told("RELOADING=1");
          await manager.printed((text) => text.split("READY=1")[2]);
          await end("SIGTERM");
          await told("STOPPING=1");
        } finally {
          await manager.end("SIGKILL");
        }
      });
    });

    it("takes the sockets that systemd opened, by their names", () =>
      inWorld(words, async (world) => {
        const script = await world.file("passed.py", passedSocket);
        const relay = await relayOf(world, {
          listen: [
            '{ service: odmr, address: "127.0.0.1:0" }',
            '{ service: intake, address: "127.0.0.1:1" }',
          ],
        });
        const { doors, end } = await world.serve(relay, { program: ["python3", script, ...words] });
        assert.equal(doors.intake, await readFile(world.at("passed"), "utf8"));
        const talk = await talkTo(doors.intake);
        assert.equal(await answerTo(talk, "x@example.org"), 250);
        await talk.close();
        assert.equal((await end("SIGTERM")).status, 0);
      }));
  });

const notifySocket = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    print(s.recv(4096).decode(), flush=True)
`;

const passedSocket = `
import os, socket, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(16)
open("passed", "w").write("127.0.0.1:%d" % s.getsockname()[1])
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="intake")
os.execvp(sys.argv[1], sys.argv[1:])
`;
