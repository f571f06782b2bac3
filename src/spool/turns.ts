/** Records of turns: their rows, and what is new since a watcher last looked. */
// A turn that runs is seen again and again; one that is not has ended with its process, and is shown as failed.

import type { Database, Value } from "../platform/sqlite.ts";
import type { Change, TurnRecord } from "./records.ts";
import { BACKLOG, DEAD_AFTER, type TurnRow, turnOf } from "./rows.ts";
import type { SpoolEvent } from "./spool.ts";
import type { Changes, Input } from "./store.ts";
import { leastIdAt } from "./uuid.ts";
import type { Work } from "./work.ts";

export function noteTurn(db: Database, { turn, now }: Input<"noteTurn">, work: Work): undefined {
  db.run(
    `INSERT OR REPLACE INTO turn
     SELECT ?, ?, ?, ?, ?, 1 + coalesce(max(changed), 0), ?, ?, ?, ?, ?, ?, ?, ? FROM turn`,
    ...[turn.id, turn.side, turn.customer, turn.state, now, turn.started, turn.ended ?? null],
    ...[turn.delivered, turn.deferred, turn.refused, turn.octets, turn.peer, turn.why ?? null],
  );
  if (turn.state !== "running") work.total(`${turn.side} ${turn.state}`, 1);
}

/** Forgets turns that began before, but for each customer's last. @returns how many */
export function forgetTurns(db: Database, { before, limit }: Input<"prune">): number {
  return db.run(
    `DELETE FROM turn WHERE id IN (SELECT id FROM turn t WHERE id < ? AND EXISTS
       (SELECT 1 FROM turn n WHERE n.side = t.side AND n.customer = t.customer AND n.id > t.id) ORDER BY id LIMIT ?)`,
    leastIdAt(before),
    limit,
  ).changes;
}

export function turns(db: Database, { filter, now }: Input<"turns">): readonly TurnRecord[] {
  const { customer, side, state, before, limit } = filter;
  const running = "(state = 'running' AND seen > ?)";
  const alive = now - DEAD_AFTER;
  const conditions: readonly (readonly [sql: string, ...values: Value[]])[] = [
    ...(customer === undefined ? [] : [["customer = ?", customer] as const]),
    ...(side === undefined ? [] : [["side = ?", side] as const]),
    ...(before === undefined ? [] : [["id < ?", before.toLowerCase()] as const]),
    ...(state === "running" ? [[running, alive] as const] : []),
    ...(state === "done" ? [["state = 'done'"] as const] : []),
    ...(state === "failed"
      ? [["(state = 'failed' OR (state = 'running' AND seen <= ?))", alive] as const]
      : []),
  ];
  return db
    .all<TurnRow>(
      `SELECT * FROM turn WHERE ${conditions.map(([sql]) => sql).join(" AND ") || "1"} ORDER BY id DESC LIMIT ?`,
      ...conditions.flatMap(([, ...values]) => values),
      limit,
    )
    .map((row) => turnOf(row, now));
}

export function lastTurns(db: Database, { now }: Input<"lastTurns">): readonly TurnRecord[] {
  return db
    .all<TurnRow>(
      `SELECT * FROM turn WHERE id IN (SELECT max(id) FROM turn GROUP BY side, customer) ORDER BY side, customer`,
    )
    .map((row) => turnOf(row, now));
}

/** Events and turns that are new since `after`; without it nothing, but where new ones will come. */
export function changes(db: Database, { after, limit, now }: Input<"changes">): Changes {
  const end = {
    event: db.get<{ n: number | null }>("SELECT max(seq) AS n FROM event")?.n ?? 0,
    turn: db.get<{ n: number | null }>("SELECT max(changed) AS n FROM turn")?.n ?? 0,
  };
  if (after === undefined) return { changes: [], next: end };
  const behind = end.event - after.event;
  const from = behind > BACKLOG || behind < 0 ? end.event : after.event;
  const missed: readonly Change[] = behind > BACKLOG ? [{ type: "missed", events: behind }] : [];
  const events = eventsAfter(db, from, limit);
  const turns = db.all<TurnRow>(
    "SELECT * FROM turn WHERE changed > ? ORDER BY changed LIMIT ?",
    after.turn ?? end.turn,
    limit,
  );
  return {
    changes: [
      ...missed,
      ...events,
      ...turns.map((row) => ({ type: "turn", turn: turnOf(row, now) }) as const),
    ],
    next: { event: events.at(-1)?.seq ?? from, turn: turns.at(-1)?.changed ?? after.turn ?? end.turn },
  };
}

function eventsAfter(db: Database, seq: number, limit: number) {
  return db
    .all<Omit<SpoolEvent, "recipient"> & { readonly recipient: string | null; readonly seq: number }>(
      `SELECT e.seq, e.at, m.id, e.recipient, e.what, e.actor, e.reason FROM event e JOIN message m ON m.seq = e.message
       WHERE e.seq > ? ORDER BY e.seq LIMIT ?`,
      seq,
      limit,
    )
    .map(({ seq, recipient, ...event }) => ({
      type: "event" as const,
      seq,
      event: { ...event, ...(recipient !== null && { recipient }) },
    }));
}
