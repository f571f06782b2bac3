/** Who is at work on an embedded spool: each process keeps a lock on a file of its own, and what the dead had leased is free. */
// A lock and no number: the system lets go of it when a process ends, however it ends, in a container too, and a pid that
// was used anew means nothing. It is taken before the first lease and given up after the last.
import { join } from "node:path";
import type { Clock } from "../platform/clock.ts";
import type { Files } from "../platform/files.ts";
import type { Random } from "../platform/random.ts";
import { type Database, type OpenDatabase, SqliteError } from "../platform/sqlite.ts";
import { code } from "./states.ts";
import { uuids } from "./uuid.ts";

export interface PresenceTools {
  /** The spool's database. */
  readonly path: string;
  readonly open: OpenDatabase;
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Presence {
  /** Ends the holder of every lease that this process takes. */
  readonly token: string;
  /** After the last lease was given back. */
  leave(): Promise<void>;
}

/** A collision of names is an accident; so many in a row are something else. */
const TRIES = 5;

/** Begins to be there. undefined: the folder takes no files, and leases end by their time alone. */
export async function attend(tools: PresenceTools): Promise<Presence | undefined> {
  const { path, files, clock, random } = tools;
  const newToken = uuids(clock, random);
  await files.makeFolder(folderOf(path));
  for (let tries = 0; tries < TRIES; tries++) {
    const token = newToken();
    const file = fileOf(path, token);
    const lock = locked(file, tools.open);
    // Whoever tidies up may have taken it for a dead one's between its making and its lock.
    if (lock !== undefined && (await files.stat(file)) !== undefined)
      return {
        token,
        async leave() {
          await files.unlink(file);
          lock.close();
        },
      };
    lock?.close();
  }
  return undefined;
}

/**
 * Frees what dead processes had leased. Leases are looked at and freed in one transaction: nobody takes one meanwhile, and
 * all who have one had their lock before. @returns how many recipients wait again
 */
export async function succeedTheDead(tools: PresenceTools): Promise<number> {
  const { path, open, files, clock } = tools;
  const db = open(path);
  let freed = 0;
  try {
    db.exec("PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE");
    for (const { token } of db.all<{ token: string }>(HOLDERS))
      if (isDead(fileOf(path, token), open)) freed += db.run(FREE, clock.now(), token).changes;
    db.exec("COMMIT");
  } finally {
    db.close();
  }
  for (const name of await files.list(folderOf(path))) await tidy(join(folderOf(path), name), tools);
  return freed;
}

const folderOf = (path: string): string => `${path}.present`;
const fileOf = (path: string, token: string): string => join(folderOf(path), token);

const TOKEN = "substr(holder, instr(holder, ' ') + 1)";
const LEASED = `state = ${code.leased} AND instr(holder, ' ') > 0`;
const HOLDERS = `SELECT DISTINCT ${TOKEN} AS token FROM recipient INDEXED BY recipient_lease WHERE ${LEASED}`;
/** What was never tried goes back to its place in the order; a try that nobody finished is no attempt. */
const FREE = `UPDATE recipient INDEXED BY recipient_lease SET state = ${code.waiting}, holder = NULL,
  due = CASE attempts WHEN 0 THEN (SELECT arrived FROM message WHERE seq = recipient.message) ELSE ? END
  WHERE ${LEASED} AND ${TOKEN} = ?`;

/** The lock on a file, which is made if it is missing; undefined: somebody has it, or it is none of ours. */
function locked(file: string, open: OpenDatabase): Database | undefined {
  const db = open(file);
  try {
    db.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    return db;
  } catch (error) {
    db.close();
    if (error instanceof SqliteError) return undefined;
    throw error;
  }
}

function isDead(file: string, open: OpenDatabase): boolean {
  const lock = locked(file, open);
  lock?.close();
  return lock !== undefined;
}

/** Under its lock: nobody can begin to be there by this file meanwhile. */
async function tidy(file: string, { files, open }: PresenceTools): Promise<void> {
  const lock = locked(file, open);
  if (lock === undefined) return;
  await files.unlink(file);
  lock.close();
}
