/** The store on SQLite: a batch of operations is one transaction. Synchronous inside; runs in any thread. */
// A batch whose COMMIT failed was not stored, whatever came before it: all of it is told the fault.
import { type Database, type OpenDatabase, SqliteError } from "../platform/sqlite.ts";
import { act, expire, prune, shrink } from "./actions.ts";
import { audit, integrity, tally } from "./audit.ts";
import { accept } from "./intake.ts";
import { lease, renew, settle, soonest, unlease } from "./leases.ts";
import { adopt, bodyOf, keepBooks, kept, lacking, ledger } from "./moving.ts";
import { ageing, forgive, owed } from "./notices.ts";
import { count, files, history, latest } from "./pages.ts";
import { reads } from "./reads.ts";
import { addHoldRule, holdRules, removeHoldRule } from "./rules.ts";
import { bodies, content, page, unreadable } from "./salvage.ts";
import { type Step, upgrade } from "./schema.ts";
import { SpoolError, type SpoolFault } from "./spool.ts";
import type { Answer, Answers, Input, LaneUsage, Name, Operation, Output, Store } from "./store.ts";
import { lanes, series, totals } from "./sums.ts";
import { changes, lastTurns, noteTurn, turns } from "./turns.ts";
import { Work } from "./work.ts";

type Act<N extends Name> = (db: Database, input: Input<N>, work: Work) => Output<N>;

const acts: { readonly [N in Name]: Act<N> } = {
  accept,
  lease,
  soonest,
  renew,
  settle,
  unlease,
  act,
  expire,
  prune,
  shrink,
  page,
  count,
  history,
  latest,
  content,
  bodies,
  files,
  tally,
  integrity,
  audit,
  unreadable,
  kept,
  bodyOf,
  lacking,
  adopt,
  ledger,
  keepBooks,
  noteTurn,
  turns,
  lastTurns,
  changes,
  lanes,
  totals,
  series,
  holdRules,
  addHoldRule,
  removeHoldRule,
  owed,
  ageing,
  forgive,
  look: () => undefined,
};

/**
 * WAL with a sync at every commit. The log is written back every 16 MiB, which takes a moment, and its file is cut
 * to 64 MiB: it neither stalls intake for long nor grows for ever. What mail that left has filled is given back by
 * shrink(), of spools that were made so: the mode is chosen before the first table.
 */
const settings = `
PRAGMA busy_timeout = 10000;
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = OFF;
PRAGMA wal_autocheckpoint = 4000;
PRAGMA journal_size_limit = 67108864;
PRAGMA cache_size = -8192;
PRAGMA temp_store = MEMORY;
`;

export interface StoreOptions {
  readonly path: string;
  /** The id that a new spool gets. */
  readonly id: string;
  readonly open: OpenDatabase;
  readonly steps?: readonly Step[];
}

/** @throws SpoolError */
export function openStore(options: StoreOptions): SqliteStore {
  return attempt(() => {
    const db = options.open(options.path);
    try {
      db.exec(settings);
      return new SqliteStore(db, upgrade(db, options.id, options.steps));
    } catch (error) {
      db.close();
      throw error;
    }
  });
}

export class SqliteStore implements Store {
  /** The spool's id. */
  readonly id: string;
  readonly #db: Database;
  #version = -1;

  constructor(db: Database, id: string) {
    this.#db = db;
    this.id = id;
  }

  async call(batch: readonly Operation[]): Promise<Answers> {
    return this.run(batch);
  }

  async close(): Promise<void> {
    this.end();
  }

  /** call(), for whoever is in a thread of its own. */
  run(batch: readonly Operation[]): Answers {
    return this.#together(batch);
  }

  end(): void {
    this.#db.close();
  }

  /** Where there is no room for all, there may be for some: settlements even make room. So with damage. */
  #together(batch: readonly Operation[]): Answers {
    try {
      return this.#commit(batch);
    } catch (error) {
      const { fault, message } = faultOf(error);
      if ((fault === "full" || fault === "corrupt") && batch.length > 1)
        return joined(batch.map((one) => this.#together([one])));
      return { answers: batch.map((): Answer => ({ fault, message })), usage: [], freed: [] };
    }
  }

  #commit(batch: readonly Operation[]): Answers {
    const work = new Work(this.#db);
    const others = this.#othersUsage();
    const looks = batch.every(({ name }) => reads.has(name));
    this.#db.run(looks ? "BEGIN" : "BEGIN IMMEDIATE");
    try {
      const answers = batch.map((operation): Answer => ({ value: perform(this.#db, operation, work) }));
      const usage = [...others, ...work.post()];
      // After reading around damage there is no COMMIT any more, and nothing to lose without it.
      if (looks) this.#rollBack();
      else this.#db.run("COMMIT");
      return { answers, usage, freed: work.freed };
    } catch (error) {
      this.#rollBack();
      this.#version = -1;
      throw error;
    }
  }

  /** Some faults have rolled back already: then there is nothing to roll back, which is no trouble. */
  #rollBack(): void {
    try {
      this.#db.run("ROLLBACK");
    } catch (error) {
      if (!(error instanceof SqliteError)) throw error;
    }
  }

  /** All lanes, if another connection has written since we looked last. */
  #othersUsage(): readonly LaneUsage[] {
    const { data_version: version } = this.#db.get<{ data_version: number }>("PRAGMA data_version") ?? {
      data_version: 0,
    };
    if (version === this.#version) return [];
    this.#version = version;
    return this.#db.all<LaneUsage>("SELECT direction, customer, count, octets FROM lane");
  }
}

function perform(db: Database, { name, input }: Operation, work: Work): Output<Name> {
  return (acts[name] as Act<Name>)(db, input, work);
}

function joined(parts: readonly Answers[]): Answers {
  return {
    answers: parts.flatMap(({ answers }) => answers),
    usage: parts.flatMap(({ usage }) => usage),
    freed: parts.flatMap(({ freed }) => freed),
  };
}

function faultOf(error: unknown): { readonly fault: SpoolFault; readonly message: string } {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof SpoolError) return { fault: error.fault, message };
  if (error instanceof SqliteError && error.fault !== "misuse") return { fault: error.fault, message };
  return { fault: "io", message };
}

function attempt<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    const { fault, message } = faultOf(error);
    throw new SpoolError(fault, message, { cause: error });
  }
}
