/** Checks of the clock: against a time server where one is named, and against what the spool has seen. */
import { status } from "../exit.ts";
import { ageText } from "../table.ts";
import { type Check, fail, ok, row, skipped, type Verdict, warn } from "./check.ts";

const MINUTE = 60_000;

export const clockChecks: readonly Check[] = [
  row({
    check: "clock",
    group: "clock",
    exit: status.config,
    subjects: ({ time }) => [time],
    name: () => "this machine",
    look: async (time, patient) => {
      const [latest] = (await (await patient.spool().catch(() => undefined))?.records.latest(1)) ?? [];
      const ahead = latest === undefined ? 0 : latest.at - patient.clock.now();
      const offset = await time?.().catch((error: unknown) => error as Error);
      return offset instanceof Error
        ? warn(`the time server does not answer: ${offset.message}`, "name another with --ntp")
        : clockVerdict(offset, ahead);
    },
  }),
];

/** @param offset how far this clock is before a time server's, in milliseconds @param ahead of the last event of the spool */
export function clockVerdict(offset: number | undefined, ahead: number): Verdict {
  const mend = "let systemd-timesyncd or chrony set it";
  if (ahead > MINUTE)
    return fail(`the spool has seen a time ${ageText(ahead)} from now: the clock went back`, mend);
  if (offset === undefined)
    return skipped("nothing was named to compare it with", "--ntp SERVER asks a time server");
  const said = `${Math.abs(offset) < 1000 ? `${Math.round(Math.abs(offset))} ms` : ageText(Math.abs(offset))} ${offset < 0 ? "behind" : "before"} the time server`;
  if (Math.abs(offset) > 5 * MINUTE) return fail(said, mend);
  return Math.abs(offset) > 5_000 ? warn(said, mend) : ok(said);
}
