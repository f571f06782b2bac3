/** A sender hears of a refusal once, whatever is killed between the refusal and the notice. */
// The debt is noted in the commit of the refusal, and paid in the commit of the notice.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { openSpool } from "../../src/spool/open.ts";
import { contentOf, entries } from "../support/post.ts";
import { run } from "../support/processes.ts";
import { inWorld, programs, relayOf, type World } from "../support/program.ts";
import { withWorld } from "../support/world.ts";

const { name, words } = programs.at(-1)!;
const SPOOL = "relay/spool.db";

/** A relay whose way out is the world at this port. */
async function relayTo(world: World, port: number): Promise<string> {
  const plain = await relayOf(world);
  const outbound = `  outbound: { smarthost: "smtp://127.0.0.1:${port}", tls: none }\n`;
  return world.file("relay.yaml", (await readFile(plain, "utf8")) + outbound);
}

const heardOf = (event: string) => (stderr: string) =>
  stderr.includes(`"event":"${event}"`) ? true : undefined;

/** Serves until this is in the log, and is killed at that moment. */
async function serveUntil(world: World, relay: string, event: string): Promise<void> {
  const serving = await world.serve(relay);
  await serving.heard(heardOf(event));
  await serving.end("SIGKILL");
}

/** What the sender is told, and whether more is owed. */
async function told(world: World) {
  const tools = { clock: systemClock, random: systemRandom, log: silent, files: systemFiles };
  const spool = await openSpool({ path: world.at(SPOOL), ...tools, thread: "here" });
  try {
    const notices = (await entries(spool)).filter(({ direction }) => direction === "turn");
    const texts = await Promise.all(notices.map(({ id }) => contentOf(spool, id)));
    return {
      notices: texts.map((text) => /^Final-Recipient: (.*)\r$/m.exec(text)?.[1]),
      owed: (await spool.owed(10)).length,
    };
  } finally {
    await spool.close();
  }
}

const ONCE = { notices: ["rfc822; nobody@world.test"], owed: 0 };

const once = { skip: "Deno" in globalThis && "one death of serve is enough on Deno" };

describe(`a notice that is owed, with ${name}`, () => {
  it("is written once by who comes after one that was killed with the refusal just committed", () =>
    inWorld(words, async (world) => {
      const relay = await relayTo(world, 1);
      await mkdir(dirname(world.at(SPOOL)));
      const refuser = fileURLToPath(new URL("./refuser.ts", import.meta.url));
      const flags = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
      const killed = await run(process.execPath, [...flags, refuser, world.at(SPOOL)]);
      assert.deepEqual([killed.status, killed.stderr], [null, ""]);
      assert.deepEqual(await told(world), { notices: [], owed: 1 });
      await serveUntil(world, relay, "noticed");
      assert.deepEqual(await told(world), ONCE);
      await serveUntil(world, relay, "listening");
      assert.deepEqual(await told(world), ONCE);
    }));

  it(
    "is written once when serve is killed as it hears the refusal, and as it has written the notice",
    once,
    () =>
      inWorld(words, (world) =>
        withWorld(async ({ port }) => {
          const relay = await relayTo(world, port);
          await mkdir(dirname(world.at(SPOOL)));
          const added = await world.run([
            "queue",
            "import",
            "--config",
            relay,
            "--from",
            "bob@example.org",
            "--to",
            "nobody@world.test",
            await world.file("x.eml", "Subject: x\n\nx\n"),
          ]);
          assert.equal(added.status, 0, added.stderr);
          await serveUntil(world, relay, "refused");
          // Killed before the commit, it holds its lease for two minutes; an operator need not wait so long.
          for (const action of ["hold", "release"])
            await world.run(["queue", action, "--direction", "outgoing", "--spool", world.at(SPOOL)]);
          await serveUntil(world, relay, "noticed");
          assert.deepEqual(await told(world), ONCE);
          await serveUntil(world, relay, "listening");
          assert.deepEqual(await told(world), ONCE);
        }),
      ),
  );
});
