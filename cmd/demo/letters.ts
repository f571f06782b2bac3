/** The mail that is sent: real messages where a corpus is at hand, else the project's own fixtures. */
// The table says which. Where all is checked for others (CI), a corpus that is missing is a failure and no surprise.
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Canonical } from "../../src/wire/dots.ts";

export interface Letter {
  /** The file that it came from. */
  readonly name: string;
  /** As it travels and is held: lines end in CRLF, the last one too. */
  readonly octets: Uint8Array;
}

export interface Source {
  readonly name: string;
  readonly letters: readonly Letter[];
}

const besideUs = fileURLToPath(new URL("../../../shared/corpus", import.meta.url));
const fixtures = fileURLToPath(new URL("../../test/fixtures", import.meta.url));

/** @throws if a corpus is named, or must be there, and is not */
export async function letters(env: NodeJS.ProcessEnv): Promise<Source> {
  const corpus = env.ODMR_CORPUS || besideUs;
  const found = await lettersIn(corpus);
  if (found.length > 0) return { name: `the corpus in ${corpus}`, letters: found };
  if (env.ODMR_CORPUS || env.CI === "true")
    throw new Error(`there is no message in ${corpus}; set ODMR_CORPUS to a folder of messages`);
  return { name: "the project's own fixtures", letters: await lettersIn(fixtures) };
}

/** Every file in a folder and those below it, but for what tells about them. */
export async function lettersIn(folder: string): Promise<readonly Letter[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const names = entries
    .filter((entry) => entry.isFile() && !/^(\.|README)/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return Promise.all(
    names.map(async (path) => ({ name: basename(path), octets: canonical(await readFile(path)) })),
  );
}

function canonical(raw: Uint8Array): Uint8Array {
  const pieces: Uint8Array[] = [];
  const lines = new Canonical();
  lines.write(raw, (piece) => pieces.push(piece));
  lines.end((piece) => pieces.push(piece));
  return new Uint8Array(Buffer.concat(pieces));
}
