import assert from "node:assert/strict";
import { cp, mkdir, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { Ended } from "../../cmd/demo/child.ts";
import { compare } from "../../cmd/demo/compare.ts";
import { lettersIn } from "../../cmd/demo/letters.ts";
import { makePlace } from "../../cmd/demo/place.ts";
import { send } from "../../cmd/demo/send.ts";
import { houseOf, inWorld, portOf, programs, relayOf, type World } from "../support/program.ts";

const fixtures = fileURLToPath(new URL("../fixtures", import.meta.url));

/** What a provider answers to each verb; it hangs up after the last line that is told to. */
type Script = Readonly<Record<string, string>>;

const polite: Script = {
  greeting: "220 relay.example.net",
  EHLO: "250-relay.example.net\r\n250-AUTH CRAM-MD5\r\n250 ATRN",
  AUTH: "334 PDEuMkB4Pg==",
  // The answer to the challenge is one word of base64.
  otherwise: "235 2.7.0 welcome",
  QUIT: "221 2.0.0 bye",
};

/** Runs `use` with a provider that keeps to a script. */
async function withProvider(script: Script, use: (provider: string) => Promise<void>): Promise<void> {
  const server = createServer((socket) => {
    const say = (text: string | undefined) => void socket.write(`${text}\r\n`);
    socket.on("error", () => {});
    say(script.greeting);
    socket.setEncoding("latin1").on("data", (line: string) => {
      const verb = /^[A-Z]{4}\b/.exec(line)?.[0] ?? "";
      say(script[verb] ?? script.otherwise);
      if (verb === "QUIT") socket.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use(`127.0.0.1:${(server.address() as { port: number }).port}`);
  } finally {
    server.close();
  }
}

/** How one call of a provider with this script ends. */
async function calling(world: World, script: Script, tls = "none"): Promise<Ended> {
  let ended: Ended | undefined;
  await withProvider({ ...polite, ...script }, async (provider) => {
    await world.file("home.secret", "open sesame\n");
    ended = await world.run(["pull", "--config", await houseOf(world, { vps: { provider, tls } })]);
  });
  return ended!;
}

/** A port on which nobody listens. */
async function nobody(): Promise<string> {
  let place = "";
  await withProvider(polite, async (provider) => {
    place = provider;
  });
  return place;
}

for (const { name, words } of programs)
  describe(`${name} pull`, () => {
    it("ends with 0 with mail and without, and sums it up in a line", () =>
      inWorld(words, async (world) => {
        const { doors } = await world.serve(await relayOf(world));
        const house = await houseOf(world, { vps: { provider: doors.odmr! } });
        const pull = ["pull", "--config", house, "--log-level", "warn"];
        assert.deepEqual(await world.run(pull), { status: 0, stdout: "vps: no mail\n", stderr: "" });
        const letters = await lettersIn(fixtures);
        const sent = await send(letters, { port: portOf(doors.intake), sessions: 2 }, () => {});
        const { status, stdout, stderr } = await world.run(pull);
        assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
        assert.match(
          stdout,
          new RegExp(`^vps: ${sent.size} messages \\(\\S+\\), ${sent.size} delivered\\n$`),
        );
        const { identical, lost } = await compare(world.at("mail"), sent);
        assert.deepEqual({ identical, lost }, { identical: letters.length, lost: [] });
      }));

    it("prints one object for each account with --json, and nothing else", () =>
      inWorld(words, async (world) => {
        const { doors } = await world.serve(await relayOf(world));
        const house = await houseOf(world, { vps: { provider: doors.odmr! } });
        const { stdout } = await world.run(["pull", "--config", house, "--json"]);
        const nothing = { messages: 0, octets: 0, sent: 0, delivered: 0, deferred: 0, refused: 0, status: 0 };
        assert.deepEqual(JSON.parse(stdout), { account: "vps", result: "no mail", ...nothing });
        assert.match(stdout, /^\{.*\}\n$/);
      }));

    it("ends with 69 where nobody listens, and where a host is no ODMR provider", () =>
      inWorld(words, async (world) => {
        await world.file("home.secret", "open sesame\n");
        const house = await houseOf(world, { vps: { provider: await nobody() } });
        const { status, stdout } = await world.run(["pull", "--config", house]);
        assert.equal(status, 69);
        assert.match(stdout, /^vps: 127\.0\.0\.1:\d+: .*connect/);
        const other = await calling(world, { ATRN: "502 5.5.1 what is that" });
        assert.equal(other.status, 69);
        assert.match(other.stdout, /does not know ATRN/);
      }));

    it("ends with 75 where it is to call again later", () =>
      inWorld(words, async (world) => {
        assert.equal((await calling(world, { greeting: "421 4.3.2 going down" })).status, 75);
        assert.equal((await calling(world, { ATRN: "451 4.3.0 not now" })).status, 75);
      }));

    it("ends with 75 where the provider says nothing for as long as --timeout lets it", () =>
      inWorld(words, async (world) => {
        await world.file("home.secret", "open sesame\n");
        const silent = createServer(() => {});
        await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
        try {
          const provider = `127.0.0.1:${(silent.address() as { port: number }).port}`;
          const house = await houseOf(world, { vps: { provider } });
          const pull = ["pull", "--config", house, "--timeout", "50ms"];
          const { status, stdout } = await world.run(pull);
          assert.deepEqual([status, stdout], [75, `vps: ${provider} did not send anything in time\n`]);
        } finally {
          silent.close();
        }
      }));

    it("ends with 75 without a call where a target cannot take mail", () =>
      inWorld(words, async (world) => {
        const { doors } = await world.serve(await relayOf(world));
        await world.file("file", "in the way\n");
        const to = "maildir:file/{local}";
        const { status, stdout } = await world.run([
          "pull",
          "--config",
          await houseOf(world, { vps: { provider: doors.odmr!, to } }),
        ]);
        assert.equal(status, 75);
        assert.match(stdout, /^vps: no call was made: .*file is no folder/);
      }));

    it("ends with 76 where the provider breaks the protocol, or offers no STARTTLS", () =>
      inWorld(words, async (world) => {
        assert.equal((await calling(world, { ATRN: "503 5.5.1 bad sequence" })).status, 76);
        assert.equal((await calling(world, { EHLO: "this is no reply" })).status, 76);
        const { status, stdout } = await calling(world, {}, "starttls");
        assert.equal(status, 76);
        assert.match(stdout, /offers no STARTTLS/);
      }));

    it("ends with 77 where the login, or a domain, is refused", () =>
      inWorld(words, async (world) => {
        const { doors } = await world.serve(await relayOf(world, { domains: ["example.org"] }));
        await world.file("wrong.secret", "open barley\n");
        const wrong = await houseOf(world, { vps: { provider: doors.odmr!, secret: "wrong.secret" } });
        assert.equal((await world.run(["pull", "--config", wrong])).status, 77);
        const foreign = await houseOf(world, { vps: { provider: doors.odmr! } });
        assert.equal((await world.run(["pull", "--config", foreign])).status, 77);
      }));

    it("ends with 78 and says the line and the column of what is wrong, and with 64 for an account that is not there", () =>
      inWorld(words, async (world) => {
        await world.file("home.secret", "open sesame\n");
        const house = await houseOf(world, { vps: { provider: "relay.example.net" } });
        assert.equal((await world.run(["pull", "--config", house, "vpn"])).status, 64);
        await world.file("odmr.yaml", "hostname: house.example.org\nspool: spool.db\npull:\n  accounts: 3\n");
        const { status, stdout, stderr } = await world.run(["pull"]);
        assert.deepEqual({ status, stdout }, { status: 78, stdout: "" });
        assert.match(stderr, /^\.\/odmr\.yaml:4:13: pull\.accounts: /);
      }));

    it("calls the other accounts where one fails, and ends with the status of the one that did", () =>
      inWorld(words, async (world) => {
        const { doors } = await world.serve(await relayOf(world));
        const letters = (await lettersIn(fixtures)).slice(0, 3);
        await send(letters, { port: portOf(doors.intake), sessions: 1 }, () => {});
        const house = await houseOf(world, {
          down: { provider: await nobody() },
          vps: { provider: doors.odmr! },
        });
        const { status, stdout } = await world.run(["pull", "--config", house]);
        assert.equal(status, 69);
        assert.match(stdout, /^down: .*\nvps: 3 messages \(\S+\), 3 delivered\n$/);
      }));

    it("needs no configuration with an odmr:// address, and takes nothing twice from a relay that was restored", () =>
      inWorld(words, async (world) => {
        const place = await makePlace(world.folder);
        const first = await world.serve(place.relay);
        const letters = await lettersIn(fixtures);
        const sent = await send(letters, { port: place.ports.intake, sessions: 2 }, () => {});
        await first.end("SIGTERM");
        await cp(world.at("relay"), world.at("backup"), { recursive: true });

        const address = `odmr://home@localhost:${place.ports.odmr}/example.org,example.com`;
        const secrets = ["--password-file", "home.secret", "--ca", "relay.crt"];
        const pull = [
          "pull",
          address,
          "--to",
          `maildir:${place.mail}/{domain}/{local}`,
          ...secrets,
          "--json",
        ];
        const second = await world.serve(place.relay);
        const came = JSON.parse((await world.run(pull)).stdout) as { delivered: number };
        assert.equal(came.delivered, letters.length);
        await second.end("SIGTERM");

        await rm(world.at("relay"), { recursive: true });
        await cp(world.at("backup"), world.at("relay"), { recursive: true });
        await world.serve(place.relay);
        const again = await world.run(pull);
        assert.equal(again.status, 0, again.stderr);
        assert.equal((JSON.parse(again.stdout) as { delivered: number }).delivered, 0);
        const count = await world.run([
          "queue",
          "count",
          "--spool",
          world.at("state/odmr/home@localhost.db"),
          "--gone",
        ]);
        assert.equal(count.stdout, `${letters.length}\n`);
        const { identical, doubled } = await compare(place.mail, sent);
        assert.deepEqual({ identical, doubled }, { identical: letters.length, doubled: 0 });
      }));

    it("shows a bar while mail comes in where a terminal is watched, and none in a pipe", () =>
      inWorld(words, async (world) => {
        const { doors } = await world.serve(await relayOf(world));
        const house = await houseOf(world, { vps: { provider: doors.odmr! } });
        const letters = await lettersIn(fixtures);
        await mkdir(world.at("tty"));
        await send(letters, { port: portOf(doors.intake), sessions: 2 }, () => {});
        const terminal = await world.file("terminal.py", onTerminal);
        const pull = ["pull", "--config", house, "--log-level", "warn"];
        const { status, stdout } = await world.run(pull, { program: ["python3", terminal, ...words] });
        assert.equal(status, 0);
        assert.match(stdout, new RegExp(`vps [█░=-]* *.*of ${letters.length} messages, `));
        assert.match(stdout, new RegExp(`vps: ${letters.length} messages `));
      }));
  });

const onTerminal = `
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
`;
