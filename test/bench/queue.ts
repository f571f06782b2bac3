/** How fast a long queue is looked at: `bun test/bench/queue.ts [--million] [--rounds N] [--binary PATH]`. Prints a table. */
// The goals stand beside. What a command takes is measured with its start; what the spool takes, in this process.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { systemRandom } from "../../src/platform/random.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { openSpool } from "../../src/spool/open.ts";
import { DAY, post, temporary } from "../spool/support.ts";
import { binary, judge, median, spread } from "./support/compare.ts";

const { values } = parseArgs({
  options: {
    million: { type: "boolean", default: false },
    rounds: { type: "string", default: "5" },
    binary: { type: "string" },
    json: { type: "string" },
    count: { type: "string" },
  },
});
const count = values.million ? 1_000_000 : 100_000;
const rounds = Number(values.rounds);
const CUSTOMERS = 10;

interface Row {
  readonly name: string;
  readonly unit: "ms" | "MB";
  readonly goal: { readonly hundred: number; readonly million: number };
  readonly measure: () => Promise<number>;
}

function odmr(...args: readonly string[]): readonly [string, ...string[]] {
  return [resolve(binary), ...args];
}

/** Runs a command in a pipe, as a shell does. @returns milliseconds, and the lines that came */
async function piped(...args: readonly string[]): Promise<{ readonly ms: number; readonly lines: number }> {
  const began = performance.now();
  const child = spawn("sh", ["-c", '"$@" | wc -l', "sh", ...odmr(...args)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (piece) => {
    said += piece;
  });
  await new Promise((resolve) => child.on("close", resolve));
  return { ms: performance.now() - began, lines: Number(said) };
}

/** The most memory that a command has, in MB. */
async function peakOf(...args: readonly string[]): Promise<number> {
  const [file, ...words] = odmr(...args);
  const child = spawn(file, words, { stdio: "ignore" });
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, memoryOf(child.pid, "VmHWM"));
  }, 20);
  await new Promise((resolve) => child.on("close", resolve));
  clearInterval(watch);
  return peak;
}

/** From /proc: VmRSS now, VmHWM at most, in MB. */
function memoryOf(pid: number | undefined, name: "VmRSS" | "VmHWM"): number {
  try {
    const [, kilobytes = "0"] =
      new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(kilobytes) / 1024;
  } catch {
    return 0;
  }
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await act();
  return performance.now() - began;
}

/** Held mail of ten customers, small as most mail is not: it is the rows that are looked at. */
async function fill(spool: EmbeddedSpool): Promise<void> {
  await spool.records.addHoldRule({ recipient: "*", reason: "bench", actor: "bench" });
  const body = new Uint8Array(1000).fill(120);
  let made = 0;
  const session = async (): Promise<void> => {
    for (let n = made++; n < count; n = made++)
      await post(spool, {
        lane: { direction: "turn", customer: `customer${n % CUSTOMERS}` },
        from: `sender${n % 997}@sender.example`,
        to: [`recipient${n}@domain${n % 50}.example`],
        subject: `message number ${n} of the bench`,
        arrived: Date.now(),
        expires: Date.now() + 30 * DAY,
        body,
      });
  };
  await Promise.all(Array.from({ length: 400 }, session));
}

async function firstOf<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of items) return item;
  return undefined;
}

/** `odmr serve` with nothing to do but hold all this. */
async function idle(folder: string): Promise<number> {
  const config = `${folder}/odmr.yaml`;
  await writeFile(`${folder}/secret`, "x\n", { mode: 0o600 });
  await writeFile(
    config,
    `hostname: relay.example.net\nspool: spool.db\nserve:\n  listen: [{ service: intake, address: "127.0.0.1:0" }]\n` +
      `  customers: [{ name: customer0, domains: [domain0.example], password: { file: secret } }]\n`,
  );
  const [file, ...words] = odmr("serve", "--config", config);
  const child = spawn(file, words, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((resolve) => child.on("close", resolve));
  for await (const line of createInterface(child.stderr)) if (/listening/.test(line)) break;
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const memory = memoryOf(child.pid, "VmRSS");
  child.kill("SIGTERM");
  child.stderr.resume();
  await ended;
  return memory;
}

const folder = temporary();
const path = `${folder.path}/spool.db`;
const spool = await openSpool({
  ...{ path, clock: systemClock, random: systemRandom, log: silent, files: systemFiles, thread: "worker" },
});
console.log(`${count} held messages are made …`);
await fill(spool);

const at = ["--spool", path];
const rows: readonly Row[] = [
  {
    ...{ name: "list all as JSON", unit: "ms", goal: { hundred: 500, million: 5000 } },
    measure: async () => {
      const { ms, lines } = await piped("queue", "list", "--json", ...at);
      if (lines < count - 1000) throw new Error(`only ${lines} lines`);
      return ms;
    },
  },
  {
    ...{ name: "start of queue list", unit: "ms", goal: { hundred: 150, million: 200 } },
    measure: async () => (await piped("queue", "list", "--limit", "1", ...at)).ms,
  },
  {
    ...{ name: "first page", unit: "ms", goal: { hundred: 20, million: 20 } },
    measure: () => timed(() => Array.fromAsync(spool.list({ limit: 50 }))),
  },
  {
    ...{ name: "first page, one customer", unit: "ms", goal: { hundred: 20, million: 20 } },
    measure: () => timed(() => Array.fromAsync(spool.list({ customer: "customer3", limit: 50 }))),
  },
  {
    ...{ name: "first page, newest first", unit: "ms", goal: { hundred: 20, million: 20 } },
    measure: () => timed(() => Array.fromAsync(spool.list({ sort: "newest", limit: 50 }))),
  },
  {
    ...{ name: "count per customer", unit: "ms", goal: { hundred: 20, million: 20 } },
    measure: () => timed(() => spool.count({ customer: "customer3" })),
  },
  {
    ...{ name: "delete one", unit: "ms", goal: { hundred: 10, million: 10 } },
    measure: async () => {
      const id = (await firstOf(spool.list({ limit: 1 })))?.id ?? "";
      return await timed(() =>
        Array.fromAsync(spool.act({ type: "remove" }, { ids: [id] }, { name: "bench", reason: "" })),
      );
    },
  },
];

const measured = new Map<Row, number[]>(rows.map((row) => [row, []]));
for (const row of rows) await row.measure();
for (let round = 0; round < rounds; round++)
  for (const [row, found] of measured) found.push(await row.measure());
const peak = await peakOf("queue", "list", "--json", ...at);
await spool.close();
const memory = await idle(folder.path);

console.log(`\n${"".padEnd(26)}${"goal".padStart(8)}     median (range)`);
for (const [{ name, goal, unit }, found] of measured)
  tell(name, values.million ? goal.million : goal.hundred, found, unit);
tell("memory, odmr serve idle", values.million ? 100 : 80, [memory], "MB");
tell("memory, while listing", 150, [peak], "MB");
folder.remove();

function tell(name: string, goal: number, found: readonly number[], unit: string): void {
  const over = median(found) > goal ? "  over its goal" : "";
  judge({ what: `queue of ${count.toLocaleString("en")}, ${name}`, most: goal, unit, found });
  console.log(`${name.padEnd(26)}${`< ${goal}`.padStart(8)} ${unit}  ${spread(found)}${over}`);
}
