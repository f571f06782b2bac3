/** Whether a message costs more the more are held, or the more customers there are: `npm run bench growth [--million]`. */
// The spool alone, in its own thread as in earnest: what it takes to accept, lease and settle one, in microseconds.
import { parseArgs } from "node:util";
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { systemRandom } from "../../src/platform/random.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { openSpool } from "../../src/spool/open.ts";
import type { Lane } from "../../src/spool/spool.ts";
import { reply } from "../../src/wire/reply.ts";
import { DAY, post } from "../spool/support.ts";
import { note, row } from "./support/compare.ts";
import { inDiskFolder } from "./support/relay.ts";

const { values } = parseArgs({ options: { million: { type: "boolean", default: false } }, strict: false });
const held = [1000, 10_000, 100_000, ...(values.million ? [1_000_000] : [])];
const customers = [1, 10, 100, 1000];

const SESSIONS = 100;
/** Messages that are measured at each size. */
const PROBE = 4000;
const body = new TextEncoder().encode(`Subject: growth\r\n\r\n${"x".repeat(1000)}\r\n`);
const gone = reply(250, "2.0.0", "gone");

const laneOf = (n: number): Lane => ({ direction: "turn", customer: `customer${n}` });

async function accept(spool: EmbeddedSpool, count: number, lanes: number): Promise<void> {
  let left = count;
  const session = async (): Promise<void> => {
    while (left-- > 0)
      await post(spool, {
        body,
        lane: laneOf(left % lanes),
        arrived: Date.now(),
        expires: Date.now() + 30 * DAY,
      });
  };
  await Promise.all(Array.from({ length: SESSIONS }, session));
}

/** Leases and settles so many, lane after lane. */
async function release(spool: EmbeddedSpool, count: number, lanes: number): Promise<void> {
  for (let lane = 0; lane < lanes && count > 0; lane++) {
    const claim = await spool.claim({ lane: laneOf(lane), lease: DAY }, "bench");
    if (typeof claim === "string") continue;
    let left = Math.ceil(count / lanes);
    const flight = async (): Promise<void> => {
      while (left-- > 0) {
        const one = await claim.next();
        if (one === undefined) return;
        const { recipients } = one.envelope;
        await claim.settle(
          one,
          recipients.map(({ address: to }) => ({ to, result: "delivered", reply: gone })),
        );
      }
    };
    await Promise.all(Array.from({ length: SESSIONS }, flight));
    await claim.release();
  }
}

async function each(count: number, work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return ((performance.now() - began) / count) * 1000;
}

async function withSpool(use: (spool: EmbeddedSpool) => Promise<void>): Promise<void> {
  await inDiskFolder(async (folder) => {
    const spool = await openSpool({
      path: `${folder}/spool.db`,
      clock: systemClock,
      random: systemRandom,
      log: silent,
      files: systemFiles,
      thread: "worker",
    });
    await use(spool).finally(() => spool.close());
  });
}

async function measure(spool: EmbeddedSpool, name: string, lanes: number): Promise<void> {
  const taken = await each(PROBE, () => accept(spool, PROBE, lanes));
  const left = await each(PROBE, () => release(spool, PROBE, lanes));
  row([name, taken.toFixed(0), left.toFixed(0)]);
  note({ contest: `growth: ${name}`, taken, left });
}

console.log(
  "\n### Growth, microseconds a message (1 KB); of many customers each makes a turn of its own for a few\n",
);
row(["", "accept", "lease and settle"]);
row(["---", "---", "---"]);
await withSpool(async (spool) => {
  await accept(spool, PROBE, 1); // warm
  let there = PROBE;
  for (const count of held) {
    await accept(spool, Math.max(0, count - there), 1);
    there = Math.max(count, there);
    await measure(spool, `${count.toLocaleString("en")} held`, 1);
  }
});
await withSpool(async (spool) => {
  await accept(spool, PROBE, 1);
  for (const lanes of customers) await measure(spool, `${lanes.toLocaleString("en")} customers`, lanes);
});
