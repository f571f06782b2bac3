/** `odmr serve` and `odmr pull` as processes, with configurations of their own, for peers to talk to. */
// A configuration is written as JSON, which is YAML too; each listener gets a free port.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { commandLine, type Ended, odmr } from "./cli.ts";
import { start } from "./processes.ts";

export const PASSWORD = "correct horse";

export interface ServePlan {
  readonly listen: readonly Readonly<Record<string, unknown>>[];
  readonly domains: readonly string[];
  readonly customer?: Readonly<Record<string, unknown>>;
  readonly tls?: { readonly certificate: string; readonly key: string };
  readonly checks?: Readonly<Record<string, unknown>>;
}

export interface Served {
  /** Of each listener, in the order of the plan; 0 for a unix socket. */
  readonly ports: readonly number[];
  /** The queue's command line, on this relay. */
  queue(...args: readonly string[]): Promise<Ended>;
  /** What it has logged so far. */
  log(): string;
}

/** Runs a relay with one customer, `home`, in this folder. */
export async function withServe<T>(
  folder: string,
  plan: ServePlan,
  use: (served: Served) => Promise<T>,
): Promise<T> {
  const file = join(folder, "relay.yaml");
  await writeSecret(folder);
  await writeFile(file, JSON.stringify(await relayOf(folder, plan)));
  const [program, ...args] = commandLine(["serve", "--config", file, "--log", "json"]);
  const running = start(program, args);
  const addresses = () => listening(running.said.stderr);
  try {
    await running.until(() => addresses().length === plan.listen.length);
    return await use({
      ports: addresses().map((address) => Number(/:(\d+)$/.exec(address)?.[1] ?? 0)),
      queue: (...args) => odmr(["queue", ...args, "--config", file]),
      log: () => running.said.stderr,
    });
  } finally {
    await running.stop();
  }
}

async function relayOf(folder: string, { listen, domains, customer, tls, checks }: ServePlan) {
  if (tls !== undefined) {
    await writeFile(join(folder, "tls.crt"), tls.certificate);
    await writeFile(join(folder, "tls.key"), tls.key, { mode: 0o600 });
  }
  return {
    hostname: "relay.test",
    spool: join(folder, "relay.db"),
    ...(tls && { tls: { certificate: "tls.crt", key: "tls.key" } }),
    serve: {
      listen: listen.map((listener) => ({ address: "127.0.0.1:0", ...listener })),
      customers: [{ name: "home", domains, password: { file: "home.secret" }, ...customer }],
      ...(checks && { checks }),
    },
  };
}

function listening(log: string): readonly string[] {
  const lines = log.split("\n").filter((line) => line.includes('"event":"listening"') && line.endsWith("}"));
  return lines.map((line) => (JSON.parse(line) as { address: string }).address);
}

export interface PullPlan {
  readonly port: number;
  readonly domains: readonly string[];
  readonly to: string;
}

/** One call of `odmr pull` from this folder, in the clear. */
export async function pull(folder: string, { port, domains, to }: PullPlan): Promise<Ended> {
  const file = join(folder, "home.yaml");
  await writeSecret(folder);
  const account = {
    name: "vps",
    provider: `127.0.0.1:${port}`,
    tls: "none",
    user: "home",
    password: { file: "home.secret" },
    domains,
    deliver: [{ match: "*", to }],
  };
  const config = { hostname: "home.test", spool: join(folder, "home.db"), pull: { accounts: [account] } };
  await writeFile(file, JSON.stringify(config));
  return odmr(["pull", "--config", file, "--log-level", "warn"]);
}

const writeSecret = (folder: string) =>
  writeFile(join(folder, "home.secret"), `${PASSWORD}\n`, { mode: 0o600 });
