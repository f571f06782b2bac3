/** One transaction's side of the books: what it does to the lanes' counters, which files it frees, what it notes. */
// Counters move only here and post() writes them last, so that they are right in every commit.
import type { Instant } from "../platform/clock.ts";
import type { Database } from "../platform/sqlite.ts";
import type { Lane, SpoolEvent } from "./spool.ts";
import { code, type StateCode } from "./states.ts";
import type { LaneUsage } from "./store.ts";

interface Delta {
  count: number;
  octets: number;
  accepted: number;
}

/** Who changes something, when and why. */
export interface Mark {
  readonly at: Instant;
  readonly actor: string;
  readonly reason: string;
}

export class Work {
  readonly #db: Database;
  readonly #lanes = new Map<number, Delta>();
  readonly #totals = new Map<string, number>();
  readonly freed: string[] = [];

  constructor(db: Database) {
    this.#db = db;
  }

  /** Adds to a lane's counters: entries, octets, and recipients accepted. */
  add(lane: number, count: number, octets: number, accepted = 0): void {
    if (accepted > 0) this.total("octets", octets);
    const delta = this.#lanes.get(lane);
    if (delta === undefined) this.#lanes.set(lane, { count, octets, accepted });
    else {
      delta.count += count;
      delta.octets += octets;
      delta.accepted += accepted;
    }
  }

  /** Adds to a counter that never goes back. */
  total(what: string, count: number): void {
    this.#totals.set(what, (this.#totals.get(what) ?? 0) + count);
  }

  note(message: number, recipient: string | null, what: SpoolEvent["what"], mark: Mark): void {
    this.total(what, 1);
    this.#db.run(
      "INSERT INTO event (at, message, recipient, what, actor, reason) VALUES (?, ?, ?, ?, ?, ?)",
      mark.at,
      message,
      recipient,
      what,
      mark.actor,
      mark.reason,
    );
  }

  /** A recipient leaves for good; with the last one the entry does, and with its last entry the body. */
  leave(message: number, n: number, state: StateCode, reply: string | null): void {
    this.#db.run(
      "UPDATE recipient SET state = ?, due = NULL, holder = NULL, reply = coalesce(?, reply) WHERE message = ? AND n = ?",
      state,
      reply,
      message,
      n,
    );
  }

  /** Takes `recipients` that left off the entry's count. */
  depart(message: number, recipients: number, at: Instant): void {
    const entry = this.#db.get<{ here: number; lane: number; body: number; size: number }>(
      "SELECT here, lane, body, size FROM message WHERE seq = ?",
      message,
    );
    if (entry === undefined) return;
    const here = entry.here - recipients;
    this.#db.run(
      "UPDATE message SET here = ?, gone = ? WHERE seq = ?",
      here,
      here === 0 ? at : null,
      message,
    );
    if (here > 0) return;
    this.add(entry.lane, -1, -entry.size);
    this.drop(entry.body);
  }

  /** Writes the counters. @returns how the lanes stand now */
  post(): readonly LaneUsage[] {
    for (const [what, count] of this.#totals)
      this.#db.run(
        "INSERT INTO total VALUES (?, ?) ON CONFLICT (what) DO UPDATE SET n = n + excluded.n",
        what,
        count,
      );
    return [...this.#lanes].flatMap(([lane, { count, octets, accepted }]) =>
      this.#db.all<LaneUsage>(
        `UPDATE lane SET count = count + ?, octets = octets + ?, accepted = accepted + ? WHERE id = ?
         RETURNING direction, customer, count, octets`,
        count,
        octets,
        accepted,
        lane,
      ),
    );
  }

  /** One use less of a body; with the last one it goes. */
  drop(body: number): void {
    const kept = this.#db.get<{ uses: number; file: string | null }>(
      "SELECT uses, file FROM body WHERE seq = ?",
      body,
    );
    if (kept === undefined) return;
    if (kept.uses > 1) this.#db.run("UPDATE body SET uses = uses - 1 WHERE seq = ?", body);
    else {
      this.#db.run("DELETE FROM body WHERE seq = ?", body);
      if (kept.file !== null) this.freed.push(kept.file);
    }
  }
}

/** A lane's row number, undefined if nothing was ever posted there. */
export function laneOf(db: Database, { direction, customer }: Lane): number | undefined {
  return db.get<{ id: number }>(
    "SELECT id FROM lane WHERE direction = ? AND customer = ?",
    direction,
    customer,
  )?.id;
}

/** A lane's row number; the lane is made if it is new. */
export function laneFor(db: Database, lane: Lane): number {
  return (
    laneOf(db, lane) ??
    db.run("INSERT INTO lane (direction, customer) VALUES (?, ?)", lane.direction, lane.customer).row
  );
}

/** The states in which a recipient is still here, for statements that use the partial indexes. */
export const HERE = `state < ${code.delivered}`;
