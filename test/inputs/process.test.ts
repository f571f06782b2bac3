/** A relay as a process, under more than anybody should do to it: 10,000 who are silent, and some who are not. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { fromSource } from "../../cmd/demo/child.ts";
import { eventually } from "../support/processes.ts";
import { inWorld, portOf } from "../support/program.ts";

const IDLE = 10_000;
const EACH = 20;
const MB = 1_000_000;
/** Resident memory at its highest, with all of them. */
const AT_MOST = 300 * MB;

const files = Number(spawnSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).stdout);
const skip =
  "Deno" in globalThis
    ? "it is the same program, and Bun is what it runs on in production"
    : process.platform !== "linux"
      ? "addresses of loopback and the memory of a process are Linux's"
      : files < IDLE + 1_000 && `only ${files} files may be open`;

/** Knocks, and hears the first word. */
async function knock(
  port: number,
  from: string,
): Promise<{ readonly socket: Socket; readonly word: string }> {
  const socket = connect({ host: "127.0.0.1", port, localAddress: from }).on("error", () => undefined);
  const [first] = await Promise.race([once(socket, "data"), once(socket, "close").then(() => [""])]);
  socket.pause();
  return { socket, word: String(first).slice(0, 3) };
}

/** Says it until nobody listens any more, or so many octets were said. */
async function flood(
  port: number,
  from: string,
  first: string,
  again: string,
  octets: number,
): Promise<void> {
  const { socket, word } = await knock(port, from);
  assert.equal(word, "220");
  const gone = once(socket.resume(), "close").catch(() => undefined);
  socket.write(first);
  for (let said = 0; said < octets && !socket.destroyed; said += again.length)
    if (!socket.write(again)) await Promise.race([once(socket, "drain").catch(() => undefined), gone]);
  socket.destroy();
}

const peakOf = (pid: number): number =>
  Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;

describe("a relay under siege", { skip }, () => {
  it("holds 10,000 silent sessions and bounded memory, keeps its caps, and serves the next one", () =>
    inWorld(fromSource, async (world) => {
      await world.file("home.secret", "open sesame\n");
      const config = await world.file(
        "relay.yaml",
        `hostname: relay.example.net
spool: relay/spool.db
serve:
  listen: [{ service: intake, address: "127.0.0.1:0", connections: ${IDLE} }, { service: odmr, address: "127.0.0.1:0" }]
  limits: { connections: ${IDLE + 10}, perAddress: ${EACH}, messageSize: 1MiB }
  customers: [{ name: home, domains: [example.org], password: { file: home.secret } }]
`,
      );
      const relay = await world.serve(config);
      const port = portOf(relay.doors.intake);
      const addressOf = (i: number) => `127.1.${Math.floor(i / 250)}.${(i % 250) + 1}`;
      const here: Socket[] = [];
      try {
        // They come while the relay cannot look: all of them wait in the queue of the system.
        process.kill(relay.pid, "SIGSTOP");
        const queued = Array.from({ length: 400 }, (_, i) => knock(port, addressOf(Math.floor(i / EACH))));
        for (let round = 0; round < 100; round++) await setImmediate();
        process.kill(relay.pid, "SIGCONT");
        const words = new Set<string>();
        for (const { socket, word } of await Promise.all(queued)) {
          here.push(socket);
          words.add(word);
        }
        while (here.length < IDLE) {
          const wave = Array.from({ length: 200 }, (_, i) =>
            knock(port, addressOf(Math.floor((here.length + i) / EACH))),
          );
          for (const { socket, word } of await Promise.all(wave)) {
            here.push(socket);
            words.add(word);
          }
        }
        assert.deepEqual([...words], ["220"]);
        const over = await knock(port, "127.2.0.1");
        assert.equal(over.word, "421");
        for (const socket of here.splice(-100)) socket.destroy();
        // It hears of that when it comes to it.
        await eventually(
          async () => {
            const all = await Promise.all(
              Array.from({ length: 50 }, (_, i) => knock(port, addressOf(500 + i))),
            );
            for (const { socket } of all) socket.destroy();
            return all.every(({ word }) => word === "220");
          },
          () => "room where a hundred left",
        );
        const envelope = "EHLO x.test\r\nMAIL FROM:<a@world.test>\r\nRCPT TO:<bob@example.org>\r\n";
        let from = 0;
        const another = () => `127.3.0.${++from}`;
        await Promise.all([
          flood(port, another(), envelope, "RCPT TO:<bob@example.org>\r\n".repeat(1_000), 10 * MB),
          flood(port, another(), "", "x".repeat(65_536), 10 * MB),
          flood(port, another(), `${envelope}DATA\r\n`, "x".repeat(65_536), 10 * MB),
          flood(port, another(), `${envelope}BDAT 1000000\r\n`, "x".repeat(65_536), 10 * MB),
          flood(port, another(), "EHLO x\r\n", "EHLO x\r\n".repeat(1_000), 10 * MB),
        ]);
        const next = await knock(port, another());
        next.socket.destroy();
        const odmr = await knock(portOf(relay.doors.odmr), another());
        odmr.socket.destroy();
        assert.deepEqual([next.word, odmr.word], ["220", "220"]);
        const peak = peakOf(relay.pid);
        assert.ok(peak < AT_MOST, `${Math.round(peak / MB)} MB`);
      } finally {
        for (const socket of here) socket.destroy();
      }
    }));
});
