/** The program itself as a child process: one that serves until it is told to end, and ones that run to their end. */
// Every child is ended by whoever started it, and what it says is kept for whoever has to explain its end.
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { fileURLToPath } from "node:url";

export interface Ended {
  /** Null: it was ended by a signal. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Child {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** What `find` makes of all that was said on stderr, as soon as it makes something of it. @throws if the child ends before */
  heard<T>(find: (stderr: string) => T | undefined): Promise<T>;
  /** The same for stdout. */
  printed<T>(find: (stdout: string) => T | undefined): Promise<T>;
  /** Sends a signal and waits for the end. One that is gone already is no trouble. */
  end(signal: NodeJS.Signals): Promise<Ended>;
}

export interface Serving extends Child {
  /** Where each service listens, as the log says it; of two doors for one service, the last. */
  readonly doors: Readonly<Record<string, string>>;
}

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** What starts odmr instead of this project on this runtime: a binary. */
  readonly program?: readonly [string, ...string[]] | undefined;
}

export interface ServeOptions extends ChildOptions {
  /** How many doors there are to wait for. */
  readonly doors: number;
  /** A file for the log; it is kept in memory too. */
  readonly log?: string;
}

/** What starts odmr from this project, on the runtime that we run on. */
export const fromSource: readonly [string, ...string[]] = [
  process.execPath,
  ...("Deno" in globalThis ? ["run", "-A", "--no-check"] : []),
  fileURLToPath(new URL("../odmr.ts", import.meta.url)),
];

/** Runs one command to its end. */
export const run = (args: readonly string[], options: ChildOptions = {}): Promise<Ended> =>
  start(args, options).ended;

/** Starts one command. */
export function start(args: readonly string[], options: ChildOptions = {}): Child {
  return childOf(launch(args, options));
}

/** Starts `odmr serve` and resolves when its doors are open. @throws if it ends before */
export async function serve(config: string, options: ServeOptions): Promise<Serving> {
  const launched = launch(["serve", "--config", config, "--log", "json"], options);
  const child = childOf(launched);
  if (options.log !== undefined) launched.stderr?.pipe(createWriteStream(options.log));
  return { ...child, doors: await child.heard((stderr) => doorsIn(stderr, options.doors)) };
}

function launch(args: readonly string[], { env, cwd, program = fromSource }: ChildOptions): ChildProcess {
  const [file, ...words] = program;
  return spawn(file, [...words, ...args], {
    cwd,
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function childOf(child: ChildProcess): Child {
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      said[name] += text;
    });
  let gone = false;
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", () => {
      gone = true;
    });
    child.on("close", (status) => resolve({ status, ...said }));
  });
  const found = <T>(name: keyof typeof said, find: (text: string) => T | undefined): Promise<T> =>
    new Promise((resolve, reject) => {
      const look = () => {
        const made = find(said[name]);
        if (made !== undefined) resolve(made);
      };
      child[name]?.on("data", look);
      look();
      ended.then(({ status, stderr }) => reject(new Error(`it ended with ${status}\n${stderr}`)), reject);
    });
  return {
    pid: child.pid ?? 0,
    ended,
    heard: (find) => found("stderr", find),
    printed: (find) => found("stdout", find),
    end(signal) {
      if (!gone && child.pid !== undefined) tell(child.pid, signal);
      return ended;
    },
  };
}

/** Not ChildProcess.kill(): on Deno no status is known after it, though the child ended by itself. */
function tell(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

interface LogLine {
  readonly event: string;
  readonly service: string;
  readonly address: string;
}

/** Undefined: not so many doors are open yet. */
function doorsIn(log: string, count: number): Readonly<Record<string, string>> | undefined {
  const open = log
    .split("\n")
    .slice(0, -1)
    .filter((line) => line.includes('"event":"listening"'))
    .map((line) => JSON.parse(line) as LogLine);
  if (open.length < count) return undefined;
  return Object.fromEntries(open.map(({ service, address }) => [service, address]));
}
