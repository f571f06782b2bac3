/** SQLite's files as a power cut leaves them: how far the log is sure is read from how the connection is set. */
// synchronous=FULL: a commit that returned has synced the log, and a checkpoint that ran with it the database. NORMAL: only a
// checkpoint syncs. OFF: nothing is ever sure, and the simulation loses mail.
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import type { Database } from "../../src/platform/sqlite.ts";
import { tornTail } from "./tree.ts";
import type { Chance } from "./world.ts";

const HEADER = 32;

export interface SqliteFiles {
  readonly database: Uint8Array;
  readonly log: Uint8Array | undefined;
}

interface Settings {
  readonly synchronous: number;
  readonly mode: string;
}

export class SqliteBooks {
  readonly #path: string;
  readonly #settings = new WeakMap<Database, Settings>();
  #database: Uint8Array = new Uint8Array();
  /** Of the log: its header (it begins anew with another) and how far it is sure. */
  #log: { readonly header: string; readonly length: number } = { header: "", length: 0 };
  /** Where the database was when we read it last: its log's header, and how far that was written back. */
  #place = "";
  /** Whether anything is ever synced: by what the last connection that committed said. */
  #syncs = false;

  /** @param path a file whose content is sure */
  constructor(path: string) {
    this.#path = path;
    if (existsSync(path)) this.#database = readFileSync(path);
    this.#log = this.#logNow();
  }

  /** A transaction was committed, or the connection closed. @returns whether anything was synced */
  committed(connection: Database): boolean {
    const { synchronous, mode } = this.#settingsOf(connection);
    this.#syncs = synchronous > 0 && mode === "wal";
    if (!this.#syncs) return false;
    const log = this.#logNow();
    const place = `${log.header} ${this.#writtenBack()}`;
    const checkpointed = place !== this.#place;
    if (synchronous < 2 && !checkpointed) return false;
    if (checkpointed) this.#database = readFileSync(this.#path);
    this.#place = place;
    this.#log = log;
    return true;
  }

  /** They are set once, before the first table is made. */
  #settingsOf(connection: Database): Settings {
    const known = this.#settings.get(connection);
    if (known !== undefined) return known;
    const settings = {
      synchronous: connection.get<{ synchronous: number }>("PRAGMA synchronous")?.synchronous ?? 0,
      mode: connection.get<{ journal_mode: string }>("PRAGMA journal_mode")?.journal_mode ?? "",
    };
    this.#settings.set(connection, settings);
    return settings;
  }

  /** The last connection has closed: the log went into the database, which was synced, unless it never is. */
  closed(synced: boolean): void {
    if (!synced) return;
    this.#database = readFileSync(this.#path);
    this.#log = { header: "", length: 0 };
    this.#place = "";
  }

  /**
   * What a power cut leaves now. Of a commit that did not come to its end the log may be torn, or it was synced and partly
   * written back, but not both: SQLite syncs the log before it writes anything of it into the database.
   */
  survivors(chance: Chance): SqliteFiles {
    const database = readFileSync(this.#path);
    const log = existsSync(`${this.#path}-wal`) ? readFileSync(`${this.#path}-wal`) : undefined;
    const writesBack = this.#syncs && !same(this.#database, database);
    if (writesBack && chance.happens(0.5)) return { database: mixed(this.#database, database, chance), log };
    const begunAnew = this.#logNow().header !== this.#log.header;
    return {
      database: writesBack ? this.#database : mixed(this.#database, database, chance),
      log: log && tornTail(log, begunAnew ? 0 : this.#log.length, chance),
    };
  }

  #logNow(): { readonly header: string; readonly length: number } {
    const path = `${this.#path}-wal`;
    return { header: piece(path, 0, HEADER), length: statSync(path, { throwIfNoEntry: false })?.size ?? 0 };
  }

  /** How many frames of the log are in the database: nBackfill of the index (https://www.sqlite.org/walformat.html §2.2). */
  #writtenBack(): string {
    return piece(`${this.#path}-shm`, 96, 4);
  }
}

function piece(path: string, from: number, length: number): string {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw fault;
  }
  try {
    const octets = Buffer.alloc(length);
    return octets.subarray(0, readSync(file, octets, 0, length, from)).toString("hex");
  } finally {
    closeSync(file);
  }
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

const PAGE = 4096;

/** Each page as it is sure, or as it was written since. */
function mixed(sure: Uint8Array, now: Uint8Array, chance: Chance): Uint8Array {
  if (same(sure, now)) return sure;
  const kind = chance.one(["sure", "now", "mixed"] as const);
  if (kind !== "mixed") return kind === "sure" ? sure : now;
  const pages: Uint8Array[] = [];
  for (let at = 0; at < Math.max(sure.length, now.length); at += PAGE) {
    const [a, b] = [sure.subarray(at, at + PAGE), now.subarray(at, at + PAGE)];
    pages.push(chance.happens(0.5) && a.length > 0 ? a : b);
  }
  return new Uint8Array(Buffer.concat(pages));
}
