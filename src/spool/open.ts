/** Opens the spool at a path, making what is missing, so that nobody but its owner can read it; or a shared one. */
// "worker" for programs that serve: the database never stalls their sockets. "here" for tests and single acts.
import { dirname, resolve } from "node:path";
import type { Clock } from "../platform/clock.ts";
import { type Files, makeNamed } from "../platform/files.ts";
import type { Log } from "../platform/log.ts";
import type { Random } from "../platform/random.ts";
import { type OpenDatabase, openDatabase } from "../platform/sqlite.ts";
import { Bodies } from "./bodies.ts";
import { ioError } from "./draft.ts";
import { EmbeddedSpool } from "./front.ts";
import { isPostgres } from "./postgres/address.ts";
import { attend, type Presence, succeedTheDead } from "./presence.ts";
import { type Named, recover, strays } from "./recover.ts";
import { SpoolError } from "./spool.ts";
import { openStore } from "./sqlite.ts";
import type { Store } from "./store.ts";
import { uuids } from "./uuid.ts";
import { WorkerStore } from "./worker.ts";

export interface SpoolOptions {
  /** The database file; large bodies lie in `<path>.bodies/`. Or `postgres://…`. */
  readonly path: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly files: Files;
  readonly thread: "worker" | "here";
  /** Who this program is, in the history: `serve`, `pull`, `cli:root`. */
  readonly actor?: string;
  /** The id that a new spool gets; undefined: one that never was. */
  readonly id?: string;
  /** Nothing is tidied up at the start, and damage in some of its pages does not keep it shut: for a look, or a single act. */
  readonly asIs?: boolean;
  /** A shared spool is not made: it must be there. */
  readonly there?: boolean;
  /** For tests: the clock of a shared spool's connections, where `clock` is moved by hand. */
  readonly lineClock?: Clock;
  /** For tests: another driver, "here" only. */
  readonly sqlite?: OpenDatabase;
  /** For simulations: what stands between a spool and its store "here", as the Worker does otherwise. */
  readonly between?: (store: Store) => Store;
}

/** @throws SpoolError */
export async function openSpool(options: SpoolOptions): Promise<EmbeddedSpool> {
  const { path, clock, random, log, files } = options;
  if (isPostgres(path)) return await openShared(options);
  await prepare(path, files).catch((error: unknown) => {
    throw ioError(error);
  });
  const { store, id } = await connect(options, options.id ?? uuids(clock, random)()).catch(
    (error: unknown) => {
      throw error instanceof SpoolError && error.fault === "io" ? placed(error, path) : error;
    },
  );
  const bodies = new Bodies(`${path}.bodies`, files, clock);
  const front = {
    ...{ id, bodies, clock, random, log, actor: options.actor ?? "odmr" },
    strays: (named: () => Promise<Named>) => strays(bodies, named, files),
  };
  const presence = await begin(options);
  const present = presence && { token: presence.token, closing: presence.leave };
  const reader = async () => (await connect(options, id)).store;
  const threaded = options.thread === "here" ? {} : { reader };
  const spool = new EmbeddedSpool(store, { ...front, ...present, ...threaded });
  if (options.asIs === true) return spool;
  try {
    await recover(bodies, () => spool.files(), options);
    if (presence !== undefined) await succeed(options);
  } catch (error) {
    await spool.close();
    throw error instanceof SpoolError ? error : ioError(error);
  }
  return spool;
}

/** SQLite's words name no file. */
function placed(error: SpoolError, path: string): SpoolError {
  const why = `the spool ${path} cannot be opened: ${error.message}; it and its folder must be ours to read and to write`;
  return new SpoolError("io", why, { cause: error });
}

/** Says that this process is at work. Who cannot (a full disk) works all the same: its leases end by their time alone. */
async function begin(options: SpoolOptions): Promise<Presence | undefined> {
  if (options.asIs === true || options.sqlite !== undefined) return undefined;
  return await attend({ ...options, open: openDatabase }).catch((error: unknown) => {
    options.log.log("warn", "presence not noted", { why: String(error) });
    return undefined;
  });
}

/** Where that fails, leases of the dead end by their time. */
async function succeed(options: SpoolOptions): Promise<void> {
  try {
    const freed = await succeedTheDead({ ...options, open: openDatabase });
    if (freed > 0) options.log.log("info", "leases of a dead process freed", { recipients: freed });
  } catch (error) {
    options.log.log("warn", "leases of the dead not freed", { why: String(error) });
  }
}

/** Its code and its driver are loaded where there is one. */
async function openShared({ path, ...options }: SpoolOptions): Promise<EmbeddedSpool> {
  const { openPostgres } = await import("./postgres/open.ts");
  const { id, actor = "odmr", asIs = false } = options;
  return await openPostgres({ ...options, address: path, id, actor, asIs });
}

/**
 * The file exists, empty and private, before SQLite sees it: its -wal and -shm take their mode from it. Its name is durable,
 * and so is its folder's, whoever made them: without them a power cut would take the whole spool.
 */
async function prepare(path: string, files: Files): Promise<void> {
  const folder = resolve(dirname(path));
  await makeNamed(folder, files);
  try {
    if ((await files.stat(path)) === undefined) await (await files.create(path)).close();
  } catch (error) {
    if ((await files.stat(path)) === undefined) throw error;
  }
  await files.syncFolder(folder);
}

async function connect(
  { path, thread, sqlite, between = (store) => store }: SpoolOptions,
  id: string,
): Promise<{ readonly store: Store; readonly id: string }> {
  if (thread === "worker") return await WorkerStore.open(path, id);
  const store = openStore({ path, id, open: sqlite ?? openDatabase });
  return { store: between(store), id: store.id };
}
