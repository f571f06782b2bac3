/** Where a shared spool's large bodies lie: in pieces in its tables, or as objects in a bucket that its nodes agree on. */
// Each body's name says which it is: a spool that changes goes on with what it has. The bucket is a fact of the spool.
import type { Clock } from "../../platform/clock.ts";
import { Bucket } from "../objects/bucket.ts";
import { credentialsOf } from "../objects/credentials.ts";
import { isObject, Objects } from "../objects/objects.ts";
import { keptPlace, type ObjectPlace, samePlace, shownPlace } from "../objects/place.ts";
import { Room } from "../objects/room.ts";
import type { Growing, Shelf } from "../shelf.ts";
import { type MessageId, SpoolError } from "../spool.ts";
import type { Connection } from "./connection.ts";
import type { Pieces } from "./pieces.ts";

/** Octets of all bodies that wait in memory for their parts to be whole. */
const ROOM = 256 * 1024 * 1024;

export interface ShelvesOptions {
  readonly pieces: Pieces;
  /** The spool's id: two spools may share a bucket. */
  readonly id: string;
  /** Where new bodies go; undefined: into pieces. */
  readonly place: ObjectPlace | undefined;
  /** Where the spool's objects are, for a node that was not told. */
  readonly kept: () => Promise<ObjectPlace | undefined>;
  readonly credentials: string | undefined;
  readonly clock: Clock;
}

export class Shelves implements Shelf {
  readonly #options: ShelvesOptions;
  readonly objects: Objects | undefined;
  #found: Promise<Objects> | undefined;

  constructor(options: ShelvesOptions) {
    this.#options = options;
    if (options.place !== undefined) this.objects = this.#at(options.place);
  }

  begin(id: MessageId, written?: (piece: Uint8Array) => void): Growing {
    return (this.objects ?? this.#options.pieces).begin(id, written);
  }

  async *read(name: string): AsyncGenerator<Uint8Array> {
    yield* (await this.#of(name)).read(name);
  }

  async unlink(name: string): Promise<void> {
    await (await this.#of(name)).unlink(name);
  }

  async close(): Promise<void> {
    await this.#options.pieces.close();
  }

  async #of(name: string): Promise<Shelf> {
    if (!isObject(name)) return this.#options.pieces;
    if (this.objects !== undefined) return this.objects;
    this.#found ??= this.#find();
    return await this.#found.catch((error: unknown) => {
      this.#found = undefined;
      throw error;
    });
  }

  async #find(): Promise<Objects> {
    const place = await this.#options.kept();
    if (place === undefined)
      throw new SpoolError("io", "the spool does not say in which bucket its bodies are");
    return this.#at(place);
  }

  #at(place: ObjectPlace): Objects {
    const { clock, id, credentials } = this.#options;
    const bucket = new Bucket({ place, clock, credentials: () => credentialsOf(credentials) });
    return new Objects({ bucket, prefix: `${place.prefix}${id}/`, room: new Room(ROOM, clock) });
  }
}

/** Where the spool's objects are, by itself. */
export async function placeIn(db: Connection): Promise<ObjectPlace | undefined> {
  const [row] = await db.all<{ value: string }>("SELECT value FROM meta WHERE key = 'bodies'");
  return row && keptPlace(row.value);
}

/**
 * Where new bodies go. The first to name a bucket names it for all; programs of the version before stop then: they do not
 * know objects. @throws SpoolError "request" if it is another one
 */
export async function agreedPlace(
  db: Connection,
  { named, least }: { readonly named: ObjectPlace | undefined; readonly least: number },
): Promise<ObjectPlace | undefined> {
  if (named !== undefined)
    await db.all(
      `WITH made AS (INSERT INTO meta VALUES ('bodies', $1) ON CONFLICT DO NOTHING RETURNING key)
       UPDATE meta SET value = greatest(value::int, $2::int)::text FROM made WHERE meta.key = 'least'`,
      [shownPlace(named), least],
    );
  const kept = await placeIn(db);
  if (named === undefined || kept === undefined || samePlace(kept, named)) return named ?? kept;
  throw new SpoolError(
    "request",
    `the spool keeps its bodies in ${shownPlace(kept)}, not in ${shownPlace(named)}: write that, or move them first`,
  );
}
