/** Checks of the spool: its disk, its pages, its sums and its bodies. */
// A spool that is not there yet is none that is broken: it is made at the first start.
import { dirname } from "node:path";
import { formatSize } from "../../src/config/units.ts";
import { type Finding as Damage, isDamage } from "../../src/spool/finding.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { SpoolError } from "../../src/spool/spool.ts";
import { verify } from "../../src/spool/verify.ts";
import { status, statusOf } from "../exit.ts";
import { type Check, fail, ok, row, skipped, type Verdict, warn } from "./check.ts";
import { nearestFolder } from "./files.ts";
import { customersOf, isShared, type Patient, type Room } from "./patient.ts";

const file = (patient: Patient): readonly string[] => (isShared(patient) ? [] : [patient.config.spool]);
const any = ({ config }: Patient): readonly string[] => [config.spool];
const itself = (name: string): string => name.replace(/:\/\/[^@/]*@/, "://");

const MEND = "odmr queue verify says what; odmr queue export saves what can be read";
const MINUTE = 60_000;

export const spoolChecks: readonly Check[] = [
  row({
    check: "file-system",
    group: "spool",
    exit: status.config,
    subjects: file,
    name: itself,
    look: async (path, { disk }) => fileSystemVerdict((await disk.room(await nearestFolder(path))).type),
  }),
  row({
    check: "free-space",
    group: "spool",
    exit: status.cannotCreate,
    subjects: file,
    name: itself,
    look: async (path, patient) => {
      const room = await patient.disk.room(await nearestFolder(path));
      const quotas = customersOf(patient).reduce((sum, { quota }) => sum + quota, 0);
      const { serve, pull } = patient.config;
      const sizes = (pull?.accounts ?? []).map(({ messageSize }) => messageSize);
      return spaceVerdict(room, {
        largest: Math.max(serve?.limits.messageSize ?? 0, ...sizes),
        owed: Math.max(0, quotas - (await usedOctets(patient))),
      });
    },
  }),
  row({
    check: "sync-speed",
    group: "spool",
    exit: status.ioError,
    subjects: file,
    name: itself,
    look: async (path, { disk }) => {
      const folder = await nearestFolder(dirname(path));
      return (await disk.writable(folder))
        ? syncVerdict(await disk.syncs(folder))
        : fail(`${folder} cannot be written to by this user`, "run this as the user that odmr runs as");
    },
  }),
  row({
    check: "spool",
    group: "spool",
    exit: status.dataError,
    subjects: any,
    name: itself,
    look: (_, patient) =>
      withSpool(patient, async (spool) => {
        const entries = await spool.count({});
        return ok(`opens; ${entries} ${entries === 1 ? "entry waits" : "entries wait"}`);
      }),
  }),
  row({
    check: "spool-pages",
    group: "spool",
    exit: status.dataError,
    within: 2 * MINUTE,
    subjects: file,
    name: itself,
    look: (_, patient) =>
      withSpool(patient, async (spool) => {
        const problems = await spool.inspect("integrity", {});
        return problems.length === 0
          ? ok("the database is whole")
          : problems.slice(0, 5).map((problem) => fail(`the database is damaged: ${problem}`, MEND));
      }),
  }),
  row({
    check: "spool-sums",
    group: "spool",
    exit: status.dataError,
    within: 2 * MINUTE,
    subjects: any,
    name: itself,
    look: (_, patient) =>
      withSpool(patient, async (spool) => {
        const { accepted, states } = await spool.inspect("tally", {});
        const sum = Object.values(states).reduce((a, b) => a + b, 0);
        const { lanes, entries, bodiless } = await spool.inspect("audit", {});
        const wrong = lanes.length + entries.length + bodiless.length;
        return sum === accepted && wrong === 0
          ? ok(`${accepted} recipients were accepted, and all are accounted for`)
          : fail(`${accepted} recipients were accepted, ${sum} are there, ${wrong} sums are wrong`, MEND);
      }),
  }),
  row({
    check: "spool-bodies",
    group: "spool",
    exit: status.dataError,
    within: 60 * MINUTE,
    subjects: any,
    name: itself,
    look: (_, patient) =>
      patient.bodies
        ? withSpool(patient, bodiesVerdict)
        : Promise.resolve(skipped("not every message was read", "odmr doctor --bodies reads them all")),
  }),
];

