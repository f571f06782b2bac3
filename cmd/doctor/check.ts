/** What a check is, what it finds, and how all of them are made at once. */
// A check looks and never touches: whatever it says to mend is for the operator to do.
import { ConnectionError } from "../../src/net/connection.ts";
import { LineError } from "../../src/net/talk.ts";
import type { Clock } from "../../src/platform/clock.ts";
import { SpoolError } from "../../src/spool/spool.ts";
import type { Status } from "../exit.ts";
import type { Patient } from "./patient.ts";

export const groups = [
  "config",
  "files",
  "spool",
  "certificate",
  "dns",
  "listeners",
  "turns",
  "peers",
  "targets",
  "clock",
] as const;

export type Group = (typeof groups)[number];

/** What was found: fine, to be looked at, to be mended, or not looked at, and why. */
export interface Verdict {
  readonly status: "ok" | "warn" | "fail" | "skipped";
  readonly detail: string;
  /** What to do. */
  readonly mend?: string;
  /** The exit status, if it is another than the check's. */
  readonly exit?: Status;
}

export const ok = (detail: string): Verdict => ({ status: "ok", detail });
export const warn = (detail: string, mend: string): Verdict => ({ status: "warn", detail, mend });
export const fail = (detail: string, mend: string): Verdict => ({ status: "fail", detail, mend });
export const skipped = (detail: string, mend?: string): Verdict => ({
  status: "skipped",
  detail,
  ...(mend !== undefined && { mend }),
});

/** A verdict with what it is on; `--json` prints it as it is. The names of checks and groups are kept. */
export interface Finding extends Omit<Verdict, "exit"> {
  readonly check: string;
  readonly group: Group;
  /** A domain, a file, a listener, a customer, an account, a target. */
  readonly subject: string;
}

/** A finding, and the exit status if it failed. */
export interface Found {
  readonly finding: Finding;
  readonly exit: Status;
}

/** A row of the table of checks: looked at once for each of its subjects. */
export interface Check {
  readonly check: string;
  readonly group: Group;
  /** The exit status if it fails. */
  readonly exit: Status;
  /** Milliseconds for one subject. */
  readonly within: number;
  looks(patient: Patient): readonly Look[];
}

export interface Look {
  readonly subject: string;
  look(): Promise<Verdict | readonly Verdict[]>;
}

export interface Row<S> extends Pick<Check, "check" | "group" | "exit"> {
  /** Milliseconds for one subject; twenty seconds unless given. */
  readonly within?: number;
  /** None: there is nothing of the kind here, and nothing is said. */
  subjects(patient: Patient): readonly S[];
  name(subject: S): string;
  look(subject: S, patient: Patient): Promise<Verdict | readonly Verdict[]>;
}

const WITHIN = 20_000;

export function row<S>({ subjects, name, look, within = WITHIN, ...rest }: Row<S>): Check {
  return {
    ...rest,
    within,
    looks: (patient) =>
      subjects(patient).map((subject) => ({ subject: name(subject), look: () => look(subject, patient) })),
  };
}

/** So many looks are under way at once. */
const AT_ONCE = 48;

/** All findings, in the order of the table, each as soon as it and those before it are there. */
export async function* examine(checks: readonly Check[], patient: Patient): AsyncGenerator<Found> {
  const all = checks.flatMap((check) => check.looks(patient).map((look) => ({ check, look })));
  const found = all.map(() => Promise.withResolvers<readonly Found[]>());
  const waiting = all.map(({ check, look }, i) => async () => {
    const { subject } = look;
    const verdicts = [await verdictsOf(check, look, patient.clock)].flat();
    const named = { check: check.check, group: check.group, subject };
    found[i]!.resolve(
      verdicts.map(({ exit = check.exit, ...verdict }) => ({ finding: { ...named, ...verdict }, exit })),
    );
  });
  const take = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await next();
  };
  const hands = Array.from({ length: AT_ONCE }, take);
  for (const { promise } of found) yield* await promise;
  await Promise.all(hands);
}

/** Never throws: a check that cannot be made is a finding too. */
async function verdictsOf(
  { within }: Check,
  { look }: Look,
  clock: Clock,
): Promise<Verdict | readonly Verdict[]> {
  const { promise, resolve } = Promise.withResolvers<Verdict>();
  const late = () =>
    resolve(
      warn(`no result within ${within / 1000} s`, "look at it by itself with --only, or at the network"),
    );
  const timer = clock.after(within, late);
  try {
    return await Promise.race([look().catch(unmade), promise]);
  } finally {
    timer.stop();
  }
}

function unmade(error: unknown): Verdict {
  const why = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && error.name === "NameTrouble")
    return warn(`${why}: DNS does not answer`, "ask again later, or another name server with --dns");
  if (error instanceof ConnectionError || error instanceof LineError)
    return fail(why, "see that it runs, and that nothing is between");
  if (error instanceof SpoolError)
    return skipped(`the spool cannot be read: ${why}`, "see the check of the spool");
  return warn(`it could not be looked at: ${why}`, "run this as the user that odmr runs as, or as root");
}

/** The exit status of an examination: 0, or of what failed the most pressing. */
const PRESSING: readonly Status[] = [65, 73, 74, 77, 69, 75, 78];

export function statusFor(found: readonly Found[]): Status {
  const all = new Set(found.flatMap(({ finding, exit }) => (finding.status === "fail" ? [exit] : [])));
  return PRESSING.find((status) => all.has(status)) ?? 0;
}
