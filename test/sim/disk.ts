/** A machine's disk: platform/files and platform/sqlite as they are, with time, faults, and power cuts. */
// Every act is one happening of the world and takes effect at once; what a cut leaves of it is for tree.ts and database.ts to say.
import { existsSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Files, type NewFile, systemFiles } from "../../src/platform/files.ts";
import {
  type Database,
  type OpenDatabase,
  openDatabase,
  SqliteError,
  type SqliteFault,
} from "../../src/platform/sqlite.ts";
import { SqliteBooks } from "./database.ts";
import { type Inode, Tree } from "./tree.ts";
import type { Chance, Fault, Life } from "./world.ts";

export interface Illness {
  /** What fails: writes, for it is full; reads and writes; syncs, of what was written without trouble. */
  readonly fault: "full" | "io" | "sync";
  /** Of an act that can fail. */
  readonly chance: number;
}

/** Where in a commit the power goes: nothing is written, some of it is, or all is and nobody hears of it. */
export type Moment = "before" | "within" | "after";

/** How the disk is asked to lie, for mutants: what the program does is not done. */
export interface Omissions {
  readonly fileSync?: boolean;
  readonly folderSync?: boolean;
  /** Statements as they are run instead. */
  readonly sql?: (statement: string) => string;
}

/** What kind of act it is. */
type Kind = "read" | "write" | "unlink" | "sync";

/** One act on the disk. */
type Act = <T>(what: string, kind: Kind, real: () => T | Promise<T>) => Promise<T>;

const errno = { full: "ENOSPC", io: "EIO", sync: "EIO" } as const;
const ails: Readonly<Record<Illness["fault"], readonly Kind[]>> = {
  full: ["write"],
  io: ["read", "write", "unlink", "sync"],
  sync: ["sync"],
};

export class Disk {
  /** While it is ill, acts fail. */
  illness: Illness | undefined;
  /** The power goes at the commit after so many; `cut` is told. */
  power: { commits: number; readonly moment: Moment; readonly cut: () => void } | undefined;
  /** A sync of the log failed: nothing works until the machine starts again. */
  gone = false;
  readonly #tree: Tree;
  readonly #chance: Chance;
  readonly #omissions: Omissions;
  readonly #books = new Map<string, SqliteBooks>();
  readonly #databases = new Map<SimulatedDatabase, string>();
  readonly #open = new Set<NewFile>();

  constructor(root: string, chance: Chance, omissions: Omissions = {}) {
    this.#tree = new Tree(root);
    this.#chance = chance;
    this.#omissions = omissions;
  }

  get root(): string {
    return this.#tree.root;
  }

