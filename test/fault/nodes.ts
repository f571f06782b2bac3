/** Three nodes on one PostgreSQL, under load and in trouble: what postgres.test.ts tries in short, `npm run torture nodes` at length. */
// What was answered 250 must come home once, whatever was killed; what had no answer may come, once.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { messagesIn, unfold } from "../../cmd/demo/compare.ts";
import { lineDelivery } from "../../src/delivery/line.ts";
import { dial } from "../../src/net/dial.ts";
import { Talk } from "../../src/net/talk.ts";
import { pause, systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { openSpool } from "../../src/spool/open.ts";
import { verify } from "../../src/spool/verify.ts";
import { all, seeded } from "../spool/support.ts";
import { type Cutter, cutterTo } from "../support/cutter.ts";
import { type Postgresql, startPostgresql } from "../support/postgresql.ts";
import { freePort } from "../support/processes.ts";
import { houseOf, inWorld, portOf, programs, relayOf, type World } from "../support/program.ts";
import type { Problem } from "../torture/job.ts";

const NODES = 3;

/** What may happen to them, each at a node of chance or to all. */
export const troubles = ["node", "database", "lines", "cut", "pause"] as const;
export type Trouble = (typeof troubles)[number];

export interface Trial {
  readonly seed: number;
  /** Of each round: what happens at once in it. */
  readonly rounds: readonly (readonly Trouble[])[];
  /** Messages for each node in a round. */
  readonly each: number;
  /** Of the house in a round, at once, each to another node. */
  readonly calls: number;
}

/** What a trial came to. */
export interface Ordeal {
  /** Answered 250, and of those what came home. */
  readonly taken: number;
  readonly delivered: number;
  /** Came home though its answer never came. */
  readonly keptUnasked: number;
  readonly problems: readonly Problem[];
}

export async function trial(plan: Trial): Promise<Ordeal> {
  let ordeal: Ordeal | undefined;
  await inWorld(programs.at(-1)!.words, async (world) => {
    const server = await startPostgresql({ port: await freePort() });
    const cutters = await Promise.all(Array.from({ length: NODES }, () => cutterTo(server.port ?? 0)));
    const spool = server.spool();
    const through = ({ port }: Cutter) => spool.replace(`:${server.port}/`, `:${port}/`);
    const configs = await Promise.all(
      cutters.map((cutter, n) => relayOf(world, { spool: through(cutter) }, `node${n}`)),
    );
    const cluster = new Cluster(world, server, { cutters, configs });
    try {
      await mkdir(world.at("mail"));
      await cluster.begin();
      const post = new Post();
      await woken(world, cluster, post);
      await troubled({ world, cluster, spool, post }, plan);
      ordeal = await allHome({ world, cluster, spool, post });
      await cluster.end();
    } finally {
      await world.end();
      await Promise.all(cutters.map((cutter) => cutter.close()));
      await server.stop();
    }
  });
  assert.ok(ordeal);
  return ordeal;
}

/** What was brought, by its sender. */
class Post {
  readonly taken = new Map<string, string>();
  readonly unknown = new Map<string, string>();
  next = 0;
}

/** Small ones, and now and then one that lies in pieces. */
function bodyOf(n: number): string {
  const line = `${n} ${"x".repeat(60)}\r\n`;
  return `Subject: ${n}\r\n\r\n${line.repeat(n % 15 === 0 ? 6_000 : 1 + (n % 7))}`;
}

/** Sends until the line breaks or enough have gone, and notes what was answered. */
async function load(port: number, post: Post, most: number): Promise<void> {
  try {
    const talk = new Talk(await dial({ host: "127.0.0.1", port, clock: systemClock, within: 20_000 }));
    await talk.greeting();
    await talk.ask({ verb: "EHLO", name: "world.example" });
    const delivery = lineDelivery(talk, { compatibility: "auto" });
    for (let i = 0; i < most; i++) {
      const n = post.next++;
      const from = `n${n}@world.example`;
      const octets = new TextEncoder().encode(bodyOf(n));
      const [outcome] = await delivery.deliver({
        id: from,
        envelope: { from, recipients: [{ address: `box${n % 3}@example.org`, notify: [] }], smtputf8: false },
        size: octets.length,
        arrived: 0,
        content: () => [octets],
      });
      if (outcome?.result === "delivered") post.taken.set(from, bodyOf(n));
      if (outcome?.result === "unanswered") post.unknown.set(from, bodyOf(n));
      if (outcome?.result !== "delivered") return;
    }
    await delivery.close();
  } catch {
    // The node was gone before anything was said: nothing was promised.
  }
}

/** Three nodes, each on a line of its own to the database. */
class Cluster {
  readonly #world: World;
  readonly #server: Postgresql;
  readonly #cutters: readonly Cutter[];
  readonly #configs: readonly string[];
  #nodes: Awaited<ReturnType<World["serve"]>>[] = [];

  constructor(
    world: World,
    server: Postgresql,
    of: { readonly cutters: readonly Cutter[]; readonly configs: readonly string[] },
  ) {
    this.#world = world;
    this.#server = server;
    this.#cutters = of.cutters;
    this.#configs = of.configs;
  }

  async begin(): Promise<void> {
    this.#nodes = await Promise.all(this.#configs.map((config) => this.#world.serve(config)));
  }

  intake(node: number): number {
    return portOf(this.#nodes[node]?.doors.intake);
  }

  /** Resolves when a customer was told that there is no mail for now, and stays. */
  async waiting(node: number): Promise<void> {
    await this.#nodes[node]?.heard((said) => said.includes('"event":"turn refused"') || undefined);
  }

  async house(node: number): Promise<string> {
    return await houseOf(this.#world, { vps: { provider: this.#nodes[node]?.doors.odmr ?? "" } });
  }

  async restart(node: number): Promise<void> {
    await this.#nodes[node]?.end("SIGKILL");
    this.#nodes[node] = await this.#world.serve(this.#configs[node] ?? "");
  }

  cut(node: number): void {
    this.#cutters[node]?.all();
  }

  /** Stands still until its leases were given away, and goes on then. */
  async paused(node: number, meanwhile: () => Promise<void>): Promise<void> {
    const pid = this.#nodes[node]?.pid ?? 0;
    tell(pid, "SIGSTOP");
    try {
      await meanwhile();
    } finally {
      tell(pid, "SIGCONT");
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.end("SIGTERM")));
  }

  get server(): Postgresql {
    return this.#server;
  }
}

/** It may be killed in the same round. */
function tell(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code !== "ESRCH") throw fault;
  }
}

