/** What silent sessions and a silent program cost: 10,000 plain ones, 2,000 under TLS, and the start. `npm run bench idle` */
// Options: --rounds N, --binary FILE, --json FILE. Needs 20,000 open files (ulimit -n) for both ends of the lines.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { certs } from "../support/certs.ts";
import { binary, judge, note, rounds, row, spread } from "./support/compare.ts";
import { open } from "./support/load.ts";
import { inDiskFolder, withRelay } from "./support/relay.ts";
import { memoryOf, pssOf } from "./support/watch.ts";

const BATCH = 100;

/** Opens so many sessions, looks at the relay's memory when all are quiet, and closes them. */
async function sessions(port: number, pid: number, count: number, tls: boolean): Promise<readonly number[]> {
  const before = memoryOf(pid);
  const lines: Awaited<ReturnType<typeof open>>[] = [];
  while (lines.length < count)
    lines.push(...(await Promise.all(Array.from({ length: BATCH }, () => open(port, tls)))));
  await pause(2000); // what opening them left behind may go first
  const after = [before, memoryOf(pid), memoryOf(pid, pssOf)];
  await Promise.all(lines.map((line) => line.close()));
  return after;
}

const cases = [
  { name: "10,000 sessions", count: 9_500, tls: false, goal: 120 },
  { name: "2,000 sessions under TLS", count: 2_000, tls: true, goal: 150 },
] as const;

console.log("\n### Silence\n");
row(["", "before, RSS MB", "RSS MB", "PSS MB", "KB a session", "goal, MB"]);
row(Array.from({ length: 6 }, () => "---"));
for (const { name, count, tls, goal } of cases)
  await inDiskFolder((folder) =>
    withRelay(folder, { tls: certs().server }, async ({ intake, pid }) => {
      const [before = 0, rss = 0, pss = 0] = await sessions(intake, pid, count, tls);
      const each = ((rss - before) * 1000) / count;
      row([name, ...[before, rss, pss].map((mb) => mb.toFixed(0)), each.toFixed(1), String(goal)]);
      note({ contest: name, before, rss, pss, each });
      judge({ what: `silence, ${name}`, most: goal, unit: "MB", found: [rss] });
    }),
  );

console.log("\n### Start, milliseconds\n");
row(["", "median (range)", "goal"]);
row(["---", "---", "---"]);
for (const [args, goal] of [
  [["--version"], 60],
  [["--help"], undefined],
] as const) {
  const times: number[] = [];
  for (let round = 0; round < rounds * 3; round++) {
    const began = performance.now();
    await once(spawn(binary, args, { stdio: "ignore" }), "close");
    times.push(performance.now() - began);
  }
  row([`odmr ${args.join(" ")}`, spread(times), String(goal ?? "")]);
  if (goal !== undefined) judge({ what: `odmr ${args.join(" ")}`, most: goal, unit: "ms", found: times });
  note({ contest: `odmr ${args.join(" ")}`, times });
}