  /** The power is off: what was not sure may be gone. Whoever used the disk is dead. */
  cutPower(): void {
    const logs = new Map<string, Uint8Array>();
    const survivors = this.#tree.survivors(this.#chance, (path) => {
      if (!path.endsWith(".db")) return undefined;
      const books = this.#books.get(path) ?? new SqliteBooks(path);
      const { database, log } = books.survivors(this.#chance);
      if (log !== undefined) logs.set(`${path}-wal`, log);
      return database;
    });
    for (const [path, log] of logs) survivors.files.set(path, log);
    for (const database of this.#databases.keys()) database.forget();
    this.#databases.clear();
    for (const file of this.#open) void file.close().catch(() => {});
    this.#open.clear();
    this.#books.clear();
    this.#tree.restore(survivors);
    this.power = undefined;
    this.gone = false;
  }

  remove(): void {
    for (const database of this.#databases.keys()) database.forget();
    rmSync(this.root, { recursive: true, force: true });
    rmSync(`${this.root}.grave`, { recursive: true, force: true });
  }

  /** The file system, as a program sees it in this life. */
  files(life: Life): Files {
    const tree = this.#tree;
    const act: Act = (what, kind, real) =>
      life.do(this.#chance.wait(1, 200), () => {
        if (this.gone || this.#fails(kind, life)) throw this.#errorOf(what);
        life.world.note(`${life.name} disk ${what}`);
        return real();
      });
    const short = (path: string) => path.slice(this.root.length + 1);
    return {
      create: (path) =>
        act(`create ${short(path)}`, "write", async () => {
          const { file, inode } = await tree.create(path, life.now());
          this.#open.add(file);
          return this.#newFile(life, file, inode, act);
        }),
      read: (path, from) => pieces(act, path, from),
      unlink: (path) => act(`unlink ${short(path)}`, "unlink", () => tree.unlink(path)),
      removeFolder: (path) => act(`rmdir ${short(path)}`, "unlink", () => tree.removeFolder(path)),
      rename: (from, to) => act(`rename ${short(from)}`, "write", () => tree.rename(from, to)),
      makeFolder: (path) => act(`mkdir ${short(path)}`, "write", () => tree.makeFolder(path)),
      syncFolder: (path) =>
        act(`sync folder ${short(path)}`, "sync", () =>
          this.#omissions.folderSync ? undefined : tree.syncFolder(path),
        ),
      list: (path) => act(`list ${short(path)}`, "read", () => tree.list(path)),
      stat: (path) =>
        act(`stat ${short(path)}`, "read", async () => {
          const found = await systemFiles.stat(path);
          return found && { ...found, changed: tree.inode(path)?.changed ?? life.now() };
        }),
      free: (path) => act("free", "read", () => systemFiles.free(path)),
    };
  }

  #newFile(life: Life, file: NewFile, inode: Inode, act: Act): NewFile {
    return {
      append: (...pieces) => {
        const octets = pieces.reduce((sum, { length }) => sum + length, 0);
        return act(`append ${octets}`, "write", async () => {
          await file.append(...pieces);
          inode.length += octets;
          inode.changed = life.now();
        });
      },
      sync: () => {
        const upTo = inode.length;
        const synced = act("sync", "sync", async () => {
          if (this.#omissions.fileSync) return;
          await file.sync();
          inode.synced = upTo;
        });
        // Whatever a later sync says: what was written before this one may be gone.
        return synced.catch((error: unknown) => {
          inode.spoiled = true;
          throw error;
        });
      },
      close: () =>
        life.do(this.#chance.wait(1, 200), async () => {
          this.#open.delete(file);
          await file.close();
        }),
    };
  }

  /** @returns whether an ill disk fails this act */
  #fails(kind: Kind, { world }: Life): boolean {
    if (this.illness === undefined || !ails[this.illness.fault].includes(kind)) return false;
    if (!this.#chance.happens(this.illness.chance)) return false;
    world.strike(kind === "write" && this.illness.fault === "full" ? "diskFull" : strikes[kind]);
    return true;
  }

  #errorOf(what: string): Error {
    const code = this.gone ? "EIO" : errno[this.illness?.fault ?? "io"];
    return Object.assign(new Error(`${code} by order: ${what}`), { code });
  }

