/** Durations (`30d`, `1h30m`) and sizes (`10MiB`, `500kB`) as people write them. */
// undefined is the answer to a text that is none; the caller knows where it stood and says so.

const DURATION = /^(?:\d+(?:ms|[smhdw]))+$/;
const DURATION_PART = /(\d+)(ms|[smhdw])/g;
const milliseconds: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/** Milliseconds. */
export function parseDuration(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  let sum = 0;
  for (const [, count, unit = ""] of text.matchAll(DURATION_PART))
    sum += Number(count) * (milliseconds[unit] ?? 0);
  return Number.isSafeInteger(sum) ? sum : undefined;
}

const SIZE = /^(\d+(?:\.\d+)?) ?([kMGT]i?|Ki)?(B?)$/;
const multiples: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  ki: 2 ** 10,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** Octets; a number alone counts octets. */
export function parseSize(text: string): number | undefined {
  const [, count, multiple = ""] = SIZE.exec(text) ?? [];
  if (count === undefined) return undefined;
  const octets = Math.round(Number(count) * (multiples[multiple] ?? 0));
  return Number.isSafeInteger(octets) ? octets : undefined;
}

/** A duration as parseDuration reads it, in days and less. */
export function formatDuration(ms: number): string {
  const units = ["d", "h", "m", "s", "ms"];
  let rest = ms;
  let text = "";
  for (const unit of units) {
    const each = milliseconds[unit] ?? 1;
    const count = Math.floor(rest / each);
    rest -= count * each;
    if (count > 0) text += `${count}${unit}`;
  }
  return text || "0s";
}

/** A size in the largest binary unit that leaves it whole or nearly so. */
export function formatSize(octets: number): string {
  const units = ["Ti", "Gi", "Mi", "Ki"];
  const unit = units.find((each) => octets >= (multiples[each] ?? 1));
  if (unit === undefined) return `${octets}B`;
  const count = octets / (multiples[unit] ?? 1);
  return `${Number.isInteger(count) ? count : count.toFixed(1)}${unit}B`;
}
