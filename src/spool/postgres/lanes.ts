/** The lanes of a shared spool as this node knows them: their numbers, and what each holds by the last look. */
// A lane is never renumbered and never removed. A node looks only at what changed since it looked last.
import type { Lane } from "../spool.ts";
import type { LaneUsage, Operation } from "../store.ts";
import type { Connection } from "./connection.ts";
import { rows } from "./rows.ts";
import { HORIZON } from "./transaction.ts";

/** Numbers are given before they are seen: a lane may become visible after one with a higher number. */
const BEHIND = 100;

export class Lanes {
  readonly #numbers = new Map<string, number>();
  readonly all = new Map<number, Lane>();
  /** Transactions from this one on may be unseen. */
  #horizon = 0;
  #fresh = true;
  #highest = 0;
  /** By each lane the last transaction that was told of. */
  readonly #told = new Map<number, number>();

  /** Nobody has looked yet. */
  get fresh(): boolean {
    return this.#fresh;
  }

  of(lane: Lane): number | undefined {
    return this.#numbers.get(key(lane));
  }

  /** Before a transaction, so that none waits for another that makes the same lane: all that the batch names are there. */
  async know(connection: Connection, batch: readonly Operation[]): Promise<void> {
    const { needed, named } = lanesIn(batch);
    const missing = needed.filter((lane) => this.of(lane) === undefined);
    if (missing.length > 0)
      await connection.all(
        `INSERT INTO lane (direction, customer) SELECT DISTINCT direction, customer
         FROM json_to_recordset($1::text::json) AS x(direction text, customer text) ORDER BY 1, 2 ON CONFLICT DO NOTHING`,
        [rows(missing)],
      );
    const filtered = batch.some(({ input }) => "filter" in input);
    if (filtered || missing.length > 0 || named.some((lane) => this.of(lane) === undefined))
      await this.#read(connection);
  }

  /** Lanes in which something changed since this was asked last. */
  async news(connection: Connection): Promise<readonly LaneUsage[]> {
    const [[horizon], found] = await Promise.all([
      connection.all<{ tx: number }>(`SELECT ${HORIZON} AS tx`),
      connection.all<LaneUsage & { readonly lane: number; readonly changed: number }>(
        `SELECT c.lane, l.direction, l.customer, sum(c.count)::bigint AS count, sum(c.octets)::bigint AS octets,
           max(c.changed) AS changed
         FROM lane_count c JOIN lane l ON l.id = c.lane
         WHERE c.lane IN (SELECT lane FROM lane_count WHERE changed >= $1::bigint) GROUP BY c.lane, l.id`,
        [this.#horizon],
      ),
    ]);
    this.#horizon = horizon?.tx ?? this.#horizon;
    this.#fresh = false;
    return found.flatMap(({ lane, changed, ...usage }) => {
      if (this.#told.get(lane) === changed) return [];
      this.#told.set(lane, changed);
      return [usage];
    });
  }

  async #read(connection: Connection): Promise<void> {
    const found = await connection.all<Lane & { readonly id: number }>(
      "SELECT id, direction, customer FROM lane WHERE id > $1::int",
      [this.#highest - BEHIND],
    );
    for (const { id, ...lane } of found) {
      this.#numbers.set(key(lane), id);
      this.all.set(id, lane);
      this.#highest = Math.max(this.#highest, id);
    }
  }
}

/** Lanes that must be there, and lanes that are asked about. */
function lanesIn(batch: readonly Operation[]): {
  readonly needed: readonly Lane[];
  readonly named: readonly Lane[];
} {
  const needed: Lane[] = [];
  const named: Lane[] = [];
  for (const { name, input } of batch)
    switch (name) {
      case "accept":
        needed.push(...input.postings.map(({ lane }) => lane));
        break;
      case "adopt":
        needed.push(...input.mail.flatMap(({ entries }) => entries.map(({ lane }) => lane)));
        break;
      case "act":
        if (input.action.type === "move") needed.push({ direction: "turn", customer: input.action.customer });
        break;
      case "lease":
      case "renew":
      case "soonest":
        named.push(input.lane);
        break;
    }
  return { needed, named };
}

function key({ direction, customer }: Lane): string {
  return `${direction} ${customer}`;
}
