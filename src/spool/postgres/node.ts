/** A program at work on a shared spool: its row among the nodes, its slot of counters, and the sweeping that each does. */
// By the database's clock, so that nodes agree on who was seen when. Nothing that a node decides depends on this row.
import type { Clock, Timer } from "../../platform/clock.ts";
import type { Log } from "../../platform/log.ts";
import { version } from "../../version.ts";
import type { NodeRecord } from "../records.ts";
import { SpoolError } from "../spool.ts";
import type { Connection } from "./connection.ts";
import type { Redial } from "./redial.ts";
import { check } from "./schema.ts";

const BEAT = 10_000;
/** A node that was not seen for so long counts as gone, and its slot as free. */
const ABSENT = "interval '1 minute'";
/** Marks are for nodes that lost an answer a moment ago. */
const SWEPT = "interval '1 day'";
/** Every so many beats: of an hour. */
const SWEEP_EVERY = 360;
const PIECES_OLD = 86_400_000;
/** Leases are by the nodes' clocks. */
const SKEW = 10_000;

export interface NodeOptions {
  readonly id: string;
  readonly name: string;
  readonly actor: string;
  readonly line: Redial;
  readonly clock: Clock;
  readonly log: Log;
  /** The newest version of the tables that it knows. */
  readonly known: number;
  /** Sweeps what is not in the tables, until the signal. */
  readonly sweep: (signal: AbortSignal) => Promise<void>;
}

export class Node {
  readonly #options: NodeOptions;
  #slot = 0;
  #barred: SpoolError | undefined;
  #timer: Timer | undefined;
  #beats = 0;
  #beating: Promise<void> = Promise.resolve();
  readonly #ending = new AbortController();
  #sweeping: Promise<void> = Promise.resolve();

  constructor(options: NodeOptions) {
    this.#options = options;
  }

  /** The slot of its counters: 0 is shared by those that only look in. */
  get standing(): { readonly slot: number; readonly barred: SpoolError | undefined } {
    return { slot: this.#slot, barred: this.#barred };
  }

  /** Takes a slot, and says from now on that it is there. */
  async begin(): Promise<void> {
    await this.#beat();
    this.#arm();
  }

  async close(): Promise<void> {
    this.#ending.abort();
    this.#timer?.stop();
    await Promise.all([this.#beating, this.#sweeping]);
    if (this.#slot === 0) return;
    const { line, id } = this.#options;
    await line
      .connection()
      .then((db) => db.all("DELETE FROM node WHERE id = $1::text::uuid", [id]))
      .catch(() => {});
  }

  #arm(): void {
    if (this.#ending.signal.aborted) return;
    this.#timer = this.#options.clock.after(BEAT, () => {
      this.#beating = this.#beat()
        .catch((error: Error) => {
          const { log } = this.#options;
          if (error instanceof SpoolError && error.fault === "version") this.#barred = error;
          log.log("warn", "the node's beat was missed", { error: error.message });
        })
        .finally(() => this.#arm());
    });
  }

  async #beat(): Promise<void> {
    const { line, id, name, actor, clock, log, known } = this.#options;
    const db = await line.connection();
    await check(db, known);
    const asked = clock.now();
    const [row] = await db.all<{ slot: number; now: number }>(
      `INSERT INTO node (id, slot, name, actor, version, schema)
       SELECT $1::text::uuid, (SELECT min(s) FROM generate_series(1, 10000) s
         WHERE NOT EXISTS (SELECT 1 FROM node WHERE slot = s AND seen > now() - ${ABSENT})), $2, $3, $4, $5::int
       ON CONFLICT (id) DO UPDATE SET seen = now()
       RETURNING slot, (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now`,
      [id, name, actor, version, known],
    );
    if (row === undefined) return;
    this.#slot = row.slot;
    const skew = Math.round((asked + clock.now()) / 2 - row.now);
    if (Math.abs(skew) > SKEW)
      log.log("warn", "clocks differ: leases end by them; set this host's", { skew });
    if (this.#beats++ % SWEEP_EVERY === 0) await this.#sweep(db);
  }

  /** What no program that lives can still ask for: marks, rows of nodes that ended, pieces that no body names. */
  async #sweep(db: Connection): Promise<void> {
    const { clock, log, sweep } = this.#options;
    this.#sweeping = sweep(this.#ending.signal).catch((error: Error) => {
      log.log("warn", "abandoned bodies not looked for", { why: error.message });
    });
    await db.all(`DELETE FROM mark WHERE at < now() - ${SWEPT}`);
    await db.all(`DELETE FROM node WHERE seen < now() - ${SWEPT}`);
    const before = (clock.now() - PIECES_OLD).toString(16).padStart(12, "0");
    const strays = await db.all(
      `DELETE FROM piece p WHERE p.name < $1 AND NOT EXISTS (SELECT 1 FROM body b WHERE b.name = p.name) RETURNING n`,
      [`${before.slice(0, 8)}-${before.slice(8)}`],
    );
    if (strays.length > 0) log.log("info", "abandoned bodies removed", { pieces: strays.length });
  }
}

/** Programs that were seen within a day, newest first. */
export async function nodesOf(db: Connection, own: string): Promise<readonly NodeRecord[]> {
  return await db.all<NodeRecord>(
    `SELECT id, name, actor, version, (extract(epoch FROM started) * 1000)::bigint AS started,
       (extract(epoch FROM seen) * 1000)::bigint AS seen, seen > now() - ${ABSENT} AS alive,
       id = $1::text::uuid AS self FROM node ORDER BY alive DESC, name, started DESC`,
    [own],
  );
}
