import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import type { Child } from "../../cmd/demo/child.ts";
import { messagesIn, unfold } from "../../cmd/demo/compare.ts";
import type { Delivery } from "../../src/delivery/delivery.ts";
import { lineDelivery } from "../../src/delivery/line.ts";
import { dial } from "../../src/net/dial.ts";
import { Talk } from "../../src/net/talk.ts";
import { pause, systemClock } from "../../src/platform/clock.ts";
import { seeded } from "../spool/support.ts";
import { eventually } from "../support/processes.ts";
import { houseOf, inWorld, portOf, programs, relayOf, type World } from "../support/program.ts";

const ROUNDS = 20;
const SESSIONS = 3;
/** As many as one relay is measured with, and what is to be taken in before it is killed. */
const FLOOD = { sessions: 200, taken: 400 } as const;

/** Messages by their senders: those that were answered 250, and those whose answer never came. */
interface Post {
  readonly taken: Map<string, string>;
  readonly unknown: Map<string, string>;
  next: number;
}

/** Small ones, and now and then one that becomes a file of the spool. */
function bodyOf(n: number): string {
  const line = `${n} ${"x".repeat(60)}\r\n`;
  return `Subject: ${n}\r\n\r\n${line.repeat(n % 10 === 0 ? 2_000 : 1 + (n % 7))}`;
}

async function intakeLine(port: number): Promise<Delivery> {
  const talk = new Talk(await dial({ host: "127.0.0.1", port, clock: systemClock, within: 10_000 }));
  await talk.greeting();
  await talk.ask({ verb: "EHLO", name: "world.example" });
  return lineDelivery(talk, { compatibility: "auto" });
}

/** Sends until the line breaks or `most` have gone, and notes what was answered. */
async function load(port: number, post: Post, most: number): Promise<void> {
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
  const { stdout } = await world.run(["queue", "list", "--json", "--spool", world.at(spool), ...filters]);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { sender: string }).sender);
}

/** Every message that was answered 250 is in the queue or at home, and nothing is at home twice. @returns how many are at home */
async function conservation(world: World, post: Post): Promise<number> {
  const waiting = new Set(await sendersIn(world, "relay/spool.db"));
  const house = await sendersIn(world, "house/spool.db", "--gone");
  const atHome = new Set(house);
  const { count, wrong } = await homeOf(world, post);
  assert.equal(house.length, atHome.size, "a message is twice in the house's spool");
  assert.deepEqual(
    [...count].filter(([, times]) => times !== 1),
    [],
    "twice in a Maildir",
  );
  assert.deepEqual(wrong, [], "not what was sent");
  const lost = [...post.taken.keys()].filter((sender) => !waiting.has(sender) && !atHome.has(sender));
  assert.deepEqual(lost, [], "lost");
  return atHome.size;
}

/** After the last round all comes home, once: what a killed process had leased is there for the next at once. */
async function allHome(world: World, post: Post, house: string): Promise<void> {
  const ended = await world.run(["pull", "--config", house, "--log-level", "warn"]);
  assert.equal(ended.status, 0, ended.stdout + ended.stderr);
  await conservation(world, post);
  const { count } = await homeOf(world, post);
  const missing = [...post.taken.keys()].filter((sender) => !count.has(sender));
  assert.deepEqual(missing, []);
}

/** How long one call takes on this machine now, so that the kills fall into it. */
async function timeOfCall(world: World, house: string): Promise<number> {
  const began = performance.now();
  await world.run(["pull", "--config", house]);
  return performance.now() - began;
}

/** Kills a child after so many milliseconds, unless it has ended before. */
async function killAfter(child: Child, ms: number): Promise<void> {
  await Promise.race([pause(systemClock, ms), child.ended]);
  await child.end("SIGKILL");
}

for (const { name, words } of programs)
  describe(`${name} killed`, () => {
    it(`loses and doubles nothing when serve is killed ${ROUNDS} times, taking mail in and handing it over`, () =>
      inWorld(words, async (world) => {
        const random = seeded(11);
        const post: Post = { taken: new Map(), unknown: new Map(), next: 0 };
        let atHome = 0;
        await mkdir(world.at("mail"));
        const relay = await relayOf(world);
        let call = 0;
        for (let round = 0; round < ROUNDS; round++) {
          const serving = await world.serve(relay);
          const house = await houseOf(world, { vps: { provider: serving.doors.odmr! } });
          if (round === 0) call = await timeOfCall(world, house);
          const loads = Array.from({ length: SESSIONS }, () =>
            load(portOf(serving.doors.intake), post, 1_000),
          );
          const pull = world.start(["pull", "--config", house, "--log-level", "error"]);
          await killAfter(serving, (0.1 + random.fraction() * 4) * call);
          await Promise.all([...loads, pull.ended]);
          atHome = await conservation(world, post);
        }
        assert.ok(atHome > 0, "no mail moved between the kills");
        const last = await world.serve(relay);
        assert.ok(post.taken.size > ROUNDS, `${post.taken.size} taken in`);
        await allHome(world, post, await houseOf(world, { vps: { provider: last.doors.odmr! } }));
      }));

    it(`loses nothing when serve is killed under ${FLOOD.sessions} sessions at full speed`, () =>
      inWorld(words, async (world) => {
        const post: Post = { taken: new Map(), unknown: new Map(), next: 0 };
        const relay = await relayOf(world, { sessions: FLOOD.sessions });
        const serving = await world.serve(relay);
        const port = portOf(serving.doors.intake);
        const loads = Array.from({ length: FLOOD.sessions }, () => load(port, post, 1_000));
        await eventually(
          () => post.taken.size >= FLOOD.taken,
          () => `${post.taken.size} taken in`,
        );
        await serving.end("SIGKILL");
        await Promise.all(loads);
        assert.ok(post.unknown.size > 0, "it was idle when it was killed");
        const kept = new Set(await sendersIn(world, "relay/spool.db"));
        const lost = [...post.taken.keys()].filter((sender) => !kept.has(sender));
        assert.deepEqual(lost, []);
        const verified = await world.run(["queue", "verify", "--spool", world.at("relay/spool.db")]);
        assert.equal(verified.status, 0, verified.stdout + verified.stderr);
      }));

    it(`loses and doubles nothing when pull is killed ${ROUNDS} times, taking mail in and delivering it`, () =>
      inWorld(words, async (world) => {
        const random = seeded(12);
        const post: Post = { taken: new Map(), unknown: new Map(), next: 0 };
        let atHome = 0;
        const serving = await world.serve(await relayOf(world));
        const house = await houseOf(world, { vps: { provider: serving.doors.odmr! } });
        const call = await timeOfCall(world, house);
        for (let round = 0; round < ROUNDS; round++) {
          await load(portOf(serving.doors.intake), post, 60);
          const pull = world.start(["pull", "--config", house, "--log-level", "error"]);
          await killAfter(pull, (0.3 + random.fraction()) * call);
          atHome = await conservation(world, post);
        }
        assert.ok(atHome > 0, "no mail moved between the kills");
        assert.equal(post.taken.size, ROUNDS * 60);
        await allHome(world, post, house);
      }));
  });
