import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { describe, it } from "node:test";
import { fromSource } from "../../cmd/demo/child.ts";
import { lineDelivery } from "../../src/delivery/line.ts";
import { dial } from "../../src/net/dial.ts";
import { Talk } from "../../src/net/talk.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { eventually, run, withServers } from "../support/processes.ts";
import { inWorld, type Program, portOf, relayOf } from "../support/program.ts";

/** The program as a shell starts it, after `first`. */
const after = (first: string): Program["words"] => ["sh", "-c", `${first}; exec "$@"`, "sh", ...fromSource];

/** Hands one message of so many octets in. @returns the answer's code */
async function send(door: string | undefined, octets: number): Promise<number | undefined> {
  const talk = new Talk(
    await dial({ host: "127.0.0.1", port: portOf(door), clock: systemClock, within: 20_000 }),
  );
  await talk.greeting();
  await talk.ask({ verb: "EHLO", name: "world.test" });
  const delivery = lineDelivery(talk, { compatibility: "auto" });
  const bytes = new TextEncoder().encode(`Subject: x\r\n\r\n${"x".repeat(octets)}\r\n`);
  const [outcome] = await delivery.deliver({
    id: "",
    envelope: {
      from: "a@world.test",
      smtputf8: false,
      recipients: [{ address: "bob@example.org", notify: [] }],
    },
    size: bytes.length,
    arrived: 0,
    content: () => [bytes],
  });
  await delivery.close();
  return outcome?.reply.code;
}

/** Some containers have a root who may not mount. */
function withMounts(): { readonly skip: string | false } {
  const { skip } = withServers("unshare", "nsenter", "mount");
  if (skip !== false) return { skip };
  const { status } = spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "none", "/mnt"]);
  return { skip: status !== 0 && "nothing may be mounted here" };
}

describe("a relay without room", () => {
  it("on its disk says 452 and loses nothing, and takes mail again when there is room", withMounts(), () =>
    inWorld(["sh"], async (world) => {
      const folder = world.at("relay");
      const disk = `mkdir -p ${folder} && mount -t tmpfs -o size=8m none ${folder}`;
      const words = ["unshare", "-m", ...after(disk)] as const;
      await inWorld(words, async (full) => {
        await relayOf(world);
        const serving = await full.serve(world.at("relay.yaml"));
        const inside = (command: string) =>
          run("nsenter", ["-t", String(serving.pid), "-m", "sh", "-c", command]);
        assert.equal(await send(serving.doors.intake, 1_000), 250);
        assert.equal(await send(serving.doors.intake, 300_000), 250);
        await inside(`dd if=/dev/zero of=${folder}/filler bs=64k 2>/dev/null`);
        assert.equal(await send(serving.doors.intake, 300_000), 452);
        await inside(`rm ${folder}/filler`);
        assert.equal(await send(serving.doors.intake, 300_000), 250);
        const listed = await inside(`${fromSource.join(" ")} queue count --spool ${folder}/spool.db`);
        assert.match(listed.stdout, /3/);
        const verified = await inside(`${fromSource.join(" ")} queue verify --spool ${folder}/spool.db`);
        assert.equal(verified.status, 0, verified.stdout + verified.stderr);
      });
    }),
  );

  it("for more connections goes on, and serves the next one when some have left", withServers("sh"), () =>
    inWorld(after("ulimit -n 64"), async (world) => {
      const serving = await world.serve(await relayOf(world));
      const sockets: Socket[] = [];
      for (let i = 0; i < 120; i++) {
        const from = { localAddress: `127.0.0.${2 + (i % 10)}` };
        const socket = connect({ host: "127.0.0.1", port: portOf(serving.doors.intake), ...from });
        socket.on("error", () => {});
        sockets.push(socket);
      }
      const open = () => readdirSync(`/proc/${serving.pid}/fd`).length;
      await eventually(
        () => open() >= 63,
        () => `only ${open()} descriptors are open`,
      );
      for (const socket of sockets) socket.destroy();
      const served = () => send(serving.doors.intake, 1_000).catch(() => undefined);
      await eventually(
        async () => (await served()) === 250,
        () => "nobody is served any more",
      );
    }),
  );
});

describe("a relay whose disk is read-only", () => {
  it("does not start, says which spool it cannot write, and loses nothing", withMounts(), () =>
    inWorld(fromSource, async (world) => {
      const spool = world.at("relay/spool.db");
      const config = await relayOf(world);
      const serving = await world.serve(config);
      assert.equal(await send(serving.doors.intake, 1_000), 250);
      await serving.end("SIGTERM");
      const folder = world.at("relay");
      const readOnly = `mount --bind ${folder} ${folder} && mount -o remount,bind,ro ${folder}`;
      await inWorld(["unshare", "-m", ...after(readOnly)], async (locked) => {
        const { status, stderr } = await locked.run(["serve", "--config", config]);
        assert.equal(status, 74);
        assert.match(stderr, /^odmr: the spool \S+\/relay\/spool\.db cannot be opened: .*to write$/m);
      });
      const listed = await world.run(["queue", "count", "--spool", spool]);
      assert.match(listed.stdout, /1/);
      const verified = await world.run(["queue", "verify", "--spool", spool]);
      assert.equal(verified.status, 0, verified.stdout + verified.stderr);
    }),
  );
});
