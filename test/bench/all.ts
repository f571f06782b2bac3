/** `npm run bench [NAME…]`: one contest or all of them, against dist/odmr, as Markdown. `-- --help` says more. */
// Options are handed on: --rounds N, --binary FILE, --json FILE. Several need root and Debian's postfix; none is a test.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Verdict, values, verdicts } from "./support/compare.ts";

const contests = {
  intake: "durable intake beside Postfix, by size and sessions",
  turn: "the turn beside Postfix, by round trip",
  tls: "intake under STARTTLS, and waits",
  idle: "silent sessions, and the start",
  queue: "a long queue",
  nodes: "one, two and three nodes on PostgreSQL beside the embedded spool",
  growth: "cost by how many are held, and by customers",
} as const;

/** They are for the contest that runs: it ends what it began. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const words = process.argv.slice(2);
const chosen = Object.keys(contests).filter((name) => words.includes(name));
const options = words.filter((word) => !(word in contests));
const folder = mkdtempSync(join(tmpdir(), "odmr-bench-"));
const json = String(values.json ?? join(folder, "bench.json"));

if (words.includes("--help")) {
  for (const [name, what] of Object.entries(contests)) console.log(`${name.padEnd(8)} ${what}`);
  process.exit(0);
}
const machine = `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Bun ${process.versions.bun}`;
console.log(machine);
appendFileSync(json, `${JSON.stringify({ machine })}\n`);
const before = readFileSync(json).length;
const began = performance.now();
let ended = false;
for (const name of chosen.length > 0 ? chosen : Object.keys(contests)) {
  const file = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, [file, ...options, "--json", json], { stdio: "inherit" });
  const hand = (signal: NodeJS.Signals) => {
    ended = true;
    child.kill(signal);
  };
  for (const signal of SIGNALS) process.on(signal, hand);
  const [status] = (await once(child, "close")) as [number | null];
  for (const signal of SIGNALS) process.off(signal, hand);
  if (status !== 0) process.exitCode = 1;
  if (ended) break;
}
verdicts(verdictsIn(json));
console.log(`${machine}; ${Math.round((performance.now() - began) / 60_000)} minutes.`);
rmSync(folder, { recursive: true });

/** Those of this run. */
function verdictsIn(file: string): readonly Verdict[] {
  return readFileSync(file)
    .subarray(before)
    .toString()
    .split("\n")
    .filter((line) => line.startsWith('{"verdict"'))
    .map((line) => (JSON.parse(line) as { verdict: Verdict }).verdict);
}
