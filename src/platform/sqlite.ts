/** SQLite: bun:sqlite on Bun, node:sqlite elsewhere, behind one synchronous driver. */
// Nothing here is asynchronous: whoever must not be stalled keeps the database in a Worker.

/** What a column holds. Integers beyond 2^53 are not used, and text has no NUL: node:sqlite of Deno cuts it there. */
export type Value = null | number | string | Uint8Array;

export interface Database {
  /** Runs statements that return nothing. */
  exec(sql: string): void;
  /** Runs one statement and says what it did. Statements are prepared once and kept. */
  run(sql: string, ...values: readonly Value[]): Ran;
  /** The first row, undefined if there is none. `Row` is the caller's word for what the columns are. */
  get<Row>(sql: string, ...values: readonly Value[]): Row | undefined;
  all<Row>(sql: string, ...values: readonly Value[]): Row[];
  close(): void;
}

export interface Ran {
  /** Rows that were inserted, changed or deleted. */
  readonly changes: number;
  /** The rowid of the last insert. */
  readonly row: number;
}

/** Opens a database file, making it if it is missing. @throws SqliteError */
export type OpenDatabase = (path: string) => Database;

/** `misuse` is a bug of ours: a syntax error, a broken constraint. */
export type SqliteFault = "full" | "busy" | "corrupt" | "io" | "misuse";

export class SqliteError extends Error {
  override readonly name = "SqliteError";
  readonly fault: SqliteFault;
  constructor(fault: SqliteFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

export const openDatabase: OpenDatabase = (path) => attempt(() => new Driver(connect(path)));

/** What the two native drivers have in common. */
interface Native {
  exec(sql: string): unknown;
  prepare(sql: string): NativeStatement;
  close(): unknown;
}

interface NativeStatement {
  run(...values: readonly Value[]): {
    readonly changes: number | bigint;
    readonly lastInsertRowid: number | bigint;
  };
  get(...values: readonly Value[]): unknown;
  all(...values: readonly Value[]): unknown[];
  /** Bun's alone; node:sqlite finalizes what is left when the database is closed. */
  finalize?(): void;
}

function connect(path: string): Native {
  if (process.versions.bun === undefined) {
    const node = process.getBuiltinModule("node:sqlite") as typeof import("node:sqlite") | undefined;
    if (node === undefined) throw new Error("this runtime has none; Bun, Deno and Node 22.13 do");
    return new node.DatabaseSync(path) as unknown as Native;
  }
  const bun = process.getBuiltinModule("bun:sqlite" as "sqlite") as unknown as typeof import("bun:sqlite");
  return new bun.Database(path, { readwrite: true, create: true }) as unknown as Native;
}

/** Statements kept at most; the oldest goes first. Those made from filters would be without end. */
const KEPT = 256;

class Driver implements Database {
  readonly #native: Native;
  readonly #statements = new Map<string, NativeStatement>();

  constructor(native: Native) {
    this.#native = native;
  }

  exec(sql: string): void {
    attempt(() => this.#native.exec(sql));
  }

  run(sql: string, ...values: readonly Value[]): Ran {
    const { changes, lastInsertRowid } = attempt(() => this.#statement(sql).run(...values));
    return { changes: Number(changes), row: Number(lastInsertRowid) };
  }

  get<Row>(sql: string, ...values: readonly Value[]): Row | undefined {
    return (attempt(() => this.#statement(sql).get(...values)) ?? undefined) as Row | undefined;
  }

  all<Row>(sql: string, ...values: readonly Value[]): Row[] {
    return attempt(() => this.#statement(sql).all(...values)) as Row[];
  }

  /** A statement that is not finalized would keep Bun's database, and its log, open behind our back. */
  close(): void {
    for (const statement of this.#statements.values()) statement.finalize?.();
    this.#statements.clear();
    attempt(() => this.#native.close());
  }

  #statement(sql: string): NativeStatement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#native.prepare(sql);
      this.#statements.set(sql, statement);
      if (this.#statements.size > KEPT) this.#forgetOldest();
    }
    return statement;
  }

  #forgetOldest(): void {
    for (const [sql, statement] of this.#statements) {
      statement.finalize?.();
      this.#statements.delete(sql);
      return;
    }
  }
}

function attempt<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new SqliteError(faultOf(error), `SQLite: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

/** SQLite's result codes (https://www.sqlite.org/rescode.html) and their texts: not every driver gives the code. */
const faults: readonly (readonly [code: number, text: string, fault: SqliteFault])[] = [
  [5, "database is locked", "busy"],
  [6, "database table is locked", "busy"],
  [7, "out of memory", "io"],
  [8, "attempt to write a readonly database", "io"],
  [10, "disk I/O error", "io"],
  [11, "database disk image is malformed", "corrupt"],
  [13, "database or disk is full", "full"],
  [14, "unable to open database file", "io"],
  [26, "file is not a database", "corrupt"],
];

/** The -shm file could not be made as large as it must be: in practice, no room. */
const IOERR_SHMSIZE = 4874;

function faultOf(error: unknown): SqliteFault {
  const { errno, errcode, message } = error as { errno?: number; errcode?: number; message?: string };
  const code = errcode ?? errno;
  if (code === IOERR_SHMSIZE) return "full";
  const known = faults.find(([primary, text]) =>
    code === undefined ? message?.includes(text) : primary === (code & 0xff),
  );
  return known?.[2] ?? "misuse";
}
