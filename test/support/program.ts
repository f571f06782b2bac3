/** The program as its users run it, in processes of their own: the binary where it was built, else from source. */
// Whatever was started is ended and whatever was written is removed, however the test ends.
import { existsSync, readdirSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type Child,
  type ChildOptions,
  type Ended,
  fromSource,
  run,
  type Serving,
  serve,
  start,
} from "../../cmd/demo/child.ts";
import { quickFolder } from "./quick.ts";

export interface Program {
  readonly name: string;
  readonly words: readonly [string, ...string[]];
}

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * What is tried: the binary that ODMR_BINARY names, else dist/odmr if it is of these sources, else the sources. The binary
 * is the same whoever tests it, so Deno tries the sources.
 */
export const programs: readonly Program[] = [tried()];

function tried(): Program {
  const binary = "Deno" in globalThis ? undefined : (process.env.ODMR_BINARY ?? freshBinary());
  return binary === undefined
    ? { name: "odmr from source", words: fromSource }
    : { name: "the odmr binary", words: [binary] };
}

function freshBinary(): string | undefined {
  const file = join(root, "dist", "odmr");
  if (!existsSync(file)) return undefined;
  const built = statSync(file).mtimeMs;
  return ["src", "cmd"].every((folder) => newest(join(root, folder)) <= built) ? file : undefined;
}

function newest(folder: string): number {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return Math.max(...files.map((name) => statSync(join(folder, name)).mtimeMs));
}

/** One test's part of the world: a folder, and the processes that were started in it. */
export class World {
  readonly folder: string;
  readonly #program: readonly [string, ...string[]];
  readonly #children: Child[] = [];

  constructor(folder: string, program: readonly [string, ...string[]]) {
    this.folder = folder;
    this.#program = program;
  }

  at(name: string): string {
    return join(this.folder, name);
  }

  /** Writes a file for its owner alone. @returns its path */
  async file(name: string, text: string): Promise<string> {
    await writeFile(this.at(name), text, { mode: 0o600 });
    return this.at(name);
  }

  async serve(
    config: string,
    { doors = 2, ...options }: Partial<ChildOptions> & { doors?: number } = {},
  ): Promise<Serving> {
    const serving = await serve(config, { ...this.#settings(options), doors });
    this.#children.push(serving);
    return serving;
  }

  start(args: readonly string[], options: ChildOptions = {}): Child {
    const child = start(args, this.#settings(options));
    this.#children.push(child);
    return child;
  }

  run(args: readonly string[], options: ChildOptions = {}): Promise<Ended> {
    return run(args, this.#settings(options));
  }

  async end(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.end("SIGKILL")));
    await rm(this.folder, { recursive: true, force: true });
  }

  #settings({ env, ...options }: ChildOptions): ChildOptions {
    const own = { HOME: this.folder, XDG_STATE_HOME: this.at("state"), XDG_CONFIG_HOME: this.at("config") };
    return { program: this.#program, cwd: this.folder, ...options, env: { ...own, ...env } };
  }
}

export async function inWorld(
  program: Program["words"],
  use: (world: World) => Promise<void>,
): Promise<void> {
  const world = new World(await mkdtemp(join(quickFolder(), "odmr-world-")), program);
  try {
    await use(world);
  } finally {
    await world.end();
  }
}

export interface RelayFacts {
  /** Lines of the list of doors, without the dash. */
  readonly listen?: readonly string[];
  readonly domains?: readonly string[];
  readonly tls?: string;
  readonly messageSize?: string;
  /** From one address at once. */
  readonly sessions?: number;
  readonly spool?: string;
}

const INTAKE = '{ service: intake, address: "127.0.0.1:0" }';
const ODMR = '{ service: odmr, address: "127.0.0.1:0" }';

/** A relay's configuration, with its customer's secret beside it: without TLS, on whatever ports are free. */
export async function relayOf(world: World, facts: RelayFacts = {}, name = "relay"): Promise<string> {
  const {
    listen = [INTAKE, ODMR],
    domains = ["example.org", "example.com"],
    tls,
    messageSize = "50MiB",
    sessions = 20,
    spool = `${name}/spool.db`,
  } = facts;
  await world.file("home.secret", "open sesame\n");
  return world.file(
    `${name}.yaml`,
    `hostname: relay.example.net
spool: "${spool}"
${tls === undefined ? "" : `tls: ${tls}\n`}serve:
  listen:
${listen.map((door) => `    - ${door}\n`).join("")}  limits: { messageSize: ${messageSize}, perAddress: ${sessions} }
  customers:
    - { name: home, domains: [${domains.join(", ")}], password: { file: home.secret }, quota: 10GiB }
`,
  );
}

export interface HouseFacts {
  readonly provider: string;
  readonly messageSize?: string;
  readonly to?: string;
  readonly secret?: string;
  readonly tls?: string;
}

/** A house's configuration, one account for each provider. */
export async function houseOf(world: World, accounts: Readonly<Record<string, HouseFacts>>): Promise<string> {
  const lines = Object.entries(accounts).map(
    ([
      name,
      {
        provider,
        messageSize = "50MiB",
        to = "maildir:mail/{domain}/{local}",
        secret = "home.secret",
        tls = "none",
      },
    ]) =>
      `    - name: ${name}
      provider: ${provider}
      tls: ${tls}
      user: home
      password: { file: ${secret} }
      domains: [example.org, example.com]
      messageSize: ${messageSize}
      deliver: [{ match: "*", to: "${to}" }]
`,
  );
  await mkdir(world.at("mail"), { recursive: true });
  return world.file(
    "house.yaml",
    `hostname: house.example.org\nspool: house/spool.db\npull:\n  accounts:\n${lines.join("")}`,
  );
}

export const portOf = (door: string | undefined): number => Number(/:(\d+)$/.exec(door ?? "")?.[1]);
