/** Numbers and times as people say them. */
// Rounded down: what is "2 days old" has been here for two whole days.

const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const spans = [
  [DAY, "day"],
  [HOUR, "hour"],
  [MINUTE, "minute"],
  [SECOND, "second"],
] as const;

/** "3 days"; the largest unit that fits. */
export function span(ms: number): string {
  const [unit, name] = spans.find(([length]) => Math.abs(ms) >= length) ?? [SECOND, "second"];
  return many(Math.floor(Math.abs(ms) / unit), name);
}

/** "3 days ago", "in 5 minutes", "now". */
export function fromNow(at: number, now: number): string {
  if (Math.abs(now - at) < SECOND) return "now";
  return at > now ? `in ${span(at - now)}` : `${span(now - at)} ago`;
}

/** "1 message", "1,204 messages". */
export function many(count: number, one: string, more = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : more}`;
}

/** "1,204" */
export function number(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

const units = ["B", "KiB", "MiB", "GiB", "TiB"];

/** "3.4 MiB"; three digits at most. */
export function size(octets: number): string {
  let value = octets;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** "24 Nov 2026, 21:06 UTC" */
export function date(at: number): string {
  const [, day, month, year, time] =
    /^\w+, (\d+) (\w+) (\d+) (\d+:\d+)/.exec(new Date(at).toUTCString()) ?? [];
  return `${Number(day)} ${month} ${year}, ${time} UTC`;
}

/** "21:06", in UTC. */
export function hour(at: number): string {
  return new Date(at).toISOString().slice(11, 16);
}

/** Enough of an id to tell it from its neighbours: a UUIDv7 begins with the time, and ends with chance. */
export function shortId(id: string): string {
  return id.slice(-8);
}
