/** Large bodies as pieces of one size under a name, written while they arrive. */
// A piece does not wait for the disk: the commit that names the body does, which comes later in the same log. A server that
// crashes in between may have forgotten pieces; so that commit counts them.
import { type Clock, pause } from "../../platform/clock.ts";
import { passed } from "../../platform/memory.ts";
import { copied } from "../bodies.ts";
import { isObject } from "../objects/objects.ts";
import type { Growing, Shelf } from "../shelf.ts";
import { type MessageId, SpoolError } from "../spool.ts";
import { faultOf } from "./fault.ts";
import type { Redial } from "./redial.ts";
import { base64, rows } from "./rows.ts";
import type { Transaction } from "./transaction.ts";

/** Octets of each piece but the last. */
const PIECE = 256 * 1024;

/** Octets that may wait for the database before write() asks its caller to. */
const BACKLOG = 1024 * 1024;

const PIECE_OF = "SELECT bytes FROM piece WHERE name = $1 AND n = $2::int";

/** How often a piece is tried, and the milliseconds between. */
const TRIES = 5;
const BETWEEN = 500;

export interface PieceLines {
  /** Its transactions do not wait for the disk. */
  readonly writing: Redial;
  readonly reading: Redial;
  readonly clock: Clock;
}

export class Pieces implements Shelf {
  readonly #lines: PieceLines;

  constructor(lines: PieceLines) {
    this.#lines = lines;
  }

  begin(id: MessageId, written: (piece: Uint8Array) => void = ({ length }) => passed(length)): Growing {
    return new NewPieces(id, this.#lines, written);
  }

  async *read(name: string): AsyncGenerator<Uint8Array> {
    const { reading } = this.#lines;
    const ask = async <Row extends object>(sql: string, values: readonly (string | number)[]) =>
      await (await reading.connection()).all<Row>(sql, values);
    const [body] = await ask<{ octets: number }>("SELECT octets FROM body WHERE name = $1", [name]);
    if (body === undefined) throw new SpoolError("io", `body ${name} is not there any more`);
    const piece = (n: number) => ask<{ bytes: Uint8Array }>(PIECE_OF, [name, n]);
    const count = piecesOf(body.octets);
    let next = count > 0 ? piece(0) : undefined;
    for (let n = 0; next !== undefined; n++) {
      const [found] = await next;
      if (found === undefined) throw new SpoolError("io", `piece ${n} of body ${name} is missing`);
      next = n + 1 < count ? piece(n + 1) : undefined;
      // Who stops reading is not told of the piece that was asked for meanwhile.
      next?.catch(() => {});
      yield found.bytes;
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#lines.writing.close(), this.#lines.reading.close()]);
  }

  async unlink(name: string): Promise<void> {
    await (await this.#lines.writing.connection()).all("DELETE FROM piece WHERE name = $1", [name]);
  }
}

class NewPieces implements Growing {
  readonly name: string;
  readonly #lines: PieceLines;
  readonly #written: (piece: Uint8Array) => void;
  /** Ours, and no whole piece yet. */
  #rest: Uint8Array = new Uint8Array(0);
  #backlog: Uint8Array[] = [];
  #waiting = 0;
  #count = 0;
  #writing: Promise<void> | undefined;
  #trouble: unknown;

  constructor(name: string, lines: PieceLines, written: (piece: Uint8Array) => void) {
    this.name = name;
    this.#lines = lines;
    this.#written = written;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#trouble !== undefined) return undefined;
    this.#backlog.push(bytes);
    this.#waiting += bytes.length;
    if (this.#waiting < PIECE) return undefined;
    this.#writing ??= this.#drain(PIECE);
    return this.#waiting > BACKLOG ? this.#writing : undefined;
  }

  async finish(): Promise<void> {
    await this.#writing;
    await this.#drain(1);
    if (this.#trouble !== undefined) throw this.#trouble;
  }

  async discard(): Promise<void> {
    this.#backlog = [];
    this.#waiting = 0;
    await this.#writing;
    if (this.#count === 0) return;
    try {
      await (await this.#lines.writing.connection()).all("DELETE FROM piece WHERE name = $1", [this.name]);
    } catch {}
  }

  async *content(): AsyncGenerator<Uint8Array> {
    await this.#writing;
    if (this.#trouble !== undefined) throw this.#trouble;
    for (let n = 0; n < this.#count; n++) {
      const connection = await this.#lines.writing.connection();
      const [found] = await connection.all<{ bytes: Uint8Array }>(PIECE_OF, [this.name, n]);
      if (found === undefined) throw new SpoolError("io", `piece ${n} of body ${this.name} is missing`);
      yield found.bytes;
    }
    if (this.#rest.length > 0) yield this.#rest;
    yield* this.#backlog;
  }

  /** Writes pieces while at least so many octets wait. */
  async #drain(least: number): Promise<void> {
    try {
      while (this.#waiting >= least) {
        const pieces = this.#backlog;
        const all = copied([this.#rest, ...pieces], this.#waiting);
        pieces.forEach(this.#written);
        this.#backlog = [];
        for (let at = 0; at < all.length; at += PIECE) {
          const piece = all.subarray(at, at + PIECE);
          if (piece.length === PIECE || least === 1) await this.#insert(this.#count++, piece);
          else this.#rest = piece;
        }
        if (all.length % PIECE === 0 || least === 1) this.#rest = new Uint8Array(0);
        this.#waiting -= all.length - this.#rest.length;
      }
    } catch (error) {
      this.#trouble = error;
      this.#backlog = [];
      this.#rest = new Uint8Array(0);
      this.#waiting = 0;
    } finally {
      this.#writing = undefined;
    }
  }

  /** The same piece twice is one. */
  async #insert(n: number, bytes: Uint8Array): Promise<void> {
    const { writing, clock } = this.#lines;
    for (let tries = 1; ; tries++)
      try {
        const connection = await writing.connection();
        await connection.all(
          "INSERT INTO piece VALUES ($1, $2::int, decode($3, 'base64')) ON CONFLICT DO NOTHING",
          [this.name, n, base64(bytes)],
        );
        return;
      } catch (error) {
        const { trouble, message } = faultOf(error);
        if (trouble === "full") throw new SpoolError("full", message, { cause: error });
        if (trouble !== "lost" || tries === TRIES) throw new SpoolError("io", message, { cause: error });
        await pause(clock, BETWEEN);
      }
  }
}

/** @throws SpoolError "io" if a piece of these bodies is missing: asked within the transaction that names them */
export async function allThere(
  db: Transaction,
  named: readonly { readonly name: string; readonly octets: number }[],
): Promise<void> {
  const bodies = named.filter(({ name }) => !isObject(name));
  if (bodies.length === 0) return;
  const missing = await db.all<{ name: string }>(
    `SELECT name FROM json_to_recordset($1::text::json) AS x(name text, pieces int)
     WHERE pieces <> (SELECT count(*) FROM piece p WHERE p.name = x.name)`,
    rows(bodies.map(({ name, octets }) => ({ name, pieces: piecesOf(octets) }))),
  );
  const [first] = missing;
  if (first !== undefined)
    throw new SpoolError("io", `the database has forgotten pieces of body ${first.name}`);
}

const piecesOf = (octets: number): number => Math.ceil(octets / PIECE);
