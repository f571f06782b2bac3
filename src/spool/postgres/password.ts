/** The password of a shared spool: from a file for it alone, or from where libpq's programs look. */
// A file that others may read is refused, as everywhere.
import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { readSecretFile } from "../secretfile.ts";
import type { PostgresAddress } from "./address.ts";

/** undefined: there is none, and the server may not ask for one. @throws SpoolError */
export async function passwordOf(address: PostgresAddress, user: string): Promise<string | undefined> {
  if (address.passwordFile !== undefined)
    return (await readSecretFile(address.passwordFile, "the spool's password", "io")).replace(/\r?\n$/, "");
  if (process.env.PGPASSWORD !== undefined) return process.env.PGPASSWORD;
  const file = process.env.PGPASSFILE ?? join(homedir(), ".pgpass");
  if (process.env.PGPASSFILE === undefined && !(await exists(file))) return undefined;
  return inPassFile(await readSecretFile(file, "the spool's password", "io"), address, user);
}

/** The first line that fits: `host:port:database:user:password`, where `*` fits all and `\` takes a colon's meaning. */
export function inPassFile(
  text: string,
  { hosts, database }: PostgresAddress,
  user: string,
): string | undefined {
  const [place = { host: "localhost", port: 5432 }] = hosts;
  const host = place.host.startsWith("/") ? "localhost" : place.host;
  const asked = [host, String(place.port), database, user];
  for (const line of text.split(/\r?\n/)) {
    const fields = [...line.matchAll(/((?:\\.|[^:\\])*)(?::|$)/g)].map(([, field = ""]) =>
      field.replace(/\\(.)/g, "$1"),
    );
    if (
      !line.startsWith("#") &&
      fields.length > 4 &&
      asked.every((one, i) => fields[i] === "*" || fields[i] === one)
    )
      return fields[4];
  }
  return undefined;
}

async function exists(file: string): Promise<boolean> {
  return await stat(file).then(
    () => true,
    () => false,
  );
}
