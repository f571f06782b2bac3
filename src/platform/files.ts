/** Files: the few acts that a mail store needs of a file system, asynchronous, and durable where they say so. */
// A new file is durable after its own sync and its folder's: forget the second and a crash forgets the name.
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rmdir, stat, statfs, unlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { passed } from "./memory.ts";

/** A file that is being written; only its maker knows it. */
export interface NewFile {
  /** Adds all octets of all pieces at the end. They are not to be changed until it resolves. */
  append(...pieces: readonly Uint8Array[]): Promise<void>;
  /** Resolves when what was appended would survive a power cut. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface Stat {
  readonly size: number;
  /** When its content last changed, in milliseconds since 1970. */
  readonly changed: number;
  readonly folder: boolean;
}

/** All methods throw the system's error, with its `code`, unless they say otherwise. */
export interface Files {
  /** A new file, readable by its owner alone (0600). @throws EEXIST if the name is taken */
  create(path: string): Promise<NewFile>;
  /** The octets from `from` on, in bounded pieces; each piece is the reader's own. */
  read(path: string, from?: number): AsyncIterable<Uint8Array>;
  /** Removes a file; one that is not there is no error. */
  unlink(path: string): Promise<void>;
  /** Removes a folder if it is empty; one that is not, or not there, is left alone. */
  removeFolder(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Makes a folder and those above it (0700); one that is there is no error. @returns the topmost that was made, if any */
  makeFolder(path: string): Promise<string | undefined>;
  /** Makes the names in a folder durable: after create, rename, unlink. */
  syncFolder(path: string): Promise<void>;
  /** Names in a folder, in order; none if there is no such folder. */
  list(path: string): Promise<readonly string[]>;
  stat(path: string): Promise<Stat | undefined>;
  /** Octets that the file system of this path has left for us. */
  free(path: string): Promise<number>;
}

/**
 * Makes a folder and those above it; resolves when their names would survive a power cut. They are made one by one, each named
 * for good before the next: so after a death midway only the deepest one that is there can lack it, and it is given that here.
 */
export async function makeNamed(path: string, files: Files): Promise<void> {
  const folder = resolve(path);
  const above = dirname(folder);
  // Who may not read the folder above has hardly made this one.
  if ((await files.stat(folder))?.folder) return files.syncFolder(above).catch(unless(["EACCES"], undefined));
  await makeNamed(above, files);
  await files.makeFolder(folder);
  await files.syncFolder(above);
}

/** Whether an error means that there is no room: the disk, or our quota on it. */
export function isFull(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT", "EFBIG"].includes(codeOf(error) ?? "");
}

const PIECE = 256 * 1024;
/** As many as one call of the system takes (IOV_MAX). */
const PIECES = 1024;

/** The machine's file system. */
export const systemFiles: Files = {
  async create(path) {
    return new SystemFile(await open(path, "wx", 0o600));
  },
  async *read(path, from = 0) {
    const handle = await open(path, "r");
    try {
      for (let at = from; ; ) {
        const { bytesRead, buffer } = await handle.read(new Uint8Array(PIECE), 0, PIECE, at);
        if (bytesRead === 0) return;
        at += bytesRead;
        passed(bytesRead);
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await handle.close();
    }
  },
  unlink: (path) => unlink(path).catch(unless(["ENOENT"], undefined)),
  removeFolder: (path) => rmdir(path).catch(unless(["ENOENT", "ENOTEMPTY"], undefined)),
  rename: (from, to) => rename(from, to),
  makeFolder: (path) => mkdir(path, { recursive: true, mode: 0o700 }),
  async syncFolder(path) {
    const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  list: async (path) => (await readdir(path).catch(unless(["ENOENT"], []))).sort(),
  async stat(path) {
    const found = await stat(path).catch(unless(["ENOENT"], undefined));
    return found && { size: found.size, changed: found.mtimeMs, folder: found.isDirectory() };
  },
  async free(path) {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  },
};

class SystemFile implements NewFile {
  readonly #handle: FileHandle;
  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async append(...pieces: readonly Uint8Array[]): Promise<void> {
    for (let left = pieces; left.length > 0; ) {
      const now = left.slice(0, PIECES);
      const { bytesWritten } = await this.#handle.writev(now);
      left = [...unwritten(now, bytesWritten), ...left.slice(PIECES)];
    }
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** What is left of pieces of which the first `count` octets are written. */
function unwritten(pieces: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let written = count;
  const left: Uint8Array[] = [];
  for (const piece of pieces) {
    if (written < piece.length) left.push(written > 0 ? piece.subarray(written) : piece);
    written -= Math.min(written, piece.length);
  }
  return left;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

/** For catch(): these codes are answered by a value, everything else is thrown on. */
function unless<T>(codes: readonly string[], value: T): (error: unknown) => T {
  return (error) => {
    if (codes.includes(codeOf(error) ?? "")) return value;
    throw error;
  };
}
