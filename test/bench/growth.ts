/** Whether a message costs more the more are held, or the more customers there are: `npm run bench growth [--million|--shared]`. */
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
import { type Postgresql, startPostgresql } from "../support/postgresql.ts";
import { note, row } from "./support/compare.ts";
import { inDiskFolder } from "./support/relay.ts";

const { values } = parseArgs({
  options: { million: { type: "boolean", default: false }, shared: { type: "boolean", default: false } },
  strict: false,
});
const held = [1000, 10_000, 100_000, ...(values.million ? [1_000_000] : [])];
const customers = [1, 10, 100, 1000];

const SESSIONS = 100;
/** Customers of a shared spool. */
const LANES = 1000;
/** Messages that are measured, of so few of them: a batch each. */
const [SHARED_PROBE, SHARED_LANES] = [1024, 8];
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

/** The same of a shared spool, in which all but the measured ones are put by SQL: a million takes some minutes otherwise. */
async function shared(): Promise<void> {
  const server = await startPostgresql({ durable: true, settings: { max_wal_size: "4GB" } });
  try {
    const path = server.spool();
    const spool = await openSpool({
      ...{
        path,
        clock: systemClock,
        random: systemRandom,
        log: silent,
        files: systemFiles,
        thread: "worker",
      },
    });
    await accept(spool, SHARED_PROBE, SHARED_LANES);
    await release(spool, SHARED_PROBE, SHARED_LANES);
    let there = 0;
    for (const count of [0, 100_000, 1_000_000]) {
      await seed(server, /schema=(\w+)/.exec(path)?.[1] ?? "", there, count);
      there = count;
      const cells = [`${count.toLocaleString("en")} held`];
      for (const work of [accept, release]) {
        const before = await spent(server);
        const took = await each(SHARED_PROBE, () => work(spool, SHARED_PROBE, SHARED_LANES));
        const after = await spent(server);
        const of = (what: "pages" | "log") => ((after[what] - before[what]) / SHARED_PROBE).toFixed(0);
        cells.push(took.toFixed(0), of("pages"), of("log"));
      }
      row(cells);
    }
    const sizes = await server.sql(
      `SELECT relname, pg_total_relation_size(oid) / ${there} FROM pg_class WHERE relkind = 'r'
       AND relname IN ('message', 'recipient', 'body', 'event') ORDER BY 1`,
    );
    console.log(
      `\noctets of tables and indexes a message, of which 200 are its body: ${sizes.replaceAll("\n", ", ")}`,
    );
    await spool.close();
  } finally {
    await server.stop();
  }
}

/** Pages of tables and indexes that were touched, and octets of log, so far. The server tells of the former a second later. */
async function spent(server: Postgresql): Promise<{ readonly pages: number; readonly log: number }> {
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const [pages, log] = (
    await server.sql(
      `SELECT sum(blks_hit + blks_read), pg_current_wal_insert_lsn() - '0/0'::pg_lsn FROM pg_stat_database
       WHERE datname = 'postgres'`,
    )
  )
    .split("|")
    .map(Number);
  return { pages: pages ?? 0, log: log ?? 0 };
}

/** Fills the tables from row to row, each entry with one recipient and one event, over all lanes. */
async function seed(server: Postgresql, schema: string, from: number, to: number): Promise<void> {
  if (from === to) return;
  const body = (n: string) => `10000000000 + 2 * ${n}`;
  const rows = `generate_series(${from}, ${to - 1}) n`;
  const now = Date.now();
  await server.sql(`SET search_path = ${schema}; SET synchronous_commit = off;
    INSERT INTO lane (direction, customer) SELECT 'turn', 'customer' || n FROM generate_series(0, ${LANES - 1}) n
      ON CONFLICT DO NOTHING;
    INSERT INTO body SELECT ${body("n")}, 1, 200, '\\x00', NULL, convert_to(repeat('x', 200), 'UTF8') FROM ${rows};
    INSERT INTO message SELECT ${body("n")} + 1, (lpad(to_hex(${now - 864e5} + n / 100), 12, '0') || '7'
        || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid, l.id, ${body("n")}, 1, NULL, 400,
        ${now - 864e5}, ${now + 30 * 864e5} + n, 'ann@sender.example', 'hello', 'ESMTPS', 'mx.sender.example [192.0.2.1]',
        NULL, NULL, false, NULL, NULL, repeat('Received: ', 20)
      FROM ${rows} JOIN lane l ON l.customer = 'customer' || n % ${LANES};
    INSERT INTO recipient SELECT m.seq, 0, m.lane, 0, ${now - 864e5} + m.seq % 1000000, NULL, 0, 'bob@example.org', 'example.org',
        '', NULL, NULL, NULL FROM message m WHERE m.seq > ${body(String(from))} AND m.gone IS NULL
        AND NOT EXISTS (SELECT 1 FROM recipient r WHERE r.message = m.seq);
    INSERT INTO event (tx, at, message, recipient, what, actor, reason) SELECT 1, ${now - 864e5}, ${body("n")} + 1, NULL,
        'accepted', 'serve', 'ESMTPS from mx.sender.example [192.0.2.1]' FROM ${rows}`);
  await server.sql("VACUUM ANALYZE");
}

if (values.shared) {
  console.log("\n### Growth of a shared spool of 1,000 customers, of each message (1 KB)\n");
  row([
    "",
    "accept µs",
    "pages touched",
    "octets of log",
    "lease and settle µs, turns of 128",
    "pages",
    "log",
  ]);
  row(["---", "---", "---", "---", "---", "---", "---"]);
  await shared();
  process.exit(0);
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
