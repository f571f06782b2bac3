#!/usr/bin/env node
// Starts, tests and builds the project on a machine that has Node and npm and nothing else.
// Bun and Deno come as npm packages; where their install scripts were not allowed to run, their binaries are there all the same.

import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
} from "node:fs";
import { constants, freemem, tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const reports = join(root, "reports");

/** Tests that Deno cannot run, and why. */
const notOnDeno = {};

/** Milliseconds; a test that fails so has hung: both runtimes share the machine with the servers that they talk to. */
const TEST_TIMEOUT = 120_000;

/** Octets; more than all tests together have in memory at once. */
const ROOM = 2 ** 31;

const jobs = {
  start: (args) => run(runtime("bun"), ["cmd/demo.ts", ...args]),
  bun: (args) => run(runtime("bun"), args),
  deno: (args) => run(runtime("deno"), args),
  test,
};

process.chdir(root);
install();
const [job = "", ...args] = process.argv.slice(2);
if (!Object.hasOwn(jobs, job)) fail(`what is "${job}"? There are ${Object.keys(jobs).join(", ")}.`);
process.exitCode = await jobs[job](args);

/** What package-lock.json asks for, unless it is there. A linked node_modules is somebody else's: npm ci would empty it. */
function install() {
  const modules = join(root, "node_modules");
  if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  const installed = join(modules, ".package-lock.json");
  const lock = join(root, "package-lock.json");
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  const { status } = spawnSync("npm", ["ci"], {
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (status !== 0) fail("npm ci failed; see above");
}

/** The binary of a runtime: where its install script puts it, or where npm did. */
function runtime(name) {
  const modules = join(root, "node_modules");
  const places = {
    bun: [join("bun", "bin", "bun.exe"), ...platforms("@oven", join("bin", "bun"))],
    deno: [join("deno", "deno"), ...platforms("@deno", "deno")],
  };
  const found = places[name]
    .flatMap((place) => [join(modules, place), join(modules, `${place}.exe`)])
    .find((file) => spawnSync(file, ["--version"], { stdio: "ignore" }).status === 0);
  return (
    found ?? fail(`there is no ${name} for ${process.platform} ${process.arch} in node_modules; run npm ci`)
  );
}

function platforms(scope, file) {
  const folder = join(root, "node_modules", scope);
  return existsSync(folder) ? readdirSync(folder).map((name) => join(scope, name, file)) : [];
}

/** Every test on both runtimes at once (most of a test is waiting), in a temporary folder of its own; words narrow it to the files whose path has one of them. */
async function test(words) {
  const files = testFiles("test").filter(
    (file) => words.length === 0 || words.some((word) => file.includes(word)),
  );
  rmSync(reports, { recursive: true, force: true });
  mkdirSync(reports);
  const temporary = mkdtempSync(join(tmpdir(), "odmr-test-"));
  const quick = quickFolder();
  const env = { ...process.env, TMPDIR: temporary, ...(quick && { ODMR_QUICK_FOLDER: quick }) };
  try {
    const sums = await Promise.all([
      report("bun", { env, log: undefined }, (xml) => [
        ...["test", "--timeout", String(TEST_TIMEOUT), "--reporter=junit", "--reporter-outfile", xml],
        ...files.map((file) => `./${file}`),
      ]),
      report("deno", { env, log: join(reports, "deno.log") }, (xml) => [
        ...["test", "-A", "--no-check", "--junit-path", xml],
        ...files.filter((file) => !Object.hasOwn(notOnDeno, file)),
      ]),
    ]);
    return verdict(sums);
  } finally {
    for (const folder of [temporary, quick ?? temporary]) rmSync(folder, { recursive: true, force: true });
  }
}

/** A folder in memory for what tries no disk (test/support/quick.ts), which servers under users of their own can pass; or none. */
function quickFolder() {
  const memory = "/dev/shm";
  if (!existsSync(memory)) return undefined;
  const { bavail, bsize } = statfsSync(memory);
  if (bavail * bsize < ROOM || freemem() < 2 * ROOM) return undefined;
  const folder = mkdtempSync(join(memory, "odmr-"));
  chmodSync(folder, 0o711);
  return folder;
}

function testFiles(folder) {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, name))
    .filter((name) => name.endsWith(".test.ts"))
    .sort();
}

/** Runs the tests on one runtime and counts what its report says. What it prints to a log is shown when it has ended. */
async function report(name, { env, log }, argsFor) {
  const xml = join(reports, `${name}.xml`);
  const out = log === undefined ? undefined : openSync(log, "w");
  const status = await run(runtime(name), argsFor(relative(root, xml)), { env, out });
  if (log !== undefined) {
    closeSync(out);
    process.stdout.write(readFileSync(log));
  }
  const sum = existsSync(xml) ? count(readFileSync(xml, "utf8")) : { passed: 0, failed: 0, skipped: 0 };
  // A file that cannot be loaded fails the run without being a test in the report.
  if (status !== 0 && sum.failed === 0) sum.failed = 1;
  console.log(`${name}: ${inWords(sum)}`);
  return sum;
}

/** Counts the test cases of a JUnit report. Deno lists a suite as a case too, beside its own, which bear its name. */
function count(xml) {
  const cases = [...xml.matchAll(/<testcase name="([^"]*)"(?:[^>"]|"[^"]*")*?(?:\/>|>(.*?)<\/testcase>)/gs)];
  const suites = new Set(cases.flatMap(([, name]) => outer(name)));
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const [, name, body = ""] of cases) {
    if (suites.has(name)) continue;
    const state = /<(failure|error)\b/.test(body) ? "failed" : /<skipped\b/.test(body) ? "skipped" : "passed";
    sum[state] += 1;
  }
  return sum;
}

/** `a > b > c` is in `a > b`, which is in `a`. */
function outer(name) {
  const words = name.split(" &gt; ");
  return words.slice(1).map((_, i) => words.slice(0, i + 1).join(" &gt; "));
}

function verdict(sums) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const sum of sums) for (const state of Object.keys(total)) total[state] += sum[state];
  console.log(inWords(total));
  return total.failed > 0 || sums.some(({ passed }) => passed === 0) ? 1 : 0;
}

function inWords({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/** Runs a program to its end, handing signals on; resolves to its exit status. */
function run(file, args, { env = process.env, out = "inherit" } = {}) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: root, stdio: ["inherit", out, out], env });
    const pass = (signal) => child.kill(signal);
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
    for (const signal of signals) process.on(signal, pass);
    child.on("error", ({ message }) => fail(message));
    child.on("close", (status, signal) => {
      for (const each of signals) process.off(each, pass);
      resolve(status ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

function fail(why) {
  console.error(why);
  process.exit(1);
}
