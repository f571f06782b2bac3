/** Large bodies: files that are written while they arrive, in sub-folders by the hour, beside the database. */
// A name reaches a row only after the file and its folder are synced.
import { join } from "node:path";
import type { Clock, Instant } from "../platform/clock.ts";
import type { Files, NewFile } from "../platform/files.ts";
import { passed } from "../platform/memory.ts";
import type { Growing, Shelf } from "./shelf.ts";
import type { MessageId } from "./spool.ts";

/** Octets that may wait for the disk before write() asks its caller to. */
const BACKLOG = 1024 * 1024;

export class Bodies implements Shelf {
  /** `<spool>.bodies`. */
  readonly folder: string;
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #syncs = new Map<string, FolderSync>();
  /** Sub-folders whose own names are durable, or about to be: since this process began, whoever has made them. */
  readonly #named = new Map<string, Promise<void>>();

  constructor(folder: string, files: Files, clock: Clock) {
    this.folder = folder;
    this.#files = files;
    this.#clock = clock;
  }

  /**
   * A new file named after a message; nothing touches the disk before the first write.
   * @param written told of each piece once it is in the file, and needed here no more
   */
  begin(id: MessageId, written: (piece: Uint8Array) => void = ({ length }) => passed(length)): NewBody {
    const hour = hourOf(this.#clock.now());
    return new NewBody({ bodies: this, files: this.#files, hour, id, written });
  }

  /** Where a file named in a row lies. */
  path(name: string): string {
    return join(this.folder, name);
  }

  read(name: string): AsyncIterable<Uint8Array> {
    return this.#files.read(this.path(name));
  }

  unlink(name: string): Promise<void> {
    return this.#files.unlink(this.path(name));
  }

  /** Makes the sub-folder, if need be; resolves when its name is durable, even if somebody else has only just made it. */
  async makeFolder(hour: string): Promise<void> {
    const made = (await this.#files.makeFolder(this.path(hour))) !== undefined;
    let named = made ? undefined : this.#named.get(hour);
    if (named === undefined) {
      named = this.#syncNames();
      this.#named.set(hour, named);
    }
    await named.catch((error: unknown) => {
      if (this.#named.get(hour) === named) this.#named.delete(hour);
      throw error;
    });
  }

  /** The names in the folder, and the folder's own. */
  async #syncNames(): Promise<void> {
    await this.syncFolder(join(this.folder, ".."));
    await this.syncFolder(this.folder);
  }

  /** Those who ask while a sync runs share the next one. */
  async syncFolder(path: string): Promise<void> {
    let sync = this.#syncs.get(path);
    if (sync === undefined) {
      sync = new FolderSync(() => this.#files.syncFolder(path));
      this.#syncs.set(path, sync);
    }
    await sync.ask();
    if (sync.idle) this.#syncs.delete(path);
  }
}

/** A sub-folder's name: `2026010203`. */
export function hourOf(at: Instant): string {
  return new Date(at).toISOString().slice(0, 13).replace(/\D/g, "");
}

/** Runs one sync at a time; a sync that has begun does not count for who comes after. */
class FolderSync {
  readonly #sync: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(sync: () => Promise<void>) {
    this.#sync = sync;
  }

  get idle(): boolean {
    return this.#running === undefined && this.#next === undefined;
  }

  ask(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.catch(() => {}).then(() => this.#start());
    return this.#next;
  }

  #start(): Promise<void> {
    this.#next = undefined;
    const running = this.#sync().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}

interface Beginning {
  readonly bodies: Bodies;
  readonly files: Files;
  readonly hour: string;
  readonly id: MessageId;
  /** Told of each piece once it is in the file, and needed here no more. */
  readonly written: (piece: Uint8Array) => void;
}

/** One body on its way to its file. Trouble is kept, and told by finish(). */
export class NewBody implements Growing {
  /** The name for the row: `<hour>/<id>`. */
  readonly name: string;
  readonly #bodies: Bodies;
  readonly #files: Files;
  readonly #hour: string;
  readonly #written: (piece: Uint8Array) => void;
  #file: NewFile | undefined;
  #backlog: Uint8Array[] = [];
  #waiting = 0;
  #writing: Promise<void> | undefined;
  #trouble: unknown;

  constructor({ bodies, files, hour, id, written }: Beginning) {
    this.name = `${hour}/${id}`;
    this.#bodies = bodies;
    this.#files = files;
    this.#hour = hour;
    this.#written = written;
  }

  /** undefined: go on at once; else the disk is behind, and catches up before it resolves. Never rejects. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#trouble !== undefined) return undefined;
    this.#backlog.push(bytes);
    this.#waiting += bytes.length;
    this.#writing ??= this.#drain();
    return this.#waiting > BACKLOG ? this.#writing : undefined;
  }

  /** What was written so far. @throws what the disk said */
  async *content(): AsyncGenerator<Uint8Array> {
    await this.#writing;
    if (this.#trouble !== undefined) throw this.#trouble;
    yield* this.#bodies.read(this.name);
  }

  /** Resolves when the file and its name are durable. @throws what the disk said, first trouble first */
  async finish(): Promise<void> {
    await this.#writing;
    if (this.#trouble !== undefined) throw this.#trouble;
    await this.#file?.sync();
    await this.#close();
    await this.#bodies.syncFolder(this.#bodies.path(this.#hour));
  }

  /** Removes what there is of it. Never rejects: what is left behind is found at the next start. */
  async discard(): Promise<void> {
    this.#backlog = [];
    await this.#writing;
    try {
      await this.#close();
      await this.#bodies.unlink(this.name);
    } catch {}
  }

  async #drain(): Promise<void> {
    try {
      this.#file ??= await this.#create();
      while (this.#backlog.length > 0) {
        const pieces = this.#backlog;
        this.#backlog = [];
        this.#waiting = 0;
        await this.#file.append(...pieces);
        pieces.forEach(this.#written);
      }
    } catch (error) {
      this.#trouble = error;
      this.#backlog = [];
    } finally {
      this.#writing = undefined;
    }
  }

  async #create(): Promise<NewFile> {
    await this.#bodies.makeFolder(this.#hour);
    return await this.#files.create(this.#bodies.path(this.name));
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}

/** Pieces as one. A single piece is handed on as it is. */
export function joined(pieces: readonly Uint8Array[], octets: number): Uint8Array {
  const [only] = pieces;
  return pieces.length === 1 && only !== undefined ? only : copied(pieces, octets);
}

/** Pieces as one, in memory of its own that can be handed over. */
export function copied(pieces: readonly Uint8Array[], octets: number): Uint8Array {
  const whole = new Uint8Array(octets);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
