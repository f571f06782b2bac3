/** Contests: every round runs all who take part, in random order; ratios are taken within a round, and their median counts. */
// A rate of another day, or of another minute, is no baseline: machines are shared, and disks have moods.
import { appendFileSync } from "node:fs";
import { parseArgs } from "node:util";

export interface Measured {
  /** Of whatever the contest counts, a second. */
  readonly rate: number;
  /** CPU seconds for 1,000 messages. */
  readonly cpu?: number;
  /** The most memory that the process tree had, in MB; `pss` counts shared pages once. */
  readonly rss?: number;
  readonly pss?: number;
  readonly [more: string]: number | undefined;
}

export interface Contender {
  readonly name: string;
  /** The ratio to the first contender that this one should reach. */
  readonly goal?: number;
  measure(): Promise<Measured>;
}

export interface Contest {
  readonly name: string;
  /** The first one is the baseline. */
  readonly contenders: readonly Contender[];
}

export const { values } = parseArgs({
  options: { rounds: { type: "string" }, json: { type: "string" }, binary: { type: "string" } },
  strict: false,
});

/** The program under test: what `--binary` names, else dist/odmr. */
export const binary = String(values.binary ?? process.env.ODMR_BINARY ?? "dist/odmr");

/** `--rounds`, or as many as a median needs. */
export const rounds = Number(values.rounds ?? 5);

/** What a goal asks, and what was found: a line of the table at the end, and of the JSON. */
export interface Finding {
  readonly what: string;
  /** The goal: at least, or at most, so many of a unit ("×" is times Postfix). */
  readonly least?: number;
  readonly most?: number;
  readonly unit: string;
  /** One for each round; their median counts. */
  readonly found: readonly number[];
  /** Medians of CPU seconds for 1,000 messages and of the highest memory in MB, where they were looked at. */
  readonly cpu?: number;
  readonly rss?: number;
}

export interface Verdict extends Finding {
  readonly median: number;
  readonly met: boolean;
}

/** Holds what was found against its goal. */
export function judge(finding: Finding): void {
  const { found, least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } = finding;
  const middle = median(found);
  const verdict: Verdict = { ...finding, median: middle, met: middle >= least && middle <= most };
  note({ verdict });
}

/** The one table of all goals. */
export function verdicts(all: readonly Verdict[]): void {
  console.log("\n### Goals\n");
  row(["", "goal", "median (range)", "met", "CPU s/1000", "RSS MB"]);
  row(Array.from({ length: 6 }, () => "---"));
  for (const { what, least, most, unit, found, met, cpu, rss } of all) {
    const goal = least === undefined ? `≤ ${shown(most ?? Number.NaN)}` : `≥ ${shown(least)}`;
    const costs = [cpu, rss].map((cost) => shown(cost ?? Number.NaN));
    row([what, `${goal} ${unit}`, spread(found), met ? "yes" : "**no**", ...costs]);
  }
  console.log(`\n${all.filter(({ met }) => met).length} of ${all.length} goals are met.`);
}

/**
 * Runs a contest, prints its rows, judges those who have a goal, and adds each measurement as a line to the file that
 * `--json` names. @returns what was measured of the last contender
 */
export async function contest({ name, contenders }: Contest): Promise<readonly Measured[]> {
  const results = new Map<string, Measured[]>(contenders.map((one) => [one.name, []]));
  for (let round = 0; round < rounds; round++)
    for (const one of shuffled(contenders)) {
      const measured = await one.measure();
      results.get(one.name)!.push(measured);
      note({ contest: name, round, contender: one.name, ...measured });
    }
  const base = results.get(contenders[0]!.name)!;
  for (const [i, one] of contenders.entries()) {
    const got = results.get(one.name)!;
    const ratios = got.map(({ rate }, round) => rate / base[round]!.rate);
    const costs = { cpu: median(of(got, "cpu")), rss: median(of(got, "rss")), pss: median(of(got, "pss")) };
    const cells = [name, one.name, spread(of(got, "rate")), i === 0 ? "1" : spread(ratios), one.goal ?? ""];
    row([...cells.map(String), ...Object.values(costs).map(shown)]);
    if (one.goal !== undefined)
      judge({ what: `${name}: ${one.name}`, least: one.goal, unit: "× Postfix", found: ratios, ...costs });
  }
  return results.get(contenders.at(-1)!.name)!;
}

/** The head of the table that contest() adds rows to. */
export function heading(title: string, unit: string): void {
  console.log(`\n### ${title}\n`);
  row(["", "", `${unit}: median (range)`, "ratio: median (range)", "goal", "CPU s/1000", "RSS MB", "PSS MB"]);
  row(Array.from({ length: 8 }, () => "---"));
}

export function row(cells: readonly string[]): void {
  console.log(`| ${cells.join(" | ")} |`);
}

/** One line of JSON for programs. */
export function note(what: Readonly<Record<string, unknown>>): void {
  if (values.json !== undefined) appendFileSync(String(values.json), `${JSON.stringify(what)}\n`);
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** `median (least–most)`. */
export function spread(values: readonly number[]): string {
  return `${shown(median(values))} (${shown(Math.min(...values))}–${shown(Math.max(...values))})`;
}

function of(measured: readonly Measured[], what: string): readonly number[] {
  return measured.flatMap((one) => one[what] ?? []);
}

/** Three digits that count. */
function shown(value: number): string {
  if (Number.isNaN(value)) return "";
  return value >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}

function shuffled<T>(all: readonly T[]): readonly T[] {
  return all
    .map((one) => ({ one, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ one }) => one);
}
