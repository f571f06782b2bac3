/** Where what a house is made of lies, and that it can be put there. */
// Looked at before an invitation is spent: what is there stays, unless it was said that it may go.
import { access } from "node:fs/promises";
import { dirname, extname, join, resolve } from "node:path";
import { configPlaces } from "../src/config/load.ts";
import type { Target } from "../src/config/target.ts";
import { placeNew, replace } from "../src/platform/newfile.ts";
import { systemRandom } from "../src/platform/random.ts";
import { stateFolder } from "./account.ts";
import { Exit, status } from "./exit.ts";
import { makeConfigFolder, makeFolderOf, makePlaces, type Owner } from "./owner.ts";

/** What the command line says of them. */
interface Named {
  readonly config?: string;
  readonly spool?: string;
}

export interface Places {
  readonly config: string;
  readonly certificate: string;
  readonly key: string;
  readonly spool: string;
}

export function placesFor({ config, spool }: Named, env: NodeJS.ProcessEnv = process.env): Places {
  const root = process.getuid?.() === 0;
  const [, own = "", system = ""] = configPlaces(env);
  const file = resolve(config ?? (root ? system : own));
  const base = file.slice(0, file.length - extname(file).length);
  const state = root && !env.XDG_STATE_HOME ? "/var/lib/odmr" : stateFolder(env);
  return {
    config: file,
    certificate: `${base}.crt`,
    key: `${base}.key`,
    spool: resolve(spool ?? join(state, "spool.db")),
  };
}

/** What root must have made before who works there can. */
export async function makeReady(owner: Owner, { config, spool }: Places, target: Target): Promise<void> {
  await makeConfigFolder(dirname(config), owner);
  await makeFolderOf(owner, dirname(spool));
  if ("path" in target && !target.path.includes("{domain}")) await makePlaces(owner, target, [""]);
}

export async function refuseOverwriting(file: string, force: boolean): Promise<void> {
  if (force) return;
  const there = await access(file).then(
    () => true,
    () => false,
  );
  if (there) throw occupied(file);
}

const occupied = (file: string): Exit =>
  new Exit(status.cannotCreate, `${file} is there already; name another with --config, or say --force`);

export async function writeConfig(file: string, text: string, force: boolean): Promise<void> {
  if (force) await replace(file, text, systemRandom);
  else if (!(await placeNew(file, text, systemRandom))) throw occupied(file);
}
