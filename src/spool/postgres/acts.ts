/** What each operation does, for all of its kind in a batch at once. */
// The names are the store's; what changes nothing is known by the embedded store's list.
import type { Input, Name, Output } from "../store.ts";
import { act, expire, prune } from "./actions.ts";
import { adopt, keepBooks } from "./adopting.ts";
import { accept } from "./intake.ts";
import { lease, renew, soonest, unlease } from "./leases.ts";
import { ledger } from "./ledger.ts";
import { bodyOf, kept, lacking } from "./moving.ts";
import { ageing, owed, pay } from "./notices.ts";
import { bodies, content, count, files, history, latest, page } from "./pages.ts";
import { audit, changes, lanes, lastTurns, noteTurns, series, tally, totals, turns } from "./records.ts";
import { addHoldRules, holdRules, removeHoldRule } from "./rules.ts";
import { settle } from "./settle.ts";
import type { Transaction } from "./transaction.ts";
import type { Work } from "./work.ts";

/** One answer for each input, in their order. */
export type Act = (db: Transaction, inputs: readonly unknown[], work: Work) => Promise<readonly unknown[]>;
type ActOf<N extends Name> = (
  db: Transaction,
  inputs: readonly Input<N>[],
  work: Work,
) => Promise<readonly Output<N>[]>;

export const acts: { readonly [N in Name]: ActOf<N> } = {
  accept,
  lease: each(lease),
  soonest: each(soonest),
  renew: each(renew),
  settle: together(settle),
  unlease: together(unlease),
  act: each(act),
  expire: each(expire),
  prune: each(prune),
  shrink: each(async () => 0), // PostgreSQL vacuums by itself
  page: each(page),
  count: each(count),
  history: each(history),
  latest: each(latest),
  content: each(content),
  bodies: each(bodies),
  files: each(files),
  tally: each(tally),
  integrity: each(async () => []),
  audit: each(audit),
  unreadable: each(async () => ({ rows: 0, ids: [], next: undefined })),
  kept: each(kept),
  bodyOf: each(bodyOf),
  lacking: each(lacking),
  adopt: each(adopt),
  ledger: each(ledger),
  keepBooks: each(async (db, books) => void (await keepBooks(db, books))),
  noteTurn: together(noteTurns),
  turns: each(turns),
  lastTurns: each(lastTurns),
  changes: each(changes),
  lanes: each(lanes),
  totals: each(totals),
  series: each(series),
  holdRules: each(holdRules),
  addHoldRule: together(addHoldRules),
  removeHoldRule: each((db, { id }) => removeHoldRule(db, id)),
  owed: each(owed),
  ageing: each(ageing),
  forgive: each(async (db, payment) => void (await pay(db, payment))),
  look: each(async () => undefined),
};

/** One after the other: there are few of its kind, or each sees what the one before it did. */
function each<In, Out>(
  one: (db: Transaction, input: In, work: Work) => Promise<Out>,
): (db: Transaction, inputs: readonly In[], work: Work) => Promise<readonly Out[]> {
  return async (db, inputs, work) => {
    const answers: Out[] = [];
    for (const input of inputs) answers.push(await one(db, input, work));
    return answers;
  };
}

function together<In>(
  all: (db: Transaction, inputs: readonly In[], work: Work) => Promise<void>,
): (db: Transaction, inputs: readonly In[], work: Work) => Promise<readonly undefined[]> {
  return async (db, inputs, work) => {
    await all(db, inputs, work);
    return inputs.map(() => undefined);
  };
}
