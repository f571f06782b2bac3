/** Mail that another process puts into the spool: whoever runs on it takes it up by itself. */
// The spool is looked at every second; what would take it up otherwise comes a quarter of a minute later, or in February.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { run } from "../support/processes.ts";
import { houseOf, inWorld, programs, relayOf, type World } from "../support/program.ts";
import { withWorld } from "../support/world.ts";

const { privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});

const LETTER = "From: bob@example.org\nSubject: hello\n\nHi\n";
const SOON = 8_000;

interface Change {
  readonly at: string;
  readonly id: string;
  readonly what: string;
}

/** Milliseconds from a message's arrival to its delivery, of all that were delivered from a spool. */
async function delaysIn(world: World, spool: string): Promise<readonly number[]> {
  const { stdout } = await world.run(["queue", "history", "--json", "--spool", world.at(spool)]);
  const changes = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Change);
  const at = (what: string, id: string) =>
    Date.parse(changes.find((change) => change.what === what && change.id === id)?.at ?? "");
  const gone = changes.filter(({ what }) => what === "delivered");
  return gone.map(({ id }) => at("delivered", id) - at("accepted", id));
}

const heardOf =
  (event: string, times: number) =>
  (stderr: string): true | undefined =>
    stderr.split(`"event":"${event}"`).length > times ? true : undefined;

// One of the programs is enough, and the binary is what operators run; how a spool hears of others is tested on both runtimes.
const { name, words } = programs.at(-1)!;

/** Hands mail in as programs do, on the host of this configuration. */
async function handIn(world: World, config: string, ...args: readonly string[]): Promise<void> {
  const [program, ...more] = words;
  const ended = await run(program, [...more, ...args, ...(args[0] === "queue" ? ["--config", config] : [])], {
    cwd: world.folder,
    stdin: LETTER,
    env: { HOME: world.folder, ODMR_CONFIG: config },
  });
  assert.deepEqual([ended.status, ended.stderr], [0, ""]);
}

const once = {
  skip: "Deno" in globalThis && "the programs are woken by the spool, which is tested here too",
};

describe(`${name} with mail from another process`, once, () => {
  it("takes it up at the relay: to the customer on the line, and out, signed as from submission", () =>
    inWorld(words, (world) =>
      withWorld(async ({ port, letters }) => {
        const plain = await relayOf(world);
        await world.file("dkim.key", privateKey);
        const relay = await world.file(
          "relay.yaml",
          (await readFile(plain, "utf8")).replace("quota: 10GiB", "dkim: { selector: odmr, key: dkim.key }") +
            `  outbound: { smarthost: "smtp://127.0.0.1:${port}", tls: none }\n`,
        );
        const serving = await world.serve(relay);
        const house = await houseOf(world, { vps: { provider: serving.doors.odmr! } });
        const follower = world.start(["pull", "--follow", "--config", house, "--log", "json"]);
        await serving.heard(heardOf("turn refused", 1));
        await handIn(world, relay, "queue", "add", "--from", "eve@world.test", "--to", "ann@example.org");
        await handIn(world, relay, "sendmail", "-f", "bob@example.org", "eve@world.test");
        await follower.printed((said) => (said.includes("1 delivered") ? true : undefined));
        await serving.heard(heardOf("delivered", 2));
        const [[to, text] = ["", ""], ...others] = await letters();
        assert.deepEqual([to, others], ["eve@world.test", []]);
        assert.match(
          text,
          /^Received: [\s\S]*?\r\nDKIM-Signature: v=1; a=rsa-sha256; [\s\S]*d=example\.org;/,
        );
        const delays = await delaysIn(world, "relay/spool.db");
        assert.deepEqual([delays.length, delays.filter((delay) => !(delay < SOON))], [2, []]);
      }),
    ));

  it("takes it up at home: to its target, and the provider is called for what leaves", () =>
    inWorld(words, async (world) => {
      const serving = await world.serve(await relayOf(world));
      const plain = await houseOf(world, { vps: { provider: serving.doors.odmr! } });
      const house = await world.file(
        "house.yaml",
        `${(await readFile(plain, "utf8"))
          .replace("user: home", 'user: home\n      schedule: ["0 0 29 2 *"]')
          .replace("[example.org, example.com]", "[example.org]")}  outgoing: { via: vps }\n`,
      );
      const daemon = world.start(["pull", "--daemon", "--config", house, "--log", "json"]);
      // It calls when it is asked to, and otherwise in February.
      while ((await world.run(["pull", "--now", "--config", house])).status !== 0);
      await handIn(world, house, "queue", "add", "--from", "eve@world.test", "--to", "ann@example.org");
      await handIn(world, house, "sendmail", "-f", "bob@example.org", "eve@example.com");
      await daemon.heard(heardOf("delivered", 2));
      const delays = await delaysIn(world, "house/spool.db");
      assert.deepEqual([delays.length, delays.filter((delay) => !(delay < SOON))], [2, []]);
    }));
});
