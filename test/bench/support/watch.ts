/** What a process and all that it started cost: CPU time and memory, from /proc. */
// RSS counts a shared page once for each process; PSS is the fair figure for a server of many processes.
import { readdirSync, readFileSync } from "node:fs";

/** The unit of /proc's times: a hundredth of a second on every Linux. */
const TICK = 0.01;
const PAGE = 4096;
const EACH = 200;

export interface Cost {
  /** CPU seconds. */
  readonly cpu: number;
  /** The most at any time, in MB. */
  readonly rss: number;
  readonly pss: number;
}

/** Watches a process tree while `work` runs. */
export async function watched<T>(
  pid: number,
  work: () => Promise<T>,
): Promise<{ readonly value: T; readonly cost: Cost }> {
  const before = cpuOf(pid);
  let rss = 0;
  let pss = 0;
  const look = (): void => {
    rss = Math.max(rss, memoryOf(pid, rssOf));
    pss = Math.max(pss, memoryOf(pid, pssOf));
  };
  const timer = setInterval(look, EACH);
  try {
    const value = await work();
    look();
    return { value, cost: { cpu: cpuOf(pid) - before, rss, pss } };
  } finally {
    clearInterval(timer);
  }
}

/** CPU seconds of the tree, with those of children that have ended. */
export function cpuOf(pid: number): number {
  const ticks = tree(pid).flatMap((one) => statOf(one)?.slice(11, 15) ?? []);
  return ticks.reduce((sum, tick) => sum + Number(tick), 0) * TICK;
}

/** MB of the tree. */
export function memoryOf(pid: number, of: (pid: number) => number = rssOf): number {
  return tree(pid).reduce((sum, one) => sum + of(one), 0) / 1e6;
}

export function rssOf(pid: number): number {
  return Number(read(`/proc/${pid}/statm`)?.split(" ")[1] ?? 0) * PAGE;
}

export function pssOf(pid: number): number {
  const line = /^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`) ?? "");
  return Number(line?.[1] ?? 0) * 1024;
}

function tree(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    const parent = /^\d+$/.test(name) ? Number(statOf(Number(name))?.[1]) : Number.NaN;
    if (!Number.isNaN(parent)) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/** The fields of stat behind the name, which may hold anything. */
function statOf(pid: number): readonly string[] | undefined {
  return read(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, "")
    .split(" ");
}

/** A process may end at any time: then there is nothing to read. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
