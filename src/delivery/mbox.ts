/** Delivery to the end of an mbox file, under the lock file that other mail programs respect. */
// A message stands there whole or not at all: what could not be written and synced is cut off again.
import { access, constants, type FileHandle, link, lstat, open } from "node:fs/promises";
import { dirname } from "node:path";
import { fromLine, quoted } from "../mail/mbox.ts";
import { type Clock, pause } from "../platform/clock.ts";
import { type Files, makeNamed, systemFiles } from "../platform/files.ts";
import type { Random } from "../platform/random.ts";
import type { Address } from "../wire/address.ts";
import type { Delivery, Outcome, Parcel } from "./delivery.ts";
import { Folders, mustBeWithin, NAMED_AT_MOST } from "./folder.ts";
import { baseOf, codeOf, deliverTo, keptForm } from "./local.ts";

export interface MboxSettings {
  /** May hold {domain}, {local}, {recipient}; the file is made when its first message comes. */
  readonly path: string;
  readonly clock: Clock;
  readonly random: Random;
  /** For tests: a file system whose folders are watched. */
  readonly files?: Files;
}

/** Appends to the mbox of each recipient; those who share one get one message. At least once: a crash may double. */
export function mbox(settings: MboxSettings): Delivery {
  return new Mbox(settings);
}

/** What stands in the way of delivering to this path; undefined if nothing does. */
export async function mboxProblem(path: string): Promise<string | undefined> {
  const folder = folderOf(path);
  try {
    await makeNamed(folder, systemFiles);
    await access(folder, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return `${folder} is no folder that can be written to (${codeOf(error)})`;
  }
}

const LOCK_WAIT = 10_000;
const LOCK_RETRY = 100;
/** A lock so old was left by a program that died. */
const LOCK_STALE = 5 * 60_000;
const LF = 10;

class Locked extends Error {
  override readonly name = "Locked";
  readonly code = "locked by another program";
}

class Mbox implements Delivery {
  readonly #settings: MboxSettings;
  readonly #files: Files;
  readonly #folders: Folders;
  /** Files whose names are durable since this process began: who made one may have died before. */
  readonly #named = new Set<string>();
  /** The last append to each file: ours wait for each other here, and not at the lock. */
  readonly #last = new Map<string, Promise<void>>();

  constructor(settings: MboxSettings) {
    this.#settings = settings;
    this.#files = settings.files ?? systemFiles;
    this.#folders = new Folders(this.#files);
  }

  deliver(parcel: Parcel): Promise<readonly Outcome[]> {
    return deliverTo(this.#settings.path, parcel, (path, to) =>
      this.#inTurn(path, () => this.#put(path, parcel, to)),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#last.values());
  }

  #inTurn(path: string, act: () => Promise<void>): Promise<void> {
    const mine = (this.#last.get(path) ?? Promise.resolve()).then(act);
    const settled = mine
      .catch(() => {})
      .then(() => {
        if (this.#last.get(path) === settled) this.#last.delete(path);
      });
    this.#last.set(path, settled);
    return mine;
  }

  async #put(path: string, parcel: Parcel, to: readonly Address[]): Promise<void> {
    const base = folderOf(this.#settings.path);
    const folder = dirname(path);
    await this.#folders.make(folder);
    await mustBeWithin(base, folder);
    const lock = `${path}.lock`;
    await this.#lock(lock);
    try {
      const empty = await append(path, message(parcel, to));
      if (empty || !this.#named.has(path)) await this.#name(path);
    } finally {
      await systemFiles.unlink(lock);
    }
  }

  /** Makes the file's own name durable. */
  async #name(path: string): Promise<void> {
    this.#named.delete(path);
    await this.#files.syncFolder(dirname(path));
    if (this.#named.size >= NAMED_AT_MOST) this.#named.clear();
    this.#named.add(path);
  }

  async #lock(lock: string): Promise<void> {
    const { clock, random } = this.#settings;
    for (const end = clock.steady() + LOCK_WAIT; !(await take(lock)); ) {
      if (clock.steady() >= end) throw new Locked("the lock file stays");
      if (await isStale(lock, clock)) await this.#clear(lock);
      else await pause(clock, LOCK_RETRY * (1 + random.fraction()));
    }
  }

  /** Takes a dead program's lock away. If somebody was faster, what we took is a living one's: it is put back. */
  async #clear(lock: string): Promise<void> {
    const { clock, random } = this.#settings;
    const aside = `${lock}.${random.bytes(8).join("")}`;
    await systemFiles.rename(lock, aside).catch(unlessGone);
    if (!(await isStale(aside, clock))) await link(aside, lock).catch(unlessGone);
    await systemFiles.unlink(aside);
  }
}

/** Where all its files are: what is linked to from there is another place. */
function folderOf(template: string): string {
  const base = baseOf(template);
  return base === template ? dirname(template) : base;
}

async function take(lock: string): Promise<boolean> {
  try {
    await (await systemFiles.create(lock)).close();
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

async function isStale(lock: string, clock: Clock): Promise<boolean> {
  const found = await lstat(lock).catch(unlessGone);
  return found !== undefined && clock.now() - found.mtimeMs > LOCK_STALE;
}

function unlessGone(error: unknown): undefined {
  if (codeOf(error) !== "ENOENT" && codeOf(error) !== "EEXIST") throw error;
}

async function* message(parcel: Parcel, to: readonly Address[]): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(fromLine(parcel.envelope.from, parcel.arrived));
  yield* quoted(keptForm(parcel, to));
  yield Uint8Array.of(LF);
}

/** @returns whether the file was empty, or not there */
async function append(path: string, content: AsyncIterable<Uint8Array>): Promise<boolean> {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
  const file = await open(path, O_APPEND | O_CREAT | O_NOFOLLOW | O_RDWR, 0o600);
  try {
    const { size } = await file.stat();
    try {
      await writeAll(file, await gap(file, size));
      for await (const piece of content) await writeAll(file, piece);
      await file.sync();
    } catch (error) {
      await file.truncate(size);
      await file.sync();
      throw error;
    }
    return size === 0;
  } finally {
    await file.close();
  }
}

/** What is missing to the blank line that a From_ line has before it: another program may have died midway. */
async function gap(file: FileHandle, size: number): Promise<Uint8Array> {
  if (size === 0) return new Uint8Array();
  const { buffer, bytesRead } = await file.read(new Uint8Array(2), 0, 2, Math.max(0, size - 2));
  if (buffer[bytesRead - 1] !== LF) return Uint8Array.of(LF, LF);
  return bytesRead === 2 && buffer[0] !== LF ? Uint8Array.of(LF) : new Uint8Array();
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at, bytes.length - at)).bytesWritten;
}
