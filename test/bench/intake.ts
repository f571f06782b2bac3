/** Durable intake, 250 only after the sync, beside Postfix and the load tool's own ceiling: `npm run bench intake`. */
// Options: --rounds N, --binary FILE, --json FILE, --only SIZE. Needs root, for Postfix. Sessions stay open; each runs about
// two seconds, with small mail after six to get warm: servers run for months, and ours is compiled while it works.
import { parseArgs } from "node:util";
import { type Contender, contest, heading, judge } from "./support/compare.ts";
import { holding, type Load, source, withBenchPostfix, withSink } from "./support/postfix.ts";
import { inDiskFolder, withRelay } from "./support/relay.ts";
import { watched } from "./support/watch.ts";

const KB = 1024;
const MB = 1024 * KB;

interface Case {
  readonly name: string;
  readonly size: number;
  readonly sessions: number;
  /** Times Postfix. */
  readonly goal: number;
  /** Messages that tell how fast it is, for the first time. */
  readonly first: number;
  /** Seconds to get warm after them. Large mail is work for the system, which is warm. */
  readonly warm: number;
  /** CPU seconds for 1,000 messages, and MB of resident memory, at most. */
  readonly cpu?: number;
  readonly rss?: number;
}

const cases: readonly Case[] = [
  { name: "4 KB × 1", size: 4 * KB, sessions: 1, goal: 2.5, first: 500, warm: 6 },
  { name: "4 KB × 10", size: 4 * KB, sessions: 10, goal: 5, first: 1000, warm: 6 },
  { name: "4 KB × 50", size: 4 * KB, sessions: 50, goal: 10, first: 1000, warm: 6, cpu: 0.3 },
  { name: "4 KB × 200", size: 4 * KB, sessions: 200, goal: 8, first: 1000, warm: 6, rss: 150 },
  { name: "64 KB × 50", size: 64 * KB, sessions: 50, goal: 4, first: 500, warm: 6 },
  { name: "1 MB × 10", size: MB, sessions: 10, goal: 1.6, first: 50, warm: 0 },
  { name: "10 MB × 4", size: 10 * MB, sessions: 4, goal: 1.6, first: 8, warm: 0 },
];
const SECONDS = 2;

const { values } = parseArgs({ options: { only: { type: "string", default: "" } }, strict: false });

interface Rival {
  readonly name: string;
  readonly port: number;
  readonly pid?: number;
}

/** Warms a rival up, and sizes its runs by that, in seconds. */
async function contender(
  { name, port, pid }: Rival,
  load: Omit<Load, "count">,
  { first, warm }: Pick<Case, "first" | "warm">,
): Promise<Contender> {
  const lasting = (seconds: number, rate: number) => Math.max(load.sessions, Math.round(rate * seconds));
  const cold = await source(port, { ...load, count: first });
  const rate = warm === 0 ? cold : await source(port, { ...load, count: lasting(warm, cold) });
  const count = lasting(SECONDS, rate);
  const send = () => source(port, { ...load, count });
  return {
    name,
    async measure() {
      if (pid === undefined) return { rate: await send() };
      const { value, cost } = await watched(pid, send);
      return { ...cost, rate: value, cpu: (cost.cpu / count) * 1000 };
    },
  };
}

heading("Durable intake", "messages/s");
for (const { name, goal, first, warm, cpu, rss, size, sessions } of cases.filter((one) =>
  one.name.startsWith(String(values.only)),
))
  await inDiskFolder((folder) =>
    withBenchPostfix(folder, holding, (postfix) =>
      withSink((sink) =>
        withRelay(folder, {}, async ({ intake, pid }) => {
          const rivals: readonly Rival[] = [
            { name: "Postfix", port: postfix.port, pid: postfix.pid },
            { name: "no disk (smtp-sink)", port: sink },
            { name: "odmr", port: intake, pid },
          ];
          const contenders: Contender[] = [];
          for (const rival of rivals) {
            const one = await contender(rival, { size, sessions }, { first, warm });
            contenders.push(rival.name === "odmr" ? { ...one, goal } : one);
          }
          const ours = await contest({ name: `intake, ${name}`, contenders });
          const of = (what: "cpu" | "rss") => ours.flatMap((one) => one[what] ?? []);
          if (cpu !== undefined)
            judge({ what: `intake, ${name}, CPU`, most: cpu, unit: "s for 1,000", found: of("cpu") });
          if (rss !== undefined)
            judge({ what: `intake, ${name}, memory`, most: rss, unit: "MB", found: of("rss") });
        }),
      ),
    ),
  );