const mends: Readonly<Partial<Record<SpoolError["fault"], string>>> = {
  version:
    "use the odmr that it was made with, or start a newer one with it; see that spool: names the right file",
  busy: "see that its database runs, and whether another program holds it locked",
  io: "see the disk, and run this as the user that odmr runs as",
  unreachable: "see that the database runs, and its address in spool:",
  denied: "see the user and the password in spool:",
};

async function withSpool(
  patient: Patient,
  look: (spool: EmbeddedSpool) => Promise<Verdict | readonly Verdict[]>,
): Promise<Verdict | readonly Verdict[]> {
  try {
    const spool = await patient.spool();
    return spool === undefined ? skipped("none there yet; it is made at the first start") : await look(spool);
  } catch (error) {
    if (!(error instanceof SpoolError)) throw error;
    return { ...fail(error.message, mends[error.fault] ?? MEND), exit: statusOf(error) };
  }
}

async function bodiesVerdict(spool: EmbeddedSpool): Promise<Verdict | readonly Verdict[]> {
  const found: Damage[] = [];
  for await (const each of verify(spool)) if (isDamage(each)) found.push(each);
  return found.length === 0
    ? ok("every message is there, and intact")
    : found.slice(0, 20).map((each) => fail(saidOf(each), MEND));
}

const saidOf = (found: Damage): string =>
  "problem" in found
    ? found.problem
    : "ids" in found
      ? `${found.type}: ${found.ids.join(", ") || "an entry without a name"}`
      : `${found.type}`;

/** What is in the spool already counts neither as free nor as still to come. */
async function usedOctets(patient: Patient): Promise<number> {
  const spool = await patient.spool().catch(() => undefined);
  const lanes = (await spool?.records.lanes().catch(() => [])) ?? [];
  return lanes.reduce((sum, { octets }) => sum + octets, 0);
}

/** Kinds of file systems that lose mail, or break SQLite's log (statfs(2)). */
const unfit: Readonly<Record<number, readonly [status: "warn" | "fail", why: string]>> = {
  16914836: ["fail", "it is in memory (tmpfs), and gone at the next start"],
  2240043254: ["fail", "it is in memory (ramfs), and gone at the next start"],
  26985: ["fail", "it is on a network file system (NFS), where SQLite's log is not safe"],
  4283649346: ["fail", "it is on a network file system (CIFS), where SQLite's log is not safe"],
  4266872130: ["fail", "it is on a network file system (SMB), where SQLite's log is not safe"],
  2035054128: ["warn", "it is in a container's own layer (overlay), and gone with the container"],
};

export function fileSystemVerdict(type: number): Verdict {
  const why = unfit[type];
  if (why === undefined) return ok("on a disk of this machine");
  const mend = "put spool: on a disk (a volume, in a container)";
  return why[0] === "fail" ? fail(why[1], mend) : warn(why[1], mend);
}

export interface Demand {
  /** The largest message, in octets. */
  readonly largest: number;
  /** What customers may still fill of their quotas. */
  readonly owed: number;
}

const GIB = 2 ** 30;

export function spaceVerdict({ free, size, files }: Room, { largest, owed }: Demand): Verdict {
  const mend = "make room there, or put spool: on a larger disk";
  const left = `${formatSize(roundedDown(free))} are free`;
  if (files === 0) return fail("no more files can be made (inodes)", mend);
  if (free < 2 * largest) return fail(`${left}: not enough for two messages of the largest size`, mend);
  if (free < Math.min(GIB, size / 20)) return warn(left, mend);
  if (owed > free)
    return warn(
      `${left}; customers may still fill ${formatSize(roundedDown(owed))}`,
      "lower the quotas, or make room",
    );
  return ok(left);
}

/** As many as can be said in two digits or so: the last octets are nobody's concern. */
function roundedDown(octets: number): number {
  const unit = [GIB, 2 ** 20, 2 ** 10].find((each) => octets >= each) ?? 1;
  return Math.floor(octets / unit) * unit;
}

/** A message alone waits for one sync; from so many a second on, no disk was asked. */
const SLOW = 20;
const UNBELIEVABLE = 50_000;

export function syncVerdict(perSecond: number): Verdict {
  const said = `${Math.round(perSecond)} syncs a second`;
  if (perSecond < SLOW)
    return warn(`${said}: slow; each commit waits for one`, "a faster disk, or one without other work");
  if (perSecond > UNBELIEVABLE)
    return warn(
      `${said}: more than any disk can`,
      "see that nothing ignores syncs (eatmydata, a cache without power)",
    );
  return ok(said);
}
