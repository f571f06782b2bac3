import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { fromSource } from "../../cmd/demo/child.ts";
import { compare, messagesIn, unfold } from "../../cmd/demo/compare.ts";
import { lettersIn } from "../../cmd/demo/letters.ts";
import { send } from "../../cmd/demo/send.ts";
import { lineDelivery } from "../../src/delivery/line.ts";
import { dial } from "../../src/net/dial.ts";
import { Talk } from "../../src/net/talk.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { corpus } from "../support/mail.ts";
import { houseOf, inWorld, type Program, portOf, programs, relayOf } from "../support/program.ts";

const fixtures = fileURLToPath(new URL("../fixtures", import.meta.url));
const MB = 1_000_000;
const LARGE = 200 * MB;
/** Resident memory at its highest, for each side. Deno starts with 109 MB where Bun has 78, and is for those who run from source. */
const AT_MOST = 150 * MB;
const AT_MOST_ON_DENO = 300 * MB;

/** A message of this many octets, that is never in memory as a whole. */
function* large(octets: number): Generator<Uint8Array> {
  const head = new TextEncoder().encode("Subject: large\r\n\r\n");
  yield head;
  const line = `${"0123456789abcdef".repeat(4)}\r\n`;
  const piece = new TextEncoder().encode(line.repeat(1_000));
  let left = octets - head.length;
  for (; left > piece.length + 2; left -= piece.length) yield piece;
  const rest = new Uint8Array(left).fill(0x78);
  rest.set([0x0d, 0x0a], left - 2);
  yield rest;
}

/** Its digest with LF line ends, as a Maildir has it. */
function digestOf(pieces: Iterable<Uint8Array>): string {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(Buffer.from(piece).toString("latin1").replaceAll("\r\n", "\n"));
  return hash.digest("hex");
}

async function sendLarge(port: number): Promise<void> {
  const talk = new Talk(await dial({ host: "127.0.0.1", port, clock: systemClock, within: 10_000 }));
  await talk.greeting();
  await talk.ask({ verb: "EHLO", name: "world.example" });
  const delivery = lineDelivery(talk, { compatibility: "auto" });
  const [outcome] = await delivery.deliver({
    id: "large",
    envelope: {
      from: "large@world.example",
      recipients: [{ address: "large@example.org", notify: [] }],
      smtputf8: false,
    },
    size: LARGE,
    arrived: 0,
    content: () => large(LARGE),
  });
  assert.equal(outcome?.result, "delivered");
  await delivery.close();
}

/** The octets of a delivered file below its trace fields, digested as they are read. */
async function digestBelowTrace(path: string): Promise<string> {
  const hash = createHash("sha256");
  let first = true;
  for await (const piece of createReadStream(path)) {
    hash.update(first ? unfold(piece as Buffer).message : (piece as Buffer));
    first = false;
  }
  return hash.digest("hex");
}

/** The highest resident memory of a process so far, in octets. */
async function peakOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Follows a process to its end. @returns its highest resident memory */
async function watched(pid: number, ended: Promise<unknown>): Promise<number> {
  let peak = 0;
  const timer = setInterval(async () => {
    peak = Math.max(peak, await peakOf(pid));
  }, 20);
  try {
    await ended;
  } finally {
    clearInterval(timer);
  }
  return peak;
}

const onDeno = ({ words }: Program) => "Deno" in globalThis && words === fromSource;
const skip = process.platform !== "linux" ? "the memory of a process is read from /proc" : false;

for (const program of programs)
  describe(`${program.name} takes little memory`, { skip }, () => {
    it("the corpus and a message of 200 MB pass, and neither side takes more than it may", () =>
      inWorld(program.words, async (world) => {
        const messageSize = "300MiB";
        const relay = await world.serve(await relayOf(world, { messageSize }));
        const real = (await corpus()).map((message) => ({ name: message.name, octets: message.canonical }));
        const letters = real.length > 0 ? real : await lettersIn(fixtures);
        const port = portOf(relay.doors.intake);
        const sent = await send(letters, { port, sessions: 4 }, () => {});
        await sendLarge(port);
        const intake = await peakOf(relay.pid);
        const house = await houseOf(world, { vps: { provider: relay.doors.odmr!, messageSize } });
        const pull = world.start(["pull", "--config", house, "--log-level", "warn"]);
        const home = await watched(pull.pid, pull.ended);
        const turn = await peakOf(relay.pid);
        const ended = await pull.ended;
        assert.equal(ended.status, 0, ended.stderr);

        const files = await messagesIn(world.at("mail"));
        const [file = ""] = files.filter((path) => path.includes("/large/"));
        assert.equal(await digestBelowTrace(file), digestOf(large(LARGE)));
        const { identical, strange } = await compare(world.at("mail"), sent);
        // The large one is none of theirs.
        assert.deepEqual({ identical, strange }, { identical: letters.length, strange: 1 });
        const peaks = { intake, turn, home };
        const most = onDeno(program) ? AT_MOST_ON_DENO : AT_MOST;
        for (const [side, peak] of Object.entries(peaks))
          assert.ok(peak > 0 && peak < most, `${side}: ${JSON.stringify(peaks)}`);
      }));
  });
