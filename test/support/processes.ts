/** Foreign programs at work: found, run to their end, or kept running for the time of one test. */
// Nothing outlives its test: what is kept running leads a process group of its own, and all of it is ended.
import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Ended } from "./cli.ts";

const FOLDERS = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin"];
const PATH = FOLDERS.join(":");

const installed = (program: string): boolean => FOLDERS.some((folder) => existsSync(join(folder, program)));

/**
 * What to tell a suite that needs these programs. On a developer's machine it may be skipped, in CI never.
 * @throws in CI, if one of them is missing
 */
export function withPeers(...programs: readonly string[]): { readonly skip: string | false } {
  const missing = programs.filter((program) => !installed(program));
  if (missing.length === 0)
    return { skip: "Deno" in globalThis && "the peers are met by Bun, the production runtime" };
  const why = `not installed: ${missing.join(", ")}`;
  if (process.env.CI) throw new Error(`${why}; in CI every peer must be there`);
  return { skip: why };
}

/** The same for servers that only root may start with the users that they ask for. */
export function withServers(...programs: readonly string[]): { readonly skip: string | false } {
  const { skip } = withPeers(...programs);
  return { skip: skip || (process.getuid?.() !== 0 && `${programs.join(", ")} can be started by root only`) };
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/** Runs a program to its end. */
export async function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { cwd, env = {}, stdin = "" } = options;
  const child = spawn(file, args, { cwd, env: { ...process.env, PATH, ...env } });
  const said = gather(child);
  child.stdin.on("error", () => {}); // a program need not read what it is told
  child.stdin.end(stdin);
  const [status] = (await once(child, "close")) as [number | null];
  return { status, ...said };
}

/** A program that goes on until it is stopped. */
export interface Running {
  /** What it has said so far. */
  readonly said: { readonly stdout: string; readonly stderr: string };
  /** Resolves when `fits` is true. @throws if the program ends before, or takes too long */
  until(fits: () => boolean | Promise<boolean>): Promise<void>;
  /** Ends the program and all that it started. */
  stop(): Promise<void>;
  /** The same, without leave to end in order. */
  kill(): Promise<void>;
}

const leaders = new Set<number>();
process.once("exit", () => {
  for (const leader of leaders) signal(leader, "SIGKILL");
});

export function start(file: string, args: readonly string[]): Running {
  const child = spawn(file, args, {
    detached: true,
    env: { ...process.env, PATH },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = gather(child);
  const leader = child.pid;
  if (leader !== undefined) leaders.add(leader);
  let over = false;
  const ended = new Promise<void>((resolve) => {
    for (const event of ["error", "exit"]) child.once(event, () => resolve());
  }).then(() => {
    over = true;
  });
  return {
    said,
    async until(fits) {
      const words = () => `${file} ${over ? "ended" : "runs"}: ${said.stdout}${said.stderr}`;
      await eventually(async () => over || (await fits()), words);
      if (over) throw new Error(words());
    },
    async stop() {
      if (leader === undefined) return;
      signal(leader, "SIGTERM");
      await Promise.race([ended, pause(15_000, undefined, { ref: false })]);
      signal(leader, "SIGKILL");
      leaders.delete(leader);
    },
    async kill() {
      if (leader === undefined) return;
      signal(leader, "SIGKILL");
      await ended;
      leaders.delete(leader);
    },
  };
}

function signal(leader: number, name: NodeJS.Signals): void {
  try {
    process.kill(-leader, name);
  } catch {
    // It is gone already.
  }
}

function gather({ stdout, stderr }: ChildProcess): { stdout: string; stderr: string } {
  const said = { stdout: "", stderr: "" };
  stdout?.setEncoding("latin1").on("data", (text: string) => {
    said.stdout += text;
  });
  stderr?.setEncoding("latin1").on("data", (text: string) => {
    said.stderr += text;
  });
  return said;
}

/** Asks again and again until `fits` is true. @throws after `within` milliseconds, with what `what` says */
export async function eventually(
  fits: () => boolean | Promise<boolean>,
  what: () => string,
  within = 60_000,
): Promise<void> {
  for (const end = Date.now() + within; !(await fits()); await pause(25))
    if (Date.now() > end) throw new Error(`waited in vain: ${what()}`);
}

/**
 * A port of loopback that was free a moment ago, for a program that cannot choose one itself. It lies below those that
 * the system hands out for port 0 and to callers: between here and that program's start nobody gets it by accident.
 */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_768);
    const server = createServer().listen(port, host);
    try {
      await once(server, "listening");
    } catch {
      continue;
    }
    server.close();
    await once(server, "close");
    return port;
  }
}

/** Whether somebody greets at this port of loopback. */
export function greets(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once("data", () => {
      resolve(true);
      socket.destroy();
    });
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
  });
}

/** A folder for the time of one test that servers under users of their own can reach, with a short name for sockets. */
export async function inOpenFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(process.env.ODMR_QUICK_FOLDER ?? "/tmp", "odmr-"));
  try {
    await chmod(folder, 0o755);
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
