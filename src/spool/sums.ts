/** Sums for those who look after the spool: lanes, counters, series over time. Changes nothing. */
// Each is answered from an index or a counter; none looks through the messages.

import type { Database } from "../platform/sqlite.ts";
import type { Bucket, LaneSum, Totals } from "./records.ts";
import { bucketsOf, totalsOf } from "./rows.ts";
import type { Direction, SpoolEvent } from "./spool.ts";
import type { Input } from "./store.ts";

interface LaneRow {
  readonly direction: Direction;
  readonly customer: string;
  readonly count: number;
  readonly octets: number;
  readonly oldest: number | null;
  readonly held: number;
  readonly leased: number;
}

/** Oldest by the order of acceptance; what is held has no `due`, which is what the index is asked for. */
export function lanes(db: Database, { now }: Input<"lanes">): readonly LaneSum[] {
  return db
    .all<LaneRow>(
      `SELECT direction, customer, count, octets,
         (SELECT arrived FROM message INDEXED BY message_lane WHERE lane = l.id AND gone IS NULL ORDER BY seq LIMIT 1)
           AS oldest,
         (SELECT count(*) FROM recipient WHERE lane = l.id AND due IS NULL AND state < 3) AS held,
         (SELECT count(*) FROM recipient WHERE lane = l.id AND state = 1 AND due > ?) AS leased
       FROM lane l ORDER BY direction, customer`,
      now,
    )
    .map(({ oldest, ...row }) => ({ ...row, ...(oldest !== null && { oldest }) }));
}

export function totals(db: Database): Totals {
  const of = new Map(
    db.all<{ what: string; n: number }>("SELECT what, n FROM total").map(({ what, n }) => [what, n]),
  );
  return totalsOf(of);
}

export function series(db: Database, { from, to, bucket }: Input<"series">): readonly Bucket[] {
  const rows = db.all<{ n: number; what: SpoolEvent["what"]; count: number }>(
    // A driver may bind a large whole number as a real one, whose division leaves a fraction.
    `SELECT CAST((at - ?) / ? AS INTEGER) AS n, what, count(*) AS count FROM event WHERE at >= ? AND at < ? GROUP BY 1, 2`,
    from,
    bucket,
    from,
    to,
  );
  return bucketsOf(rows, { from, to, bucket });
}
