#!/usr/bin/env node
/** The program as npm installs it: Bun and Deno run it themselves; Node hands it to the Bun that is installed beside it. */
// Under Node nothing of the project is loaded: it has neither the Worker nor, before 22.13, the SQLite that odmr wants.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const UNAVAILABLE = 69;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs the program on another runtime, handing signals on. @returns its exit status */
function hand(runtime: string, args: readonly string[]): Promise<number> {
  const program = fileURLToPath(new URL(import.meta.url.replace(/npx(\.[jt]s)$/, "odmr$1")));
  return new Promise((resolve) => {
    const env = { MIMALLOC_PURGE_DELAY: "-1", ...process.env }; // as the units of systemd set it
    const child = spawn(runtime, [program, ...args], { stdio: "inherit", env });
    for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
    child.on("error", ({ message }) => resolve(fail(message)));
    child.on("close", (status, signal) => resolve(status ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}

/** The first Bun that starts: where npm put one for this kind of machine, else the user's own. */
function findBun(): string | undefined {
  return [...installed(), "bun"].find(
    (file) => spawnSync(file, ["--version"], { stdio: "ignore" }).status === 0,
  );
}

/** Where its install script puts it; where npm did, if that was not allowed to run: some builds do not start on each machine. */
function installed(): readonly string[] {
  const folders = createRequire(import.meta.url).resolve.paths("bun") ?? [];
  return folders
    .flatMap((modules) => {
      const own = join(modules, "bun");
      return [join(own, "bin"), ...builds(join(own, "node_modules")), ...builds(modules)];
    })
    .flatMap((folder) => ["bun.exe", "bun"].map((name) => join(folder, name)))
    .filter((file) => existsSync(file));
}

function builds(modules: string): readonly string[] {
  const scope = join(modules, "@oven");
  return existsSync(scope) ? readdirSync(scope).map((name) => join(scope, name, "bin")) : [];
}

function fail(why: string): number {
  process.stderr.write(`odmr: ${why}\n`);
  return UNAVAILABLE;
}

if ("Bun" in globalThis || "Deno" in globalThis) {
  const { start } = await import("./odmr.ts");
  await start();
} else {
  const bun = findBun();
  process.exitCode =
    bun === undefined
      ? fail(
          "no Bun for this machine was installed with it (npm install --include=optional odmr); or run it with Deno: deno run -A npm:odmr",
        )
      : await hand(bun, process.argv.slice(2));
}
