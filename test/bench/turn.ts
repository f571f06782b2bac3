/** The turn, from a full queue to an empty one, beside Postfix's way over one connection: `npm run bench turn`. */
// Between our two ends both sides sync what they say; to a peer of DATA alone (smtp-sink, which keeps nothing) ours does.
// Options: --rounds N, --binary FILE, --json FILE, --count N (on loopback; less where the line is long). Needs root.
import { cpus } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { eventually } from "../support/processes.ts";
import { delay } from "./delay.ts";
import {
  type Contender,
  contest,
  heading,
  judge,
  type Measured,
  median,
  rounds,
  row,
  spread,
} from "./support/compare.ts";
import { turnTo } from "./support/customer.ts";
import { type BenchPostfix, deferring, source, withBenchPostfix, withSink } from "./support/postfix.ts";
import { type BenchRelay, inDiskFolder, pull, withRelay } from "./support/relay.ts";
import { watched } from "./support/watch.ts";

const { values } = parseArgs({ options: { count: { type: "string" } }, strict: false });
const COUNT = Number(values.count ?? 10_000);
const SIZE = 4096;

const lines = [
  { roundTrip: 0, goal: 15, count: COUNT, few: 1000 },
  { roundTrip: 20, goal: undefined, count: COUNT / 2, few: 100 },
  { roundTrip: 50, goal: 300, count: COUNT, few: 50 },
  { roundTrip: 100, goal: undefined, count: COUNT / 2, few: 30 },
] as const;

/** Fills a relay, and empties it by `turn`. The time is the turn's own: from the peer's greeting to the last settled reply. */
async function ours(
  count: number,
  turn: (relay: BenchRelay, folder: string) => Promise<unknown>,
  size = SIZE,
): Promise<Measured> {
  return inDiskFolder((folder) =>
    withRelay(folder, {}, async (relay) => {
      await source(relay.intake, { size, sessions: 20, count });
      const { cost } = await watched(relay.pid, () => turn(relay, folder));
      await eventually(
        () => relay.logged("turned").length > 0,
        () => "the turn ended without a word",
      );
      const [{ delivered, ms } = {}] = relay.logged("turned");
      if (delivered !== count) throw new Error(`${delivered} of ${count} messages left`);
      return { ...cost, rate: (count / Number(ms)) * 1000, cpu: (cost.cpu / count) * 1000 };
    }),
  );
}

/** Fills a queue that Postfix puts off, and empties it over one connection. The time is from its first delivery to its last. */
async function theirs(count: number, port: number): Promise<Measured> {
  return inDiskFolder((folder) =>
    withBenchPostfix(folder, deferring, async (postfix) => {
      await source(postfix.port, { size: SIZE, sessions: 10, count });
      await eventually(
        async () => (await postfix.waiting("deferred")) >= count,
        () => "not all of it is put off",
      );
      const { value, cost } = await watched(postfix.pid, () => emptied(postfix, count, port));
      return { ...cost, rate: value, cpu: (cost.cpu / count) * 1000 };
    }),
  );
}

async function emptied(postfix: BenchPostfix, count: number, port: number): Promise<number> {
  await postfix.set({
    defer_transports: "",
    relayhost: `[127.0.0.1]:${port}`,
    default_destination_concurrency_limit: "1",
    initial_destination_concurrency: "1",
    smtp_connection_cache_destinations: "127.0.0.1",
    smtp_connection_reuse_time_limit: "3000s",
  });
  const sent = async () => (await postfix.log()).split("status=sent").length - 1;
  // A flush that comes before the new settings are read puts everything off anew, for minutes: so it is said until it is heard.
  for (let tries = 0; (await sent()) === 0; tries++) {
    if (tries === 120) throw new Error("nothing leaves");
    await postfix.flush();
    await pause(500);
  }
  const [began, before] = [performance.now(), await sent()];
  await eventually(
    async () => (await sent()) >= count,
    () => "it does not end",
    600_000,
  );
  return ((count - before) / (performance.now() - began)) * 1000;
}

/** Whoever listens at `port`, so many milliseconds away. */
async function far<T>(roundTrip: number, port: number, use: (port: number) => Promise<T>): Promise<T> {
  if (roundTrip === 0) return use(port);
  const line = await delay(port, roundTrip);
  try {
    return await use(line.port);
  } finally {
    line.close();
  }
}

const toSink = (roundTrip: number, use: (port: number) => Promise<Measured>): Promise<Measured> =>
  withSink((sink) => far(roundTrip, sink, use));

heading("The turn, 4 KB over one connection", "messages/s");
for (const { roundTrip, goal, count, few } of lines) {
  const postfix: Contender = {
    name: "Postfix to smtp-sink",
    measure: () => toSink(roundTrip, (port) => theirs(few, port)),
  };
  const streaming: Contender = {
    name: "odmr to odmr",
    ...(goal && { goal }),
    measure: () => ours(count, (relay, folder) => far(roundTrip, relay.odmr, (port) => pull(folder, port))),
  };
  const dataOnly: Contender = {
    name: "odmr to smtp-sink, DATA alone",
    goal: 2,
    measure: () => toSink(roundTrip, (port) => ours(few, (relay) => turnTo(port, relay.odmr))),
  };
  const name = roundTrip === 0 ? "loopback" : `${roundTrip} ms round trip`;
  await contest({ name: `turn, ${name}`, contenders: [postfix, dataOnly, streaming] });
}

heading("A full queue: milliseconds from ATRN to the first MAIL", "");
{
  const waits: number[] = [];
  for (let round = 0; round < rounds; round++)
    await withSink((sink) =>
      ours(COUNT, async (relay) => {
        waits.push(await turnTo(sink, relay.odmr));
      }),
    );
  row([`${COUNT.toLocaleString("en")} held`, "odmr", waits.map(Math.round).join(), "", "< 100", "", "", ""]);
  judge({
    what: `turn, ${COUNT.toLocaleString("en")} held, first MAIL`,
    most: 100,
    unit: "ms",
    found: waits,
  });
}

heading("In and out, 100 KB through a turn", "messages/s");
{
  const count = 1000;
  const through: number[] = [];
  const turns: Measured[] = [];
  for (let round = 0; round < rounds; round++) {
    const began = performance.now();
    turns.push(await ours(count, (relay, folder) => pull(folder, relay.odmr), 100_000));
    through.push((count / (performance.now() - began)) * 1000);
  }
  const costs = (["cpu", "rss", "pss"] as const).map((what) => median(turns.map((one) => one[what] ?? 0)));
  row(["with intake and start of all", "odmr", spread(through), "", "", "", "", ""]);
  const alone = spread(turns.map(({ rate }) => rate));
  row(["the turn alone", "odmr", alone, "", "", ...costs.map((n) => n.toPrecision(3))]);
  const found = through.map((rate) => rate / cpus().length);
  judge({ what: "in and out, 100 KB, for each core", least: 230, unit: "messages/s", found });
}
