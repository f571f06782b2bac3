/** Counting again: what the spool's counters say, against what is there. Changes nothing. */
// Every question of one audit is asked in one transaction: mail that arrives meanwhile is in all answers or in none.
import { type Database, SqliteError } from "../platform/sqlite.ts";
import type { Direction, MessageId, RecipientState } from "./spool.ts";
import { code } from "./states.ts";
import type { Audit, Tally } from "./store.ts";

/** How many recipients were accepted, and how many are in each state. */
export function tally(db: Database): Tally {
  const rows = db.all<{ state: number; n: number }>(
    "SELECT state, count(*) AS n FROM recipient GROUP BY state",
  );
  const states = Object.fromEntries(
    Object.entries(code).map(([name, state]) => [name, rows.find((row) => row.state === state)?.n ?? 0]),
  ) as Record<RecipientState, number>;
  const accepted = db.get<{ n: number | null }>("SELECT sum(accepted) AS n FROM lane")?.n ?? 0;
  return { accepted, states };
}

const PROBLEMS = 100;

/** What SQLite finds wrong with its own pages and indexes; nothing, if all is well. */
export function integrity(db: Database): readonly string[] {
  const problems: string[] = [];
  for (const check of ["integrity_check", "quick_check"])
    try {
      return [
        ...problems,
        ...db.all<Readonly<Record<string, string>>>(`PRAGMA ${check}(${PROBLEMS})`).flatMap(saidIn),
      ];
    } catch (error) {
      // The damage is such that the thorough check itself cannot go on; the quick one mostly can.
      if (!(error instanceof SqliteError)) throw error;
      if (problems.length === 0) problems.push(error.message);
    }
  return problems;
}

function saidIn(row: Readonly<Record<string, string>>): readonly string[] {
  const lines = Object.values(row).flatMap((said) => said.split("\n"));
  return lines.filter((line) => line !== "ok" && line !== "" && !line.startsWith("***"));
}

export function audit(db: Database): Audit {
  const held = db.get<{ bodies: number; octets: number | null }>(
    "SELECT count(*) AS bodies, sum(octets) AS octets FROM body",
  );
  return {
    bodies: held?.bodies ?? 0,
    octets: held?.octets ?? 0,
    lanes: lanes(db),
    entries: [...idsOf(db, MISCOUNTED_ENTRIES), ...idsOf(db, MISCOUNTED_BODIES)],
    bodiless: idsOf(db, BODILESS),
  };
}

const MISCOUNTED_ENTRIES = `SELECT id FROM message m
  WHERE here <> (SELECT count(*) FROM recipient r WHERE r.message = m.seq AND r.state < ${code.delivered})
    OR (here = 0) <> (gone IS NOT NULL)`;

const MISCOUNTED_BODIES = `SELECT m.id FROM body b JOIN message m ON m.body = b.seq AND m.gone IS NULL
  WHERE b.uses <> (SELECT count(*) FROM message n WHERE n.body = b.seq AND n.gone IS NULL)
    + (SELECT count(*) FROM notice x WHERE x.body = b.seq)`;

const BODILESS =
  "SELECT id FROM message m WHERE gone IS NULL AND NOT EXISTS (SELECT 1 FROM body b WHERE b.seq = m.body)";

function idsOf(db: Database, sql: string): readonly MessageId[] {
  return db.all<{ id: MessageId }>(sql).map(({ id }) => id);
}

interface LaneRow {
  readonly direction: Direction;
  readonly customer: string;
  readonly count: number;
  readonly octets: number;
  readonly entries: number;
  readonly total: number;
}

/** Lanes whose counters are wrong. */
function lanes(db: Database): Audit["lanes"] {
  return db
    .all<LaneRow>(
      `SELECT l.direction, l.customer, l.count, l.octets, count(m.seq) AS entries, coalesce(sum(m.size), 0) AS total
       FROM lane l LEFT JOIN message m ON m.lane = l.id AND m.gone IS NULL
       GROUP BY l.id HAVING l.count <> entries OR l.octets <> total`,
    )
    .map(({ direction, customer, count, octets, entries, total }) => ({
      ...{ direction, customer },
      counted: { count, octets },
      found: { count: entries, octets: total },
    }));
}
