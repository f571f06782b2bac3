import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { messagesIn, unfold } from "../../cmd/demo/compare.ts";
import { lineDelivery } from "../../src/delivery/line.ts";
import { dial } from "../../src/net/dial.ts";
import { Talk } from "../../src/net/talk.ts";
import { pause, systemClock } from "../../src/platform/clock.ts";
import { seeded } from "../spool/support.ts";
import { type Cutter, cutterTo } from "../support/cutter.ts";
import { type Postgresql, startPostgresql, withPostgresqlOnBun } from "../support/postgresql.ts";
import { freePort } from "../support/processes.ts";
import { houseOf, inWorld, portOf, programs, relayOf, type World } from "../support/program.ts";

/** Each kind of trouble once. */
const ROUNDS = 6;
const NODES = 3;
const EACH = 25;

interface Post {
  readonly taken: Map<string, string>;
  readonly unknown: Map<string, string>;
  next: number;
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
    process.kill(pid, "SIGSTOP");
    try {
      await meanwhile();
    } finally {
      process.kill(pid, "SIGCONT");
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.end("SIGTERM")));
  }

  get server(): Postgresql {
    return this.#server;
  }
}

describe("three nodes on one PostgreSQL", withPostgresqlOnBun(), () => {
  it("lose and double nothing, whichever is killed, cut off, ended or stopped, the database too", () =>
    inWorld(programs.at(-1)!.words, async (world) => {
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
        const post = await troubled(world, cluster, spool);
        await allHome(world, cluster, { post, spool });
        await cluster.end();
      } finally {
        await world.end();
        await Promise.all(cutters.map((cutter) => cutter.close()));
        await server.stop();
      }
    }));
});

async function troubled(world: World, cluster: Cluster, spool: string): Promise<Post> {
  const random = seeded(31);
  const pick = (): number => Math.floor(random.fraction() * NODES);
  const post: Post = { taken: new Map(), unknown: new Map(), next: 0 };
  const troubles: readonly ((node: number) => Promise<void>)[] = [
    (node) => cluster.restart(node),
    () => cluster.server.crash(),
    async () => {
      await cluster.server.sql(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'odmr%'",
      );
    },
    async (node) => cluster.cut(node),
    (node) =>
      cluster.paused(node, async () => {
        await giveBackLeases(world, spool);
        await call(world, await cluster.house((node + 1) % NODES));
      }),
    async (node) => {
      await Promise.all([cluster.restart(node), cluster.server.crash()]);
    },
  ];
  for (let round = 0; round < ROUNDS; round++) {
    const node = pick();
    const loads = Array.from({ length: NODES }, (_, n) => load(cluster.intake(n), post, EACH));
    const calls = [
      call(world, await cluster.house(node)),
      call(world, await cluster.house((node + 1) % NODES)),
    ];
    await pause(systemClock, random.fraction() * 500);
    await troubles[round % troubles.length]?.(node);
    await Promise.all([...loads, ...calls]);
  }
  return post;
}

/** A call's end may be any: its line, its relay or the relay's database may have gone. */
async function call(world: World, house: string): Promise<void> {
  await world.run(["pull", "--config", house, "--log-level", "error"]);
}

/** What a dead node had leased is claimable again two minutes later; an operator need not wait so long. */
async function giveBackLeases(world: World, spool: string): Promise<void> {
  for (const action of ["hold", "release"]) await world.run(["queue", action, "--all", "--spool", spool]);
}

/** After the last round all comes home, once, as it was sent; and the spool's books are right. */
async function allHome(
  world: World,
  cluster: Cluster,
  { post, spool }: { readonly post: Post; readonly spool: string },
): Promise<void> {
  await giveBackLeases(world, spool);
  await giveBackLeases(world, world.at("house/spool.db"));
  const ended = await world.run(["pull", "--config", await cluster.house(1), "--log-level", "warn"]);
  assert.equal(ended.status, 0, ended.stdout + ended.stderr);
  const count = new Map<string, number>();
  const wrong: string[] = [];
  for (const file of await messagesIn(world.at("mail"))) {
    const { sender = file, message } = unfold(await readFile(file));
    count.set(sender, (count.get(sender) ?? 0) + 1);
    const body = post.taken.get(sender) ?? post.unknown.get(sender);
    if (message.toString("latin1") !== body?.replaceAll("\r\n", "\n")) wrong.push(sender);
  }
  assert.ok(post.taken.size > ROUNDS * EACH, `${post.taken.size} taken in`);
  assert.deepEqual(wrong, [], "not what was sent");
  assert.deepEqual(
    [...post.taken.keys()].filter((sender) => !count.has(sender)),
    [],
    "lost",
  );
  assert.deepEqual(
    [...count].filter(([, times]) => times !== 1),
    [],
    "twice",
  );
  const verified = await world.run(["queue", "verify", "--spool", spool]);
  assert.equal(verified.status, 0, verified.stdout + verified.stderr);
  const left = await world.run(["queue", "count", "--spool", spool]);
  assert.equal(left.stdout.trim(), "0", left.stderr);
}
