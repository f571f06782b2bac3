/** A file with a secret of the spool's: where its database or its object storage wants to know who asks. */
import { readFile, stat } from "node:fs/promises";
import { SpoolError, type SpoolFault } from "./spool.ts";

/** @param what it holds, for the message. @throws SpoolError if it cannot be read, or if group or others may read it too */
export async function readSecretFile(file: string, what: string, fault: SpoolFault): Promise<string> {
  try {
    const { mode } = await stat(file);
    if (process.platform === "win32" || (mode & 0o044) === 0) return await readFile(file, "utf8");
  } catch (cause) {
    throw new SpoolError(fault, `${what}: ${file} cannot be read`, { cause });
  }
  throw new SpoolError(fault, `${what}: others may read ${file}; chmod 600 ${file}`);
}
