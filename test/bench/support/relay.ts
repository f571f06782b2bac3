/** The relay and the house as the binary that operators run, each in the folder of one measurement. */
// Its log goes to a file, as it does in earnest: nobody here reads along while it is measured.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Identity } from "../../support/certs.ts";
import { eventually, run } from "../../support/processes.ts";
import { binary } from "./compare.ts";

/** The domain that the load is for. */
export const DOMAIN = "hold.test";
export const PASSWORD = "open sesame";

export interface BenchRelay {
  readonly pid: number;
  readonly folder: string;
  /** The port of each door. */
  readonly intake: number;
  readonly odmr: number;
  /** The lines of its log with this event. */
  logged(event: string): readonly Readonly<Record<string, unknown>>[];
}

export interface RelayWish {
  readonly tls?: Identity;
  /** A spool that is there already. */
  readonly spool?: string;
}

const folders = new Set<string>();
process.once("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
// A signal alone would end us without that.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));

/** A folder on a real disk, gone afterwards: on a file system in memory a sync would cost nothing. */
export async function inDiskFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync("/var/tmp/odmr-bench-");
  folders.add(folder);
  await run("chmod", ["755", folder]);
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    folders.delete(folder);
  }
}

export async function withRelay<T>(
  folder: string,
  { tls, spool = "relay.db" }: RelayWish,
  use: (relay: BenchRelay) => Promise<T>,
): Promise<T> {
  writeFileSync(join(folder, "home.secret"), PASSWORD, { mode: 0o600 });
  if (tls !== undefined) {
    writeFileSync(join(folder, "tls.crt"), tls.certificate);
    writeFileSync(join(folder, "tls.key"), tls.key, { mode: 0o600 });
  }
  const door = (service: string) => ({ service, address: "127.0.0.1:0", ...(!tls && { tls: "none" }) });
  const config = {
    hostname: "relay.test",
    spool,
    ...(tls && { tls: { certificate: "tls.crt", key: "tls.key" } }),
    serve: {
      listen: [door("intake"), door("odmr")],
      limits: { connections: 20_000, perAddress: 20_000, messageSize: "50MiB" },
      customers: [{ name: "home", domains: [DOMAIN], password: { file: "home.secret" }, quota: "100GiB" }],
    },
  };
  writeFileSync(join(folder, "relay.yaml"), JSON.stringify(config));
  const log = join(folder, "relay.log");
  const child = launch(["serve", "--config", join(folder, "relay.yaml"), "--log", "json"], log);
  const logged = (event: string) => eventsIn(log, event);
  try {
    await eventually(
      () => logged("listening").length === 2,
      () => readFileSync(log, "utf8"),
    );
    const port = (service: string) =>
      Number(/\d+$/.exec(String(logged("listening").find((line) => line.service === service)?.address))?.[0]);
    return await use({ pid: child.pid!, folder, intake: port("intake"), odmr: port("odmr"), logged });
  } finally {
    await end(child);
  }
}

/** One call of `odmr pull`; what it takes in is thrown away after it is safe. @returns how long it was, in seconds */
export async function pull(folder: string, port: number): Promise<number> {
  const account = {
    name: "vps",
    provider: `127.0.0.1:${port}`,
    tls: "none",
    user: "home",
    password: { file: "home.secret" },
    domains: [DOMAIN],
    deliver: [{ match: "*", to: "discard:" }],
  };
  const config = { hostname: "home.test", spool: "home.db", pull: { accounts: [account] } };
  writeFileSync(join(folder, "home.yaml"), JSON.stringify(config));
  const began = performance.now();
  const child = launch(["pull", "--config", join(folder, "home.yaml")], join(folder, "home.log"));
  const [status] = await once(child, "close");
  if (status !== 0)
    throw new Error(
      `pull ended with ${status}: ${readFileSync(join(folder, "home.log"), "utf8").slice(-500)}`,
    );
  return (performance.now() - began) / 1000;
}

function launch(args: readonly string[], log: string): ChildProcess {
  if (!existsSync(binary)) throw new Error(`there is no ${binary}: npm run build makes it`);
  const file = openSync(log, "w");
  // Whoever measures may be killed: it ends with it. The pid stays.
  const words = ["--pdeathsig=KILL", resolve(binary), ...args];
  const env = { MIMALLOC_PURGE_DELAY: "-1", ...process.env }; // as the units of systemd set it
  const child = spawn("setpriv", words, { stdio: ["ignore", file, file], env });
  closeSync(file);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "close");
}

function eventsIn(log: string, event: string): readonly Readonly<Record<string, unknown>>[] {
  return readFileSync(log, "utf8")
    .split("\n")
    .filter((line) => line.includes(`"event":"${event}"`) && line.endsWith("}"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