interface Scene {
  readonly world: World;
  readonly cluster: Cluster;
  readonly spool: string;
  readonly post: Post;
}

/** Who waits at one node is woken by what another takes in. */
async function woken(world: World, cluster: Cluster, post: Post): Promise<void> {
  const house = await cluster.house(0);
  const follower = world.start(["pull", "--follow", "--config", house, "--log", "json"]);
  await cluster.waiting(0);
  await load(cluster.intake(1), post, 1);
  await follower.printed((said) => said.includes("1 delivered") || undefined);
  await follower.end("SIGTERM");
}

async function troubled({ world, cluster, spool, post }: Scene, plan: Trial): Promise<void> {
  const random = seeded(plan.seed);
  const pick = (): number => Math.floor(random.fraction() * NODES);
  const acts: Readonly<Record<Trouble, (node: number) => Promise<void>>> = {
    node: (node) => cluster.restart(node),
    database: () => cluster.server.crash(),
    async lines() {
      await cluster.server.sql(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'odmr%'",
      );
    },
    cut: async (node) => cluster.cut(node),
    pause: (node) =>
      cluster.paused(node, async () => {
        await giveBackLeases(spool);
        await call(world, await cluster.house((node + 1) % NODES));
      }),
  };
  for (const round of plan.rounds) {
    const node = pick();
    const loads = Array.from({ length: NODES }, (_, n) => load(cluster.intake(n), post, plan.each));
    const calls = Array.from({ length: plan.calls }, async (_, n) =>
      call(world, await cluster.house((node + n) % NODES)),
    );
    await pause(systemClock, random.fraction() * 500);
    // Where the database is down there are no lines to end and no leases to give back.
    const excused = (fault: unknown): void => {
      if (!round.includes("database")) throw fault;
    };
    await Promise.all(
      round.map((trouble) =>
        trouble === "database" ? acts.database(node) : acts[trouble](node).catch(excused),
      ),
    );
    await Promise.all([...loads, ...calls]);
  }
}

/** A call's end may be any: its line, its relay or the relay's database may have gone. */
async function call(world: World, house: string): Promise<void> {
  await world.run(["pull", "--config", house, "--log-level", "error"]);
}

const opened = (path: string) =>
  openSpool({
    ...{ path, clock: systemClock, random: systemRandom, log: silent, files: systemFiles },
    ...{ thread: "here", asIs: true },
  });

/** What a dead node had leased is claimable again two minutes later; an operator need not wait so long. */
async function giveBackLeases(path: string): Promise<void> {
  const spool = await opened(path);
  try {
    for (const type of ["hold", "release"] as const)
      await all(spool.act({ type }, {}, { name: "test", reason: "" }));
  } finally {
    await spool.close();
  }
}

/** After the last round all comes home, once, as it was sent; and the spool's books are right. */
async function allHome({ world, cluster, spool, post }: Scene): Promise<Ordeal> {
  await giveBackLeases(spool);
  await giveBackLeases(world.at("house/spool.db"));
  const ended = await world.run(["pull", "--config", await cluster.house(1), "--log-level", "warn"]);
  assert.equal(ended.status, 0, ended.stdout + ended.stderr);
  const count = new Map<string, number>();
  const problems: Problem[] = [];
  const wrong = (type: Problem["type"], what: string) => void problems.push({ type, what });
  for (const file of await messagesIn(world.at("mail"))) {
    const { sender = file, message } = unfold(await readFile(file));
    count.set(sender, (count.get(sender) ?? 0) + 1);
    const body = post.taken.get(sender) ?? post.unknown.get(sender);
    if (message.toString("latin1") !== body?.replaceAll("\r\n", "\n")) wrong("changed", sender);
  }
  const taken = [...post.taken.keys()];
  for (const sender of taken) if (!count.has(sender)) wrong("lost", sender);
  for (const [sender, times] of count) if (times !== 1) wrong("doubled", `${sender}: ${times} times`);
  const relay = await opened(spool);
  try {
    for (const finding of await all(verify(relay))) wrong("wrong", JSON.stringify(finding));
    const left = await relay.count({});
    if (left > 0) wrong("wrong", `${left} messages are still at the relay`);
  } finally {
    await relay.close();
  }
  return {
    ...{ taken: taken.length, problems },
    delivered: taken.filter((sender) => count.has(sender)).length,
    keptUnasked: [...post.unknown.keys()].filter((sender) => count.has(sender)).length,
  };
}
