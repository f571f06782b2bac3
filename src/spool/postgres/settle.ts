/** What became of leased mail: a group's settlements as a few statements, whatever their number. */
// A deferred recipient that an operator has held meanwhile stays held; one that another holder has leased is left alone.
import type { SpoolEvent } from "../spool.ts";
import { code, type StateCode } from "../states.ts";
import type { Settling } from "../store.ts";
import { giveBack } from "./leases.ts";
import { type Due, owe } from "./notices.ts";
import { rows } from "./rows.ts";
import { HERE, type Transaction } from "./transaction.ts";
import type { Departure, Work } from "./work.ts";

/** What each result makes of a recipient. */
const settled: {
  readonly [R in "delivered" | "deferred" | "refused" | "held"]: {
    state: StateCode;
    what: SpoolEvent["what"];
  };
} = {
  delivered: { state: code.delivered, what: "delivered" },
  refused: { state: code.refused, what: "refused" },
  deferred: { state: code.waiting, what: "deferred" },
  held: { state: code.held, what: "held" },
};

export async function settle(db: Transaction, inputs: readonly Settling[], work: Work): Promise<void> {
  const outcomes = inputs.flatMap(({ seq, holder, outcomes: own, now, actor }) =>
    own.map((outcome) => ({
      ...outcome,
      ...{ message: seq, holder: db.holder(holder), now, actor, due: Math.round(outcome.due) },
    })),
  );
  const untried = outcomes.filter(({ result }) => result === "unanswered" || result === "postponed");
  const tried = outcomes.flatMap((outcome, i) => {
    const { result, done } = outcome;
    if (result === "unanswered" || result === "postponed") return [];
    return [{ ...outcome, ...settled[result], i, done: done === undefined ? null : JSON.stringify(done) }];
  });
  const [found] = await Promise.all([changed(db, tried), giveBack(db, untried, work)]);
  const counted = tried.flatMap((outcome) => {
    const row = found.get(outcome.i);
    return row === undefined ? [] : [{ ...outcome, ...row }];
  });
  const refusals = new Map<(typeof counted)[number], Due>();
  const dues: Due[] = [];
  for (const outcome of counted) {
    const { message, n, result, reply, notice } = outcome;
    if (result === "refused") refusals.set(outcome, { message, n, kind: "refused", reply });
    if (notice !== undefined) dues.push({ message, n, kind: notice, reply });
  }
  const wanted = await owe(db, [...refusals.values(), ...dues]);
  const departures: Departure[] = [];
  for (const outcome of counted) {
    const { message, address, lane, what, now, actor, reply, state } = outcome;
    const refusal = refusals.get(outcome);
    const told = refusal === undefined || wanted.has(refusal);
    work.note(message, address, what, { at: now, actor, reason: told ? reply : `${reply} (nobody is told)` });
    if (state >= code.delivered) departures.push({ seq: message, left: 1, at: now });
    else work.touch(lane);
  }
  await work.depart(db, departures);
}

async function changed(
  db: Transaction,
  tried: readonly { readonly i: number; readonly message: number; readonly n: number }[],
): Promise<ReadonlyMap<number, { readonly address: string; readonly lane: number }>> {
  if (tried.length === 0) return new Map();
  const sorted = [...tried].sort((a, b) => a.message - b.message || a.n - b.n);
  const found = await db.all<{ i: number; address: string; lane: number }>(
    `UPDATE recipient r SET attempts = r.attempts + 1, reply = x.reply, holder = NULL, done = coalesce(x.done, r.done),
       due = CASE WHEN x.state = 0 AND r.state <> 2 THEN x.due END,
       state = CASE WHEN x.state = 0 AND r.state = 2 THEN 2 ELSE x.state END
     FROM json_to_recordset($1::text::json)
       AS x(i int, message bigint, n int, holder text, state int, due bigint, reply text, done text)
     WHERE r.message = x.message AND r.n = x.n AND r.holder = x.holder AND r.${HERE}
     RETURNING x.i, r.address, r.lane`,
    rows(sorted),
  );
  return new Map(found.map(({ i, ...row }) => [i, row]));
}
