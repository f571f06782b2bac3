/** The package as npm makes it: npx and bunx run the program from it, and every runtime reads the library. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import manifest from "../../package.json" with { type: "json" };
import { binaryOf, modules } from "../support/binaries.ts";
import { inFolder } from "../support/cli.ts";
import { type RunOptions, run } from "../support/processes.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Runs a program that must succeed; what it said. */
async function well(file: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { status, stdout, stderr } = await run(file, args, options);
  assert.equal(status, 0, `${file} ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

/** As after `npm install odmr`: the package from its tarball, and beside it what it depends on. */
async function install(folder: string): Promise<void> {
  await well("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: root });
  const tarball = (await readdir(folder)).find((name) => name.endsWith(".tgz")) ?? "none";
  const home = join(folder, "node_modules", "odmr");
  await mkdir(home, { recursive: true });
  await well("tar", ["-xzf", tarball, "--strip-components=1", "-C", home], { cwd: folder });
  await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  for (const name of await needed()) await link(join(modules, name), join(folder, "node_modules", name));
  await link(join(home, manifest.bin.odmr), join(folder, "node_modules", ".bin", "odmr"));
  await well("chmod", ["755", join(home, manifest.bin.odmr)], {});
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
}

/** All that npm would install with it on this machine, at the top. */
async function needed(): Promise<readonly string[]> {
  const { packages } = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")) as Lock;
  return Object.entries(packages)
    .filter(([path, { dev }]) => /^node_modules\/(?!.*node_modules\/)/.test(path) && !dev)
    .map(([path]) => path.slice("node_modules/".length));
}

async function link(to: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await symlink(to, path);
}

/** A program that uses every entry point, the spool in a thread of its own too. */
const user = (thread: "here" | "worker" | "none") => `
import { adminApp } from "odmr/admin";
import { composeNotice } from "odmr/mail";
import { silent, systemClock as clock, systemRandom as random } from "odmr/platform";
import { clientSession } from "odmr/smtp";
import { openSpool, systemFiles as files, verify } from "odmr/spool";
import { parseAddress } from "odmr/wire";

const machine = { clock, random, log: silent };
const said = [parseAddress("Bob@EXAMPLE.org"), clientSession().outstanding, typeof composeNotice];
${
  thread !== "none"
    ? `const spool = await openSpool({ ...machine, path: "./spool-${thread}.db", files, thread: "${thread}" });
const app = adminApp({
  ...machine,
  spool,
  customers: () => [],
  intake: () => ({ hostname: "relay.test", messageSize: 1e6, postings: () => "none" }),
  verify: (watch) => verify(spool, watch),
  tokens: [{ token: "secret", scope: "full", name: "admin" }],
  hosts: ["localhost"],
});
for (const path of ["/healthz", "/assets/dashboard.css"]) said.push((await app.request("http://localhost" + path)).status);
await spool.close();`
    : "said.push(typeof openSpool, typeof adminApp, typeof verify, typeof files);"
}
console.log(JSON.stringify(said));
`;
const withSpool = '["Bob@example.org",1,"function",200,200]\n';
const without = '["Bob@example.org",1,"function","function","function","function","object"]\n';

describe("the package for npm", {
  skip: "Deno" in globalThis && "it is made once, and tried with Node, Bun and Deno then",
}, () => {
  // The compiler makes it first; on a busy machine that takes its time.
  it(
    "runs by npx and bunx, and is a library on Node, Bun and Deno, with its types",
    { timeout: 180_000 },
    () =>
      inFolder(async (folder) => {
        await install(folder);
        await Promise.all([programRuns(folder), libraryRuns(folder)]);
      }),
  );
});

async function programRuns(folder: string): Promise<void> {
  const here = { cwd: folder };
  const version = `odmr ${manifest.version}\n`;
  const program = join(folder, "node_modules/.bin/odmr");
  assert.equal(await well("npx", ["--offline", "odmr", "--version"], here), version);
  assert.equal(await well(binaryOf("bun"), ["x", "--no-install", "odmr", "--version"], here), version);
  assert.equal(await well(binaryOf("deno"), ["run", "-A", program, "--version"], here), version);
  assert.equal((await run(program, ["frobnicate"], here)).status, 64);
  assert.deepEqual(await served(program, folder), { status: 0, listened: true });
}

async function libraryRuns(folder: string): Promise<void> {
  const here = { cwd: folder };
  for (const thread of ["here", "worker"] as const)
    await writeFile(join(folder, `${thread}.ts`), user(thread));
  await writeFile(join(folder, "none.mjs"), user("none"));
  assert.equal(await well("node", ["none.mjs"], here), without);
  assert.equal(await well(binaryOf("bun"), ["worker.ts"], here), withSpool);
  assert.equal(await well(binaryOf("deno"), ["run", "-A", "here.ts"], here), withSpool);
  const options = { module: "nodenext", target: "esnext", lib: ["esnext", "dom"], types: [] };
  const compilerOptions = { ...options, strict: true, exactOptionalPropertyTypes: true, noEmit: true };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["here.ts"] }));
  assert.equal(await well("node", [join(modules, "typescript/bin/tsc"), "-p", "."], here), "");
}

/** A relay under the launcher: it comes up, with its spool's thread, and a SIGTERM to the launcher is one to it. */
async function served(program: string, folder: string): Promise<{ status: number; listened: boolean }> {
  const config = {
    hostname: "relay.test",
    spool: "./relay.db",
    serve: { listen: [{ service: "odmr", address: "127.0.0.1:0", tls: "none" }], customers: [] },
  };
  await writeFile(join(folder, "relay.yaml"), JSON.stringify(config));
  const child = spawn(program, ["serve", "--config", "relay.yaml", "--log", "json"], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    if (!log.includes('"listening"') && (log + text).includes('"listening"')) child.kill("SIGTERM");
    log += text;
  });
  const [status] = (await once(child, "close")) as [number];
  return { status, listened: log.includes('"listening"') };
}
