/** Who runs this process, as the system has it: what an audit says must not come from the environment. */
// Bun's userInfo() repeats $USER, which anybody may set, and knows nobody where there is none, as in a service.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";

/** undefined: this user has no name. */
export function userName(): string | undefined {
  const uid = process.getuid?.();
  return uid === undefined ? tried(() => userInfo().username) : (inFile(uid) ?? tried(asked));
}

function inFile(uid: number): string | undefined {
  const passwd = tried(() => readFileSync("/etc/passwd", "utf8")) ?? "";
  const lines = passwd.split("\n").map((line) => line.split(":"));
  return lines.find(([, , id]) => id === String(uid))?.[0];
}

/** Users that are kept elsewhere, in a directory of the network. */
const asked = (): string => execFileSync("id", ["-un"], { encoding: "utf8", stdio: "pipe" }).trim();

function tried(find: () => string): string | undefined {
  try {
    return find() || undefined;
  } catch {
    return undefined;
  }
}
