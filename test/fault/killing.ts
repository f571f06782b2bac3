/** Programs that are killed at their work, again and again, and what must be true after each death. */
// A kill falls at something that was seen to happen (so many taken in, handed over, delivered), not at a time: a slow machine
// tries the same as a fast one.
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import type { Child } from "../../cmd/demo/child.ts";
import { messagesIn, unfold } from "../../cmd/demo/compare.ts";
import type { Delivery } from "../../src/delivery/delivery.ts";
import { lineDelivery } from "../../src/delivery/line.ts";
import { dial } from "../../src/net/dial.ts";
import { Talk } from "../../src/net/talk.ts";
import { pause, systemClock } from "../../src/platform/clock.ts";
import type { Random } from "../../src/platform/random.ts";
import { eventually } from "../support/processes.ts";
import { houseOf, portOf, relayOf, type World } from "../support/program.ts";
import type { Problem } from "../torture/job.ts";

/** At once, each with so many messages at most. */
const LOADS = { sessions: 3, each: 80 } as const;
/** What lies at the relay before pull is killed at it. */
const WAITING = 60;
/** As many as one relay is measured with, and what is to be taken in before it is killed. */
const FLOOD = { sessions: 200, taken: 400 } as const;

/** What the killing came to. */
export interface Toll {
  readonly kills: number;
  /** Answered 250. */
  readonly taken: number;
  /** Whose answer never came: they may be there or not. */
  readonly unanswered: number;
  /** Of those that were taken, in the Maildirs and in the relay's queue in the end; and what is there without a 250. */
  readonly delivered: number;
  readonly queued: number;
  readonly keptUnasked: number;
  /** What was wrong after any of the kills. */
  readonly problems: readonly Problem[];
}

export interface Rounds {
  readonly rounds: number;
  readonly random: Random;
}

/** Messages by their senders: those that were answered 250, and those whose answer never came. */
export interface Post {
  readonly taken: Map<string, string>;
  readonly unknown: Map<string, string>;
  next: number;
}

/** Small ones, and now and then one that becomes a file of the spool. */
function bodyOf(n: number): string {
  const line = `${n} ${"x".repeat(60)}\r\n`;
  return `Subject: ${n}\r\n\r\n${line.repeat(n % 10 === 0 ? 2_200 : 1 + (n % 7))}`;
}

async function intakeLine(port: number): Promise<Delivery> {
  const talk = new Talk(await dial({ host: "127.0.0.1", port, clock: systemClock, within: 10_000 }));
  await talk.greeting();
  await talk.ask({ verb: "EHLO", name: "world.example" });
  return lineDelivery(talk, { compatibility: "auto" });
}

/** Sends until the line breaks or `most` have gone, and notes what was answered. */
export async function load(port: number, post: Post, most: number): Promise<void> {
  try {
    const delivery = await intakeLine(port);
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
      if (outcome?.result !== "unanswered") continue;
      post.unknown.set(from, bodyOf(n));
      break;
    }
    await delivery.close();
  } catch {
    // The relay was gone before anything was said: nothing was promised.
  }
}

/** What lies in the Maildirs, by sender: how often, and whether it is what was sent. */
async function homeOf(world: World, post: Post) {
  const count = new Map<string, number>();
  const wrong: string[] = [];
  for (const file of await messagesIn(world.at("mail"))) {
    const { sender = file, message } = unfold(await readFile(file));
    count.set(sender, (count.get(sender) ?? 0) + 1);
    const body = post.taken.get(sender) ?? post.unknown.get(sender);
    if (message.toString("latin1") !== body?.replaceAll("\r\n", "\n")) wrong.push(sender);
  }
  return { count, wrong };
}

/** The senders of all that a spool knows, gone or here. */
async function sendersIn(
  world: World,
  spool: string,
  ...filters: readonly string[]
): Promise<readonly string[]> {
  const listed = await world.run(["queue", "list", "--json", "--spool", world.at(spool), ...filters]);
  // 1: there are none.
  assert.ok(listed.status === 0 || listed.status === 1, `status ${listed.status}: ${listed.stderr}`);
  return listed.stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { sender: string }).sender);
}

/** What is wrong is told once, however often it is looked at. */
class Books {
  readonly #found = new Map<string, Problem>();

