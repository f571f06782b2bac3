/** How fast the spool takes in, hands out and settles: `bun test/bench/spool.ts [rounds]`. Prints a table. */
// Rates of one run compare with each other; a rate from another day is no baseline.
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { systemRandom } from "../../src/platform/random.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { openSpool } from "../../src/spool/open.ts";
import { reply } from "../../src/wire/reply.ts";
import { DAY, HOME, post, temporary } from "../spool/support.ts";

interface Case {
  readonly name: string;
  readonly octets: number;
  readonly sessions: number;
  readonly messages: number;
}

const cases: readonly Case[] = [
  { name: "4 KB × 1", octets: 4000, sessions: 1, messages: 1500 },
  { name: "4 KB × 10", octets: 4000, sessions: 10, messages: 8000 },
  { name: "4 KB × 50", octets: 4000, sessions: 50, messages: 15_000 },
  { name: "4 KB × 200", octets: 4000, sessions: 200, messages: 15_000 },
  { name: "64 KB × 50", octets: 64_000, sessions: 50, messages: 2000 },
  { name: "100 KB × 50", octets: 100_000, sessions: 50, messages: 1000 },
  { name: "1 MB × 10", octets: 1_000_000, sessions: 10, messages: 150 },
  { name: "10 MB × 4", octets: 10_000_000, sessions: 4, messages: 16 },
];

const stored = reply(250, "2.0.0", "stored");

async function intake(spool: EmbeddedSpool, { octets, sessions, messages }: Case): Promise<number> {
  const body = systemRandom.bytes(1000);
  const piece = new Uint8Array(Math.min(octets, 64 * 1024)).map((_, i) => body[i % 1000] ?? 0);
  const began = performance.now();
  let left = messages;
  const session = async (): Promise<void> => {
    while (left-- > 0)
      await (octets <= piece.length ? post(spool, letter(piece)) : pieces(spool, piece, octets));
  };
  await Promise.all(Array.from({ length: sessions }, session));
  return (messages / (performance.now() - began)) * 1000;
}

const letter = (body: Uint8Array) => ({
  body,
  lane: HOME,
  arrived: Date.now(),
  expires: Date.now() + 30 * DAY,
});

async function pieces(spool: EmbeddedSpool, piece: Uint8Array, octets: number): Promise<void> {
  const draft = spool.begin({
    envelope: { from: "ann@sender.example", smtputf8: false },
    postings: [
      { lane: HOME, recipients: [{ address: "bob@example.org", notify: [] }], expires: Date.now() + DAY },
    ],
    source: { protocol: "ESMTPS", peer: "bench" },
    arrived: Date.now(),
    trace: () => "Received: bench\r\n",
  });
  for (let sent = 0; sent < octets; sent += piece.length)
    await draft.write(piece.subarray(0, Math.min(piece.length, octets - sent)));
  await draft.commit({});
}

/** Claims everything and settles it, `window` messages in flight. */
async function drain(spool: EmbeddedSpool, window: number): Promise<number> {
  const claim = await spool.claim({ lane: HOME, lease: 60_000 }, `bench/${performance.now()}`);
  if (typeof claim === "string") return 0;
  const began = performance.now();
  let count = 0;
  const flight = async (): Promise<void> => {
    for (let held = await claim.next(); held !== undefined; held = await claim.next()) {
      count++;
      await claim.settle(
        held,
        held.envelope.recipients.map(({ address: to }) => ({ to, result: "delivered", reply: stored })),
      );
    }
  };
  await Promise.all(Array.from({ length: window }, flight));
  await claim.release();
  return (count / (performance.now() - began)) * 1000;
}

const rounds = Number(process.argv[2] ?? 3);
const thread = process.argv[3] === "here" ? "here" : "worker";
const rates = new Map<string, number[]>();
const note = (name: string, rate: number): void => void rates.set(name, [...(rates.get(name) ?? []), rate]);

for (let round = 0; round < rounds; round++) {
  const folder = temporary();
  const spool = await openSpool({
    path: `${folder.path}/spool.db`,
    clock: systemClock,
    random: systemRandom,
    log: silent,
    files: systemFiles,
    thread,
  });
  for (const one of cases) {
    note(`in  ${one.name}`, await intake(spool, one));
    if (one.octets <= 4000) note(`out ${one.name}`, await drain(spool, one.sessions));
    else await drain(spool, 64);
  }
  await spool.close();
  folder.remove();
}

console.log(`${"case".padEnd(18)}${"median/s".padStart(10)}   range`);
for (const [name, list] of rates) {
  const sorted = list.map(Math.round).sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  console.log(`${name.padEnd(18)}${String(median).padStart(10)}   ${sorted[0]}–${sorted.at(-1)}`);
}
