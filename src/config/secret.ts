/** Secrets live in files of their own: one line, for the owner's eyes only. */

import { readFile, stat } from "node:fs/promises";
import { ConfigError } from "./error.ts";

const GROUP_OR_OTHERS_READ = 0o044;

/**
 * The secret in a file; one line end at its end is not part of it.
 * @throws ConfigError if it is not there, if group or others may read it, or if it is not one line
 */
export async function readSecret(file: string): Promise<string> {
  const why = await secretProblem(file);
  if (why !== undefined) throw new ConfigError(`${file}: ${why}`);
  return secretIn(await readFile(file, "utf8"));
}

/** Why a file cannot serve as a secret, and what to do; undefined if it can. */
export async function secretProblem(file: string): Promise<string | undefined> {
  const unreadable = await fileProblem(file);
  if (unreadable !== undefined) return unreadable;
  const { mode } = await stat(file);
  if (process.platform !== "win32" && (mode & GROUP_OR_OTHERS_READ) !== 0)
    return `others may read it; chmod 600 ${file}`;
  const secret = secretIn(await readFile(file, "utf8"));
  if (secret === "") return "it is empty; make one with odmr passwd";
  return /[\r\n\0]/.test(secret) ? "it is more than one line; the secret alone belongs there" : undefined;
}

/** Why a file cannot be read, and what to do; undefined if it can. */
export async function fileProblem(file: string): Promise<string | undefined> {
  try {
    await readFile(file);
    return undefined;
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    return `${file} ${faults[code] ?? `cannot be read (${code})`}`;
  }
}

const faults: Readonly<Record<string, string>> = {
  ENOENT: "does not exist; make it, or name another",
  EACCES: "may not be read by this user; chown or chmod it",
  EISDIR: "is a folder; name a file",
};

/** What a file or stdin says, less one line end. */
export const secretIn = (text: string): string => text.replace(/\r?\n$/, "");
