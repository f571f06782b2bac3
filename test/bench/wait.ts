/** Bench: from a relay's 250 to a Maildir at home, while thousands of customers wait on TLS lines. Run it by hand: bun test/bench/wait.ts [customers] [messages] */
// Goals on one machine: p50 under 50 ms, p99 under 200 ms; the relay under 200 MB with 2,000 customers.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serve } from "../../cmd/demo/child.ts";
import type { Delivery } from "../../src/delivery/delivery.ts";
import { lineDelivery } from "../../src/delivery/line.ts";
import { maildir } from "../../src/delivery/maildir.ts";
import { dial } from "../../src/net/dial.ts";
import { Talk } from "../../src/net/talk.ts";
import { systemClock as clock } from "../../src/platform/clock.ts";
import { systemFiles as files } from "../../src/platform/files.ts";
import { pbkdf2Sha256 } from "../../src/platform/hash.ts";
import { silent as log } from "../../src/platform/log.ts";
import { systemRandom as random } from "../../src/platform/random.ts";
import { Arrivals } from "../../src/relay/arrivals.ts";
import { type Account, begin, type Caller } from "../../src/relay/call.ts";
import { follow } from "../../src/relay/follow.ts";
import { Porter } from "../../src/relay/porter.ts";
import { openSpool } from "../../src/spool/open.ts";
import { certs } from "../support/certs.ts";

const CUSTOMERS = Number(process.argv[2] ?? 2_000);
const MESSAGES = Number(process.argv[3] ?? 1_000);
const AT_ONCE = 20;

const folder = await mkdtemp(join(tmpdir(), "odmr-bench-"));
const stop = new AbortController();
try {
  const relay = await startRelay();
  const port = (door: string) => Number(/:(\d+)$/.exec(relay.doors[door] ?? "")?.[1]);
  const spool = await openSpool({
    ...{ path: join(folder, "house.db"), clock, random, log, files },
    ...{ thread: "worker", actor: "bench" },
  });
  const caller: Caller = {
    ...{ spool, clock, random, log, pbkdf2: pbkdf2Sha256 },
    dial: ({ host }, tls) =>
      dial({
        host: "127.0.0.1",
        port: port("odmr"),
        clock,
        within: 60_000,
        ...(tls && { tls: { ...tls, servername: host } }),
      }),
  };
  console.log(`relay alone: ${await megabytes(relay.pid)} MB`);
  const waiting = await waiters(caller);
  console.log(`${CUSTOMERS} customers wait: ${await megabytes(relay.pid)} MB`);

  const arrived = new Map<string, () => void>();
  const open = (): Delivery => {
    const target = maildir({ path: join(folder, "mail"), clock, random });
    return {
      ...target,
      async deliver(parcel) {
        const outcomes = await target.deliver(parcel);
        arrived.get(parcel.envelope.from)?.();
        return outcomes;
      },
      close: () => target.close(),
    };
  };
  const arrivals = new Arrivals();
  spool.onChange((lane) => arrivals.came(lane));
  const carrying = new Porter({ account: "home", open, spool, clock, random, log }).work(
    arrivals,
    stop.signal,
  );
  const ready = Promise.withResolvers<void>();
  const following = follow(accountOf("home"), [[]], caller, {
    stopping: stop.signal,
    asked: () => new Promise(() => {}),
    brought: () => ready.resolve(),
  });
  await ready.promise;
  const times = (await journeys(port("intake"), arrived)).sort((a, b) => a - b);
  const at = (part: number) =>
    (times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0).toFixed(1);
  console.log(
    `${times.length} messages, one after another: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms`,
  );
  console.log(`after them: ${await megabytes(relay.pid)} MB`);

  stop.abort();
  await following.catch(() => undefined);
  await carrying;
  for (const { connection } of waiting) connection.destroy();
  await relay.end("SIGTERM");
  await spool.close();
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function startRelay() {
  const { certificate, key } = certs().server;
  await writeFile(join(folder, "tls.crt"), certificate);
  await writeFile(join(folder, "tls.key"), key, { mode: 0o600 });
  await writeFile(join(folder, "secret"), "open sesame\n", { mode: 0o600 });
  const customer = (name: string) => ({ name, domains: [`${name}.example`], password: { file: "secret" } });
  const config = {
    hostname: "relay.test",
    spool: "relay.db",
    tls: { certificate: "tls.crt", key: "tls.key" },
    serve: {
      listen: [
        { service: "intake", address: "127.0.0.1:0", tls: "none" },
        { service: "odmr", address: "127.0.0.1:0", tls: "implicit" },
      ],
      limits: { connections: CUSTOMERS + 100, perAddress: CUSTOMERS + 100 },
      customers: ["home", ...Array.from({ length: CUSTOMERS }, (_, i) => `c${i}`)].map(customer),
    },
  };
  await writeFile(join(folder, "relay.yaml"), JSON.stringify(config));
  return serve(join(folder, "relay.yaml"), { doors: 2, cwd: folder });
}

function accountOf(name: string): Account {
  return {
    ...{ name, user: name, password: "open sesame", domains: [`${name}.example`] },
    ...{ host: "relay.test", port: 0, tls: "implicit", ca: certs().ca },
    ...{ hostname: "house.test", messageSize: 10_000_000 },
  };
}

/** Customers that wait and hear nothing. */
async function waiters(caller: Caller): Promise<readonly Talk[]> {
  const talks: Talk[] = [];
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < CUSTOMERS) {
      const talk = await begin(accountOf(`c${next++}`), caller);
      talk.say({ verb: "XODMRWAIT", domains: [] }, 3_600_000).catch(() => undefined);
      await talk.flush();
      talks.push(talk);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return talks;
}

/** Milliseconds from each message's 250 to its place in the Maildir. */
async function journeys(port: number, arrived: Map<string, () => void>): Promise<number[]> {
  const talk = new Talk(await dial({ host: "127.0.0.1", port, clock, within: 10_000 }));
  await talk.greeting();
  await talk.ask({ verb: "EHLO", name: "world.test" });
  const line = lineDelivery(talk, { compatibility: "auto" });
  const octets = new TextEncoder().encode(`Subject: bench\r\n\r\n${"x".repeat(4_000)}\r\n`);
  const times: number[] = [];
  for (let i = 0; i < MESSAGES; i++) {
    const from = `m${i}@world.test`;
    const there = new Promise<number>((resolve) => arrived.set(from, () => resolve(clock.steady())));
    await line.deliver({
      ...{ id: "", size: octets.length, arrived: 0, content: () => [octets] },
      envelope: { from, smtputf8: false, recipients: [{ address: "bob@home.example", notify: [] }] },
    });
    const accepted = clock.steady();
    times.push(Math.max(0, (await there) - accepted));
  }
  await line.close();
  return times;
}

async function megabytes(pid: number): Promise<number> {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kilobytes ?? 0) / 1_024);
}