  get problems(): readonly Problem[] {
    return [...this.#found.values()];
  }

  wrong(type: Problem["type"], ...whats: readonly string[]): void {
    for (const what of whats) this.#found.set(`${type} ${what}`, { type, what });
  }
}

/** Every message that was answered 250 is in the queue or at home, and nothing is at home twice. @returns what is where */
async function conservation(world: World, post: Post, books: Books) {
  const waiting = new Set(await sendersIn(world, "relay/spool.db"));
  const atHome = await sendersIn(world, "house/spool.db", "--gone");
  const { count, wrong } = await homeOf(world, post);
  books.wrong("doubled", ...atHome.filter((sender, i) => atHome.indexOf(sender) !== i));
  books.wrong("doubled", ...[...count].filter(([, times]) => times !== 1).map(([sender]) => sender));
  books.wrong("changed", ...wrong);
  const here = new Set([...waiting, ...atHome]);
  books.wrong("lost", ...[...post.taken.keys()].filter((sender) => !here.has(sender)));
  return { here, home: count };
}

/** After the last round all comes home, once: what a killed process had leased is there for the next at once. */
async function allHome(scene: Scene, house: string, kills: number): Promise<Toll> {
  const { world, post, books } = scene;
  const ended = await world.run(["pull", "--config", house, "--log-level", "warn"]);
  if (ended.status !== 0) books.wrong("wrong", `status ${ended.status}: ${ended.stdout}${ended.stderr}`);
  const { home } = await conservation(world, post, books);
  const taken = [...post.taken.keys()];
  books.wrong("wrong", ...taken.filter((sender) => !home.has(sender)).map((sender) => `${sender}: not home`));
  return tollOf(scene, kills, { arrived: home, here: home });
}

interface Places {
  readonly arrived: { has(sender: string): boolean };
  readonly here: { has(sender: string): boolean };
}

function tollOf({ post, books }: Scene, kills: number, { arrived, here }: Places): Toll {
  const taken = [...post.taken.keys()];
  return {
    ...{ kills, taken: taken.length, unanswered: post.unknown.size, problems: books.problems },
    delivered: taken.filter((sender) => arrived.has(sender)).length,
    queued: taken.filter((sender) => here.has(sender) && !arrived.has(sender)).length,
    keptUnasked: [...post.unknown.keys()].filter((sender) => here.has(sender)).length,
  };
}

interface Scene {
  readonly world: World;
  readonly post: Post;
  readonly books: Books;
}

function sceneOf(world: World): Scene {
  return { world, post: { taken: new Map(), unknown: new Map(), next: 0 }, books: new Books() };
}

/** Kills a child (and another with it) when something has come about, or leaves it if it ends before. @returns whether it was alive */
async function killWhen(
  child: Child,
  come: () => boolean | Promise<boolean>,
  other?: Child,
): Promise<boolean> {
  let over = false;
  const ended = child.ended.then(() => {
    over = true;
  });
  while (!over && !(await come())) await Promise.race([pause(systemClock, 5), ended]);
  const alive = !over;
  await Promise.all([child.end("SIGKILL"), other?.end("SIGKILL")]);
  return alive;
}

const upTo = (most: number, random: Random): number => 1 + Math.floor(random.fraction() * most);
const delivered = async (world: World): Promise<number> => (await messagesIn(world.at("mail"))).length;

/** serve is killed while it takes mail in and hands it over. */
export const killServe = (world: World, plan: Rounds): Promise<Toll> => killRelay(world, plan, "serve");

/** The power goes on both sides at once: serve is killed, and pull in the same moment. */
export const killBoth = (world: World, plan: Rounds): Promise<Toll> => killRelay(world, plan, "both");

async function killRelay(world: World, { rounds, random }: Rounds, who: "serve" | "both"): Promise<Toll> {
  const scene = sceneOf(world);
  const { post, books } = scene;
  await mkdir(world.at("mail"));
  const relay = await relayOf(world);
  let kills = 0;
  for (let round = 0; round < rounds; round++) {
    const serving = await world.serve(relay);
    const house = await houseOf(world, { vps: { provider: serving.doors.odmr! } });
    const loads = Array.from({ length: LOADS.sessions }, () =>
      load(portOf(serving.doors.intake), post, LOADS.each),
    );
    const pull = world.start(["pull", "--config", house, "--log-level", "error"]);
    let over = false;
    void pull.ended.then(() => {
      over = true;
    });
    const taken = post.taken.size + upTo((LOADS.sessions * LOADS.each) / 2, random);
    const home = (await delivered(world)) + upTo(WAITING, random);
    // Every other time at the hand-over: who comes home is handed over in pieces, and the relay lives to see it.
    const come =
      round % 2 === 0 ? async () => over || (await delivered(world)) >= home : () => post.taken.size >= taken;
    const killed = killWhen(serving, come, who === "both" ? pull : undefined);
    if (await killed) kills++;
    await Promise.all([...loads, pull.ended]);
    await conservation(world, post, books);
  }
  const last = await world.serve(relay);
  const house = await houseOf(world, { vps: { provider: last.doors.odmr! } });
  return await allHome(scene, house, kills);
}

/** pull is killed while it takes mail in and delivers it. */
export async function killPull(world: World, { rounds, random }: Rounds): Promise<Toll> {
  const scene = sceneOf(world);
  const { post, books } = scene;
  const serving = await world.serve(await relayOf(world));
  const house = await houseOf(world, { vps: { provider: serving.doors.odmr! } });
  let kills = 0;
  for (let round = 0; round < rounds; round++) {
    await load(portOf(serving.doors.intake), post, WAITING);
    const before = await delivered(world);
    const pull = world.start(["pull", "--config", house, "--log-level", "error"]);
    const home = before + Math.floor(random.fraction() * WAITING);
    const log = Math.floor(random.fraction() * 200_000);
    // Every other time at the delivery, else by what its spool has written: that is while it still takes in.
    const come =
      round % 2 === 0
        ? async () => (await delivered(world)) > home
        : () => sizeOf(world.at("house/spool.db-wal")) > log;
    if (await killWhen(pull, come)) kills++;
    await conservation(world, post, books);
  }
  return await allHome(scene, house, kills);
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

/** serve is killed once, under many sessions at full speed. */
export async function killFlooded(world: World): Promise<Toll> {
  const scene = sceneOf(world);
  const { post, books } = scene;
  const serving = await world.serve(await relayOf(world, { sessions: FLOOD.sessions }));
  const port = portOf(serving.doors.intake);
  const loads = Array.from({ length: FLOOD.sessions }, () => load(port, post, 1_000));
  await eventually(
    () => post.taken.size >= FLOOD.taken,
    () => `${post.taken.size} taken in`,
  );
  await serving.end("SIGKILL");
  await Promise.all(loads);
  const here = new Set(await sendersIn(world, "relay/spool.db"));
  books.wrong("lost", ...[...post.taken.keys()].filter((sender) => !here.has(sender)));
  const verified = await world.run(["queue", "verify", "--spool", world.at("relay/spool.db")]);
  if (verified.status !== 0) books.wrong("wrong", verified.stdout + verified.stderr);
  return tollOf(scene, 1, { arrived: new Set(), here });
}
