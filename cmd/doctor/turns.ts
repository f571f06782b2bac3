/** Checks of turns: when each customer last called, when each account was last called, and what came of it. */
// Read from the spool's records: a turn that found no mail is one too.
import type { TurnRecord } from "../../src/spool/records.ts";
import { status } from "../exit.ts";
import { ageText } from "../table.ts";
import { type Check, fail, ok, row, skipped, type Verdict, warn } from "./check.ts";
import { accountsOf, customersOf, type Patient } from "./patient.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

export const turnChecks: readonly Check[] = [
  row({
    check: "last-turn",
    group: "turns",
    exit: status.unavailable,
    subjects: customersOf,
    name: ({ name }) => name,
    look: async ({ name, hold }, patient) => {
      const last = await lastOf("provider", name, patient);
      return last === undefined
        ? skipped("no spool there yet")
        : turnVerdict(last, { now: patient.clock.now(), expected: DAY, late: hold / 2, who: "it" });
    },
  }),
  row({
    check: "last-call",
    group: "turns",
    exit: status.unavailable,
    subjects: accountsOf,
    name: ({ name }) => name,
    look: async ({ name, every, schedule }, patient) => {
      const last = await lastOf("customer", name, patient);
      const expected = schedule === undefined ? Math.max(HOUR, 3 * (every ?? 0)) : DAY;
      return last === undefined
        ? skipped("no spool there yet")
        : turnVerdict(last, {
            now: patient.clock.now(),
            expected,
            late: Number.POSITIVE_INFINITY,
            who: "the account",
          });
    },
  }),
];

/** The newest turn, and the newest that did not fail; each may be missing. */
export interface Last {
  readonly any: TurnRecord | undefined;
  readonly good: TurnRecord | undefined;
}

async function lastOf(
  side: TurnRecord["side"],
  customer: string,
  patient: Patient,
): Promise<Last | undefined> {
  const spool = await patient.spool();
  if (spool === undefined) return undefined;
  const asked = { side, customer, limit: 1 } as const;
  const [[any], [running], [done]] = await Promise.all([
    spool.records.turns(asked),
    spool.records.turns({ ...asked, state: "running" }),
    spool.records.turns({ ...asked, state: "done" }),
  ]);
  return { any, good: running ?? done };
}

export interface Terms {
  readonly now: number;
  /** Milliseconds after which somebody should wonder, and after which mail is in danger. */
  readonly expected: number;
  readonly late: number;
  readonly who: string;
}

export function turnVerdict({ any, good }: Last, { now, expected, late, who }: Terms): Verdict {
  const mend =
    who === "it"
      ? "see that its odmr pull runs, and what it logs"
      : "see that odmr pull --daemon runs, or cron calls odmr pull; odmr pull tells what is wrong";
  if (any === undefined) return warn(who === "it" ? "it has never called" : "it was never called", mend);
  const failing = any.state === "failed" ? `; the last try failed: ${any.why ?? "nobody knows why"}` : "";
  if (good === undefined) return fail(`no turn ever went well${failing}`, mend);
  if (good.state === "running") return ok("on the line now");
  const age = now - (good.ended ?? good.started);
  const said = `last ${ageText(age)} ago${failing}`;
  if (age > late) return fail(`${said}; its mail will expire`, mend);
  if (age > expected || failing !== "") return warn(said, mend);
  return ok(said);
}
