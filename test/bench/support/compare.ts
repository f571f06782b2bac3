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
  measure(): Promise<Measured>;
}

export interface Contest {
  readonly name: string;
  /** The ratio to the first contender that the last one should reach. */
  readonly goal?: number;
  /** The first one is the baseline. */
  readonly contenders: readonly Contender[];
}

const { values } = parseArgs({
  options: { rounds: { type: "string" }, json: { type: "string" }, binary: { type: "string" } },
  strict: false,
});

/** The program under test: what `--binary` names, else dist/odmr. */
export const binary = String(values.binary ?? process.env.ODMR_BINARY ?? "dist/odmr");

/** `--rounds`, or as many as a median needs. */
export const rounds = Number(values.rounds ?? 5);

/** Runs a contest, prints its rows, and adds each measurement as a line to the file that `--json` names. */
export async function contest({ name, goal, contenders }: Contest): Promise<void> {
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
    const wanted = i === contenders.length - 1 && goal !== undefined ? String(goal) : "";
    const cells = [name, one.name, spread(of(got, "rate")), i === 0 ? "1" : spread(ratios), wanted];
    row([...cells, ...(["cpu", "rss", "pss"] as const).map((what) => shown(median(of(got, what))))]);
  }
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
