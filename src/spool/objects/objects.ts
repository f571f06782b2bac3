/** Large bodies as objects in a bucket, sent in parts while they arrive. */
// An object is complete before the row that names it is committed, and is removed after that row's removal is. What is left
// behind in between is swept a day later (postgres/sweep.ts); names are never used twice.
import { passed } from "../../platform/memory.ts";
import { copied } from "../bodies.ts";
import type { Growing, Shelf } from "../shelf.ts";
import { type MessageId, SpoolError } from "../spool.ts";
import { type Bucket, Missing, type Range } from "./bucket.ts";
import type { Room } from "./room.ts";

/** What the names of objects begin with, for rows: bodies of other kinds have others. */
const KIND = "s3/";

/** Octets of each part but the last: no less is taken. */
const PART = 5 * 1024 * 1024;
/** Octets that may wait while a part is on its way before write() asks its caller to. */
const BACKLOG = 1024 * 1024;
/** Octets that are asked for at once; the next are on their way while these are used. */
const RANGE = 1024 * 1024;
/** Objects that are removed at the same time. */
const REMOVING = 8;

export function isObject(name: string): boolean {
  return name.startsWith(KIND);
}

export interface ObjectsOptions {
  readonly bucket: Bucket;
  /** What their keys begin with: the place's prefix, and the spool's id. */
  readonly prefix: string;
  readonly room: Room;
}

export class Objects implements Shelf {
  readonly #options: ObjectsOptions;
  readonly #removing = new Set<Promise<void>>();

  constructor(options: ObjectsOptions) {
    this.#options = options;
  }

