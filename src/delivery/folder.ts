/** Folders of mail: made with their parents on disk, and never outside the base that they belong to. */
// A file is only safe when its folder's entry for it is: sync the folder after every new name.
import { mkdir, realpath } from "node:fs/promises";
import { dirname, sep } from "node:path";
import { systemFiles } from "../platform/files.ts";

const OWNER_ONLY = 0o700;

/** A symbolic link leads out of the base. */
export class LeadsElsewhere extends Error {
  override readonly name = "LeadsElsewhere";
}

/** Makes the folder and its parents, for the owner alone, and syncs each new entry. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: OWNER_ONLY });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made))
    await systemFiles.syncFolder(dirname(made));
}

/** @throws LeadsElsewhere if `path` is not within `base` once all links are followed; both must exist */
export async function mustBeWithin(base: string, path: string): Promise<void> {
  const [root, place] = await Promise.all([realpath(base), realpath(path)]);
  if (place === root || place.startsWith(root.endsWith(sep) ? root : root + sep)) return;
  throw new LeadsElsewhere(`${path} leads out of ${base}`);
}
