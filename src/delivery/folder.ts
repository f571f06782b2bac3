/** Folders of mail: made with their parents on disk, and never outside the base that they belong to. */
// A file is only safe when its folder's entry for it is: sync the folder after every new name.
import { realpath } from "node:fs/promises";
import { sep } from "node:path";
import { type Files, makeNamed } from "../platform/files.ts";

/** So many are remembered; the others are synced anew. */
export const NAMED_AT_MOST = 10_000;

/** A symbolic link leads out of the base. */
export class LeadsElsewhere extends Error {
  override readonly name = "LeadsElsewhere";
}

/** The folders that one target delivers into. */
export class Folders {
  readonly #files: Files;
  /** Those whose names are durable since this process began: before, a process may have died between mkdir and sync. */
  readonly #named = new Set<string>();

  constructor(files: Files) {
    this.#files = files;
  }

  /** Makes the folder and its parents, for the owner alone, if need be; resolves when their names would survive a power cut. */
  async make(path: string): Promise<void> {
    if (this.#named.has(path) && (await this.#files.stat(path))?.folder) return;
    this.#named.delete(path);
    await makeNamed(path, this.#files);
    if (this.#named.size >= NAMED_AT_MOST) this.#named.clear();
    this.#named.add(path);
  }
}

/** @throws LeadsElsewhere if `path` is not within `base` once all links are followed; both must exist */
export async function mustBeWithin(base: string, path: string): Promise<void> {
  const [root, place] = await Promise.all([realpath(base), realpath(path)]);
  if (place === root || place.startsWith(root.endsWith(sep) ? root : root + sep)) return;
  throw new LeadsElsewhere(`${path} leads out of ${base}`);
}
