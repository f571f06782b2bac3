/** Small round trips a second over loopback: Connection against bare node:net callbacks, in one process. */
// Only the ratio counts: both are run in turn, several rounds, so that a slow moment hits both alike.
import { once } from "node:events";
import { createServer, connect as open, type Socket } from "node:net";
import type { Connection } from "../../src/net/connection.ts";
import { dial } from "../../src/net/dial.ts";
import { listen } from "../../src/net/listen.ts";
import { systemClock } from "../../src/platform/clock.ts";

const ROUNDS = 9;
const TRIPS = 30_000;
const WITHIN = 300_000;
const REQUEST = new TextEncoder().encode("RCPT TO:<somebody@example.org>\r\n");
const REPLY = new TextEncoder().encode("250 2.1.5 ok\r\n");

/** Makes `count` callers, and runs one round of trips on each. @returns trips a second */
type Contest = (count: number) => Promise<number>;

const connections: Contest = async (count) => {
  const listener = await listen({
    address: { host: "127.0.0.1", port: 0 },
    clock: systemClock,
    maxConnections: count,
    perAddress: count,
    onConnection: answer,
    onError: (error) => console.error(error),
  });
  const { port } = listener.address;
  const calls = Array.from({ length: count }, () =>
    dial({ host: "127.0.0.1", port, clock: systemClock, within: WITHIN }),
  );
  const callers = await Promise.all(calls);
  const rate = await timed(() => Promise.all(callers.map((caller) => ask(caller, TRIPS / count))));
  await Promise.all(callers.map((caller) => caller.close()));
  await listener.close();
  return rate;
};

async function answer(connection: Connection): Promise<void> {
  while ((await connection.read(WITHIN)) !== undefined) await connection.write(REPLY, WITHIN);
  await connection.close();
}

async function ask(connection: Connection, trips: number): Promise<void> {
  for (let i = 0; i < trips; i++) {
    await connection.write(REQUEST, WITHIN);
    await connection.read(WITHIN);
  }
}

const bareSockets: Contest = async (count) => {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("data", () => socket.write(REPLY));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const callers = Array.from({ length: count }, () => open({ host: "127.0.0.1", port, noDelay: true }));
  await Promise.all(callers.map((caller) => once(caller, "connect")));
  const rate = await timed(() => Promise.all(callers.map((caller) => askBare(caller, TRIPS / count))));
  for (const caller of callers) caller.end();
  server.close();
  return rate;
};

function askBare(socket: Socket, trips: number): Promise<void> {
  return new Promise((resolve) => {
    let left = trips;
    socket.on("data", () => {
      if (--left === 0) resolve();
      else socket.write(REQUEST);
    });
    socket.write(REQUEST);
  });
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return (TRIPS / (performance.now() - start)) * 1000;
}

const round = (rate: number) => Math.round(rate).toLocaleString("en");
const median = (rates: readonly number[]) => rates.toSorted((a, b) => a - b)[rates.length >> 1] ?? Number.NaN;
const range = (rates: readonly number[]) => `${round(Math.min(...rates))}–${round(Math.max(...rates))}`;

console.log("| connections | bare node:net, trips/s (range) | Connection, trips/s (range) | ratio |");
console.log("|---|---|---|---|");
for (const count of [1, 50]) {
  const bare: number[] = [];
  const ours: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    bare.push(await bareSockets(count));
    ours.push(await connections(count));
  }
  const ratio = (median(ours) / median(bare)).toFixed(2);
  const cells = [bare, ours].map((rates) => `${round(median(rates))} (${range(rates)})`);
  console.log(`| ${count} | ${cells.join(" | ")} | ${ratio} |`);
}