  begin(id: MessageId, written: (piece: Uint8Array) => void = ({ length }) => passed(length)): Growing {
    return new NewObject(id, { ...this.#options, written, read: (name) => this.read(name) });
  }

  async *read(name: string): AsyncGenerator<Uint8Array> {
    const key = this.#key(name);
    const range = (from: number) => this.#options.bucket.range(key, from, from + RANGE - 1);
    let next: ReturnType<typeof range> | undefined = range(0);
    for (let at = 0; next !== undefined; ) {
      const { bytes, of }: Range = await next.catch((error: unknown) => {
        throw error instanceof Missing ? new SpoolError("io", error.message, { cause: error }) : error;
      });
      at += bytes.length;
      next = at < of ? range(at) : undefined;
      // Who stops reading is not told of what was asked for meanwhile.
      next?.catch(() => {});
      yield bytes;
      passed(bytes.length);
    }
  }

  async unlink(name: string): Promise<void> {
    while (this.#removing.size >= REMOVING) await Promise.race(this.#removing);
    const removing = this.#options.bucket.remove(this.#key(name));
    const ended = removing
      .catch(() => {})
      .finally(() => {
        this.#removing.delete(ended);
      });
    this.#removing.add(ended);
    await removing;
  }

  /** The names of all objects of this spool, in their order, a page at a time. */
  async *names(): AsyncGenerator<readonly string[]> {
    const { bucket, prefix } = this.#options;
    for await (const keys of bucket.list(prefix)) yield keys.map((key) => KIND + key.slice(prefix.length));
  }

  /** Gives up objects in parts that were begun as names before this one. */
  async abandon(before: string): Promise<void> {
    const { bucket, prefix } = this.#options;
    for (const { key, upload } of await bucket.uploads(prefix))
      if (KIND + key.slice(prefix.length) < before) await bucket.abort(key, upload);
  }

  #key(name: string): string {
    return this.#options.prefix + name.slice(KIND.length);
  }
}

/** The name in rows of the object of a message. */
export function objectOf(id: MessageId): string {
  return KIND + id;
}

interface Beginning extends ObjectsOptions {
  readonly written: (piece: Uint8Array) => void;
  readonly read: (name: string) => AsyncIterable<Uint8Array>;
}

/** One body on its way. Less than a part goes in one request, at its end. */
class NewObject implements Growing {
  readonly name: string;
  readonly #key: string;
  readonly #beginning: Beginning;
  #pieces: Uint8Array[] = [];
  #waiting = 0;
  #octets = 0;
  #upload: string | undefined;
  readonly #marks: string[] = [];
  #sending: Promise<void> | undefined;
  #finished: Promise<void> | undefined;
  #trouble: unknown;

  constructor(id: MessageId, beginning: Beginning) {
    this.name = objectOf(id);
    this.#key = beginning.prefix + id;
    this.#beginning = beginning;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#trouble !== undefined) return undefined;
    const { room } = this.#beginning;
    this.#pieces.push(bytes);
    this.#waiting += bytes.length;
    this.#octets += bytes.length;
    room.take(bytes.length);
    if (this.#waiting >= PART) this.#sending ??= this.#send();
    if (this.#sending !== undefined) return this.#waiting > BACKLOG ? this.#sending : undefined;
    return room.full ? this.#wait() : undefined;
  }

  /** All of it must be an object first: what is written after that is lost. */
  async *content(): AsyncGenerator<Uint8Array> {
    await this.finish();
    yield* this.#beginning.read(this.name);
  }

  finish(): Promise<void> {
    this.#finished ??= this.#finish();
    return this.#finished;
  }

  async discard(): Promise<void> {
    this.#give(new SpoolError("closed", "the body was discarded"));
    await this.#sending;
    await this.#finished?.catch(() => {});
    const { bucket } = this.#beginning;
    try {
      if (this.#upload !== undefined) await bucket.abort(this.#key, this.#upload);
      if (this.#finished !== undefined) await bucket.remove(this.#key);
    } catch {}
  }

  async #finish(): Promise<void> {
    const { bucket } = this.#beginning;
    await this.#sending;
    if (this.#trouble !== undefined) throw this.#trouble;
    try {
      if (this.#upload === undefined) await bucket.put(this.#key, this.#gathered(this.#waiting));
      else {
        if (this.#waiting > 0) await this.#part(this.#gathered(this.#waiting));
        await bucket.complete(this.#key, this.#upload, this.#marks, this.#octets);
      }
    } catch (error) {
      this.#give(error);
      throw this.#trouble;
    }
  }

  /** Sends whole parts while there are any. */
  async #send(): Promise<void> {
    try {
      this.#upload ??= await this.#beginning.bucket.begin(this.#key);
      while (this.#waiting >= PART) await this.#part(this.#gathered(PART));
    } catch (error) {
      this.#give(error);
    } finally {
      this.#sending = undefined;
    }
  }

  async #part(body: Uint8Array): Promise<void> {
    const { bucket } = this.#beginning;
    this.#marks.push(await bucket.part(this.#key, this.#upload ?? "", this.#marks.length + 1, body));
  }

  /** The next octets, in memory of their own; the room that they took goes with them. */
  #gathered(octets: number): Uint8Array {
    const { room, written } = this.#beginning;
    const pieces: Uint8Array[] = [];
    let rest = octets;
    while (rest > 0) {
      const [piece] = this.#pieces;
      if (piece === undefined) break;
      const own = piece.length <= rest;
      pieces.push(own ? piece : piece.subarray(0, rest));
      rest -= Math.min(rest, piece.length);
      if (own) this.#pieces.shift();
      else this.#pieces[0] = piece.slice(pieces.at(-1)?.length);
    }
    const body = copied(pieces, octets - rest);
    pieces.forEach(written);
    this.#waiting -= body.length;
    room.give(body.length);
    return body;
  }

  async #wait(): Promise<void> {
    if (!(await this.#beginning.room.wait()) && this.#sending === undefined)
      this.#give(new SpoolError("busy", "too many large messages are on their way at once"));
  }

  /** The first trouble counts; nothing is kept after it. */
  #give(trouble: unknown): void {
    this.#trouble ??= trouble instanceof Missing ? new SpoolError("io", trouble.message) : trouble;
    this.#beginning.room.give(this.#waiting);
    this.#pieces = [];
    this.#waiting = 0;
  }
}
