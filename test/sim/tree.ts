/** Folders and files as a power cut leaves them: sure is what was synced, the rest is as chance wills. */
// The truth comes from what the program did: a file's octets are sure after its own sync, its name after its folder's.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { type Files, type NewFile, systemFiles } from "../../src/platform/files.ts";
import type { Chance } from "./world.ts";

/** A file's octets, whatever its name is by now. */
export interface Inode {
  /** Where they lie. */
  real: string;
  length: number;
  /** So many of them are sure. */
  synced: number;
  /** A sync failed: what was written before may be gone, whatever a later sync says. */
  spoiled: boolean;
  changed: number;
}

interface Folder {
  now: Map<string, Folder | Inode>;
  sure: Map<string, Folder | Inode>;
}

const isFolder = (node: Folder | Inode | undefined): node is Folder => node !== undefined && "now" in node;
const newFolder = (): Folder => ({ now: new Map(), sure: new Map() });

/** What survives: octets by path, and the folders. A database is asked for by its path. */
export interface Survivors {
  readonly folders: string[];
  readonly files: Map<string, Uint8Array>;
}

export class Tree implements Omit<Files, "create" | "read" | "stat" | "free"> {
  readonly root: string;
  readonly #grave: string;
  #buried = 0;
  #top: Folder = newFolder();

  /** @param root is there, and sure */
  constructor(root: string) {
    this.root = root;
    this.#grave = `${root}.grave`;
    mkdirSync(root, { recursive: true });
    mkdirSync(this.#grave, { recursive: true });
  }

  async create(path: string, now: number): Promise<{ readonly file: NewFile; readonly inode: Inode }> {
    const file = await systemFiles.create(path);
    const inode: Inode = { real: path, length: 0, synced: 0, spoiled: false, changed: now };
    const [folder, name] = this.#place(path);
    folder?.now.set(name, inode);
    return { file, inode };
  }

  /** The content stays where a power cut can bring it back. */
  async unlink(path: string): Promise<void> {
    const [folder, name] = this.#place(path);
    const node = folder?.now.get(name);
    if (node === undefined || isFolder(node)) return systemFiles.unlink(path);
    const grave = join(this.#grave, String(this.#buried++));
    renameSync(path, grave);
    node.real = grave;
    folder?.now.delete(name);
  }

  async removeFolder(path: string): Promise<void> {
    await systemFiles.removeFolder(path);
    if ((await systemFiles.stat(path)) !== undefined) return;
    const [folder, name] = this.#place(path);
    folder?.now.delete(name);
  }

  async rename(from: string, to: string): Promise<void> {
    await systemFiles.rename(from, to);
    const [source, name] = this.#place(from);
    const node = source?.now.get(name);
    const [target, newName] = this.#place(to);
    if (node === undefined || target === undefined) return;
    source?.now.delete(name);
    target.now.set(newName, node);
    if (!isFolder(node)) node.real = to;
  }

  async makeFolder(path: string): Promise<string | undefined> {
    const made = await systemFiles.makeFolder(path);
    let folder = this.#top;
    for (const name of this.#names(path)) {
      const next = folder.now.get(name) ?? newFolder();
      if (!isFolder(next)) break;
      folder.now.set(name, next);
      folder = next;
    }
    return made;
  }

  async syncFolder(path: string): Promise<void> {
    await systemFiles.syncFolder(path);
    this.sureNames(path);
  }

  /** The names in a folder are sure from now on. */
  sureNames(path: string): void {
    const folder = this.#folder(path);
    if (folder !== undefined) folder.sure = new Map(folder.now);
  }

  list(path: string): Promise<readonly string[]> {
    return systemFiles.list(path);
  }

  inode(path: string): Inode | undefined {
    const [folder, name] = this.#place(path);
    const node = folder?.now.get(name);
    return isFolder(node) ? undefined : node;
  }

  /** What a power cut leaves now. @param special octets of files that somebody else keeps the books of */
  survivors(chance: Chance, special: (path: string) => Uint8Array | undefined): Survivors {
    const left: Survivors = { folders: [], files: new Map() };
    const visit = (folder: Folder, path: string): void => {
      left.folders.push(path);
      for (const name of new Set([...folder.sure.keys(), ...folder.now.keys()])) {
        const node = survivor(folder, name, chance);
        if (node === undefined) continue;
        const at = join(path, name);
        if (isFolder(node)) visit(node, at);
        else left.files.set(at, special(at) ?? torn(readFileSync(node.real), node, chance));
      }
    };
    visit(this.#top, this.root);
    return left;
  }

  /** The machine starts again with this: all that is there is sure. */
  restore({ folders, files }: Survivors): void {
    rmSync(this.root, { recursive: true, force: true });
    rmSync(this.#grave, { recursive: true, force: true });
    mkdirSync(this.#grave, { recursive: true });
    this.#top = newFolder();
    for (const path of folders) {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      const [folder, name] = this.#place(path);
      if (path !== this.root) folder?.now.set(name, newFolder());
    }
    for (const [path, bytes] of files) {
      writeFileSync(path, bytes, { mode: 0o600 });
      // SQLite makes and removes its log by itself: database.ts keeps the books of it.
      if (path.endsWith("-wal")) continue;
      const { length } = bytes;
      const [folder, name] = this.#place(path);
      folder?.now.set(name, { real: path, length, synced: length, spoiled: false, changed: 0 });
    }
    for (const path of folders) this.sureNames(path);
  }

  #names(path: string): readonly string[] {
    const way = relative(this.root, path);
    return way === "" || way.startsWith("..") ? [] : way.split(sep);
  }

  #folder(path: string): Folder | undefined {
    if (relative(this.root, path).startsWith("..")) return undefined;
    let folder = this.#top;
    for (const name of this.#names(path)) {
      const next = folder.now.get(name);
      if (!isFolder(next)) return undefined;
      folder = next;
    }
    return folder;
  }

  #place(path: string): [folder: Folder | undefined, name: string] {
    return [this.#folder(join(path, "..")), this.#names(path).at(-1) ?? ""];
  }
}

/** Whom a name means after the cut: sure is what both the disk and the folder say; else either, or nobody. */
function survivor(folder: Folder, name: string, chance: Chance): Folder | Inode | undefined {
  const [now, sure] = [folder.now.get(name), folder.sure.get(name)];
  if (now === sure) return now;
  return chance.happens(0.5) ? now : sure;
}

function torn(bytes: Uint8Array, { synced, spoiled }: Inode, chance: Chance): Uint8Array {
  return tornTail(bytes, spoiled ? 0 : synced, chance);
}

/** Octets behind what is sure may be there, be missing from some place on, or be anything. */
export function tornTail(bytes: Uint8Array, sure: number, chance: Chance): Uint8Array {
  if (sure >= bytes.length) return bytes;
  const kind = chance.one(["whole", "cut", "gone", "garbled"] as const);
  if (kind === "whole") return bytes;
  if (kind === "gone") return bytes.slice(0, sure);
  const at = chance.between(sure, bytes.length - 1);
  if (kind === "cut") return bytes.slice(0, at);
  const garbled = bytes.slice();
  for (let i = at; i < Math.min(bytes.length, at + 600); i++) garbled[i] = chance.between(0, 255);
  return garbled;
}
