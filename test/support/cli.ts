/** Runs the program as a user does: a process of its own. */

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { programs } from "./program.ts";
import { quickFolder } from "./quick.ts";

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Setting {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** What starts it instead. */
  readonly program?: readonly [string, ...string[]];
}

/** The words that start the program: the binary if it is of these sources, else the sources on this runtime. */
export const commandLine = (args: readonly string[]): readonly [string, ...string[]] => [
  ...programs[0]!.words,
  ...args,
];

export function odmr(args: readonly string[], setting: Setting = {}): Promise<Ended> {
  const { cwd, env = {}, stdin = "", program = commandLine([]) } = setting;
  const [file, ...words] = [...program, ...args] as const;
  return new Promise((resolve, reject) => {
    const child = spawn(file, words, { cwd, env: { ...process.env, NO_COLOR: "1", ...env } });
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const)
      child[name].setEncoding("utf8").on("data", (text: string) => {
        said[name] += text;
      });
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, ...said }));
    child.stdin.on("error", () => {});
    child.stdin.end(stdin);
  });
}

/** The same within this process, for commands that leave nothing behind in it: quicker, and without a folder of its own. */
export async function odmrHere(args: readonly string[]): Promise<Ended> {
  const { main } = await import("../../cmd/odmr.ts");
  const said = { stdout: "", stderr: "" };
  const to = (name: keyof typeof said) => ({
    write: (text: string) => {
      said[name] += text;
    },
  });
  const streams = { stdout: to("stdout"), stderr: to("stderr"), env: { NO_COLOR: "1" } };
  return { status: await main(args, "odmr", streams), ...said };
}

/** Gives a folder of its own to the test and removes it afterwards. */
export async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(quickFolder(), "odmr-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