  /** SQLite, as a program sees it in this life. */
  sqlite(life: Life): OpenDatabase {
    return (path) => {
      if (!this.#books.has(path)) this.#books.set(path, new SqliteBooks(path));
      const database = new SimulatedDatabase(path, life, this);
      this.#databases.set(database, path);
      return database;
    };
  }

  // What SimulatedDatabase asks of its disk.

  statement(sql: string): string {
    return this.#omissions.sql?.(sql) ?? sql;
  }

  /** @throws SqliteError if a statement fails now */
  before(kind: "read" | "write", life: Life): void {
    if (this.#fails(kind, life)) throw faultOf(this.illness?.fault === "full" ? "full" : "io");
  }

  /** An ill disk whose sync fails leaves it open what is on it. */
  syncFails(life: Life): boolean {
    if (this.illness?.fault === "full" || !this.#fails("sync", life)) return false;
    this.gone = true;
    return true;
  }

  /** Whether the power goes in this commit, and where. */
  powerIn(): Moment | undefined {
    if (this.power === undefined || --this.power.commits > 0) return undefined;
    return this.power.moment;
  }

  committed(path: string, connection: Database): void {
    if (this.#books.get(path)?.committed(connection)) this.#tree.sureNames(dirname(path));
  }

  closed(database: SimulatedDatabase, synced: boolean): void {
    const path = this.#databases.get(database);
    this.#databases.delete(database);
    if (path === undefined || [...this.#databases.values()].includes(path)) return;
    if (existsSync(path)) this.#books.get(path)?.closed(synced);
  }

  /** How often SQLite writes its log back: seldom in life, often here. */
  get rhythm(): number {
    return this.#chance.one([20, 100, 4000]);
  }
}

const strikes = {
  read: "readError",
  write: "diskError",
  unlink: "diskError",
  sync: "syncError",
} as const satisfies Record<Kind, Fault>;

/** A file's pieces, read in one act, as its content does not change any more. */
async function* pieces(act: Act, path: string, from?: number): AsyncGenerator<Uint8Array> {
  yield* await act("read", "read", async () => {
    const all: Uint8Array[] = [];
    for await (const piece of systemFiles.read(path, from)) all.push(piece);
    return all;
  });
}

const faultOf = (fault: SqliteFault): SqliteError => new SqliteError(fault, `${fault} by order`);
const WRITES = /^(INSERT|UPDATE|DELETE|COMMIT|BEGIN IMMEDIATE)/;

/** One connection to a database, in one life. */
class SimulatedDatabase implements Database {
  readonly #path: string;
  readonly #life: Life;
  readonly #disk: Disk;
  readonly #real: Database;
  #forgotten = false;

  constructor(path: string, life: Life, disk: Disk) {
    this.#path = path;
    this.#life = life;
    this.#disk = disk;
    this.#real = openDatabase(path);
  }

  exec(sql: string): void {
    this.#may();
    this.#real.exec(this.#disk.statement(sql));
    if (sql.includes("wal_autocheckpoint"))
      this.#real.exec(`PRAGMA wal_autocheckpoint = ${this.#disk.rhythm}`);
  }

  run(sql: string, ...values: Parameters<Database["run"]>[1][]): ReturnType<Database["run"]> {
    this.#may();
    if (sql === "COMMIT") return this.#commit();
    if (WRITES.test(sql)) this.#disk.before("write", this.#life);
    return this.#real.run(this.#disk.statement(sql), ...values);
  }

  get<Row>(sql: string, ...values: Parameters<Database["run"]>[1][]): Row | undefined {
    this.#may();
    this.#disk.before(WRITES.test(sql) ? "write" : "read", this.#life);
    return this.#real.get<Row>(this.#disk.statement(sql), ...values);
  }

  all<Row>(sql: string, ...values: Parameters<Database["run"]>[1][]): Row[] {
    this.#may();
    this.#disk.before("read", this.#life);
    return this.#real.all<Row>(this.#disk.statement(sql), ...values);
  }

  close(): void {
    if (this.#forgotten || this.#life.dead) return;
    const synced = (this.#real.get<{ synchronous: number }>("PRAGMA synchronous")?.synchronous ?? 0) > 0;
    this.forget();
    this.#disk.closed(this, synced);
  }

  /** Its process is dead: only the handle is given back. */
  forget(): void {
    if (this.#forgotten) return;
    this.#forgotten = true;
    this.#real.close();
  }

  #may(): void {
    if (this.#forgotten || this.#life.dead || this.#disk.gone) throw faultOf("io");
  }

  #commit(): ReturnType<Database["run"]> {
    this.#disk.before("write", this.#life);
    const moment = this.#disk.powerIn();
    if (moment !== "before") this.#real.run("COMMIT");
    if (moment === undefined && this.#disk.syncFails(this.#life)) throw faultOf("io");
    if (moment !== "before" && moment !== "within") this.#disk.committed(this.#path, this.#real);
    if (moment !== undefined) {
      this.#disk.power?.cut();
      throw faultOf("io");
    }
    this.#life.world.note(`${this.#life.name} commit`);
    return { changes: 0, row: 0 };
  }
}

export const under = (disk: Disk, ...names: readonly string[]): string => join(disk.root, ...names);
