/** Many at once: the caps over all, at one door, from one address and of one customer; and a thousand guesses. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Clock, systemClock } from "../../src/platform/clock.ts";
import { openOffice } from "../../src/relay/office.ts";
import type { DoorPlan, PorchPlan } from "../../src/relay/porch.ts";
import { openPost } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";
import { Doors, type Entrance, entrances, hasLogin, isReal, knockAt, logIn } from "./doors.ts";
import { arrive, quit } from "./rows.ts";

const door = (service: DoorPlan["service"], more: Partial<DoorPlan> = {}): DoorPlan => ({
  ...{ service, startTls: false, implicitTls: false, requireTls: false, bareLineEnds: "refuse" },
  ...{ address: { host: "127.0.0.1", port: 0 }, admits: () => true, ...more },
});

interface Hall {
  /** Connects from an address of loopback, and hears the first word at this door of the plan. */
  enter(door: number, from?: string): Promise<string>;
  /** One of those who came in by this door goes. */
  leave(door: number): Promise<void>;
}

async function withHall(plan: PorchPlan, use: (hall: Hall) => Promise<void>): Promise<void> {
  const post = await openPost();
  const office = await openOffice(post.relay, plan);
  const inside = plan.doors.map((): Awaited<ReturnType<typeof knockAt>>[] => []);
  try {
    await use({
      async enter(door, from = "127.0.0.1") {
        const peer = await knockAt(office.addresses[door]!.port, from);
        inside[door]!.push(peer);
        const heard = await play(peer, "C", ["P: *"]);
        return heard.slice(0, 3);
      },
      async leave(door) {
        const peer = inside[door]!.shift();
        if (peer !== undefined) await play(peer, "C", quit);
      },
    });
  } finally {
    for (const peer of inside.flat()) peer.destroy();
    await office.close();
    await post.close();
  }
}

/** Asks until it is so: who has left is known to have left a moment later. */
async function atLast(hall: Hall, wanted: string, door: number): Promise<void> {
  for (let i = 0; i < 1_000; i++) if ((await hall.enter(door)) === wanted) return;
  assert.fail(`it is never ${wanted}`);
}

describe("a relay with a cap on its connections", () => {
  it("counts them over all its doors: the one more is told 421 at each of them, until somebody leaves", () =>
    withHall({ doors: [door("intake"), door("odmr")], maxConnections: 3, perAddress: 9 }, async (hall) => {
      assert.deepEqual(
        [
          await hall.enter(0),
          await hall.enter(1),
          await hall.enter(0),
          await hall.enter(0),
          await hall.enter(1),
        ],
        ["220", "220", "220", "421", "421"],
      );
      await hall.leave(0);
      await atLast(hall, "220", 1);
    }));

  it("at one door, leaves the other ones their room", () =>
    withHall(
      { doors: [door("intake", { maxConnections: 2 }), door("odmr")], maxConnections: 9, perAddress: 9 },
      async (hall) => {
        assert.deepEqual(
          [await hall.enter(0), await hall.enter(0), await hall.enter(0), await hall.enter(1)],
          ["220", "220", "421", "220"],
        );
      },
    ));

  it("from one address, lets others in", () =>
    withHall({ doors: [door("intake")], maxConnections: 9, perAddress: 2 }, async (hall) => {
      const from = ["127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.3"];
      const heard: string[] = [];
      for (const address of from) heard.push(await hall.enter(0, address));
      assert.deepEqual(heard, ["220", "220", "421", "220"]);
    }));
});

const login = entrances.filter((entrance) => hasLogin(entrance) && isReal(entrance));

describe("a customer's sessions", () => {
  let doors: Doors;
  before(async () => {
    doors = await Doors.open(systemClock, { perCustomer: 2 });
  });
  after(() => doors.close());

  it("are so many at once, over all doors; another customer's are its own, and there is room when one has ended", async () => {
    const [first = login[0]!, second = login[1]!, third = login[2]!] = login;
    const here = [await arrive(doors, first, "known"), await arrive(doors, second, "known")];
    const crowded = await arrive(doors, third, "open");
    await assert.rejects(logIn(third, crowded.peer), /421 4\.7\.0 Too many sessions of yours/);
    const other = await arrive(doors, third, "open");
    await logIn(third, other.peer, "work");
    await play(other.peer, "C", quit);
    await play(here[0]!.peer, "C", quit);
    await play(here[1]!.peer, "C", quit);
    await doors.quiet();
    const again = await arrive(doors, third, "known");
    await play(again.peer, "C", quit);
  });
});

/** What a wrong password has to wait, in milliseconds: here it costs nothing, and is added up. */
const EARNED: ReadonlySet<number> = new Set([1, 2, 4, 8, 16, 30].map((seconds) => seconds * 1_000));

describe("a thousand guesses at one user, from fifty addresses, at every door with a login", () => {
  const digest = btoa(`home ${"0".repeat(32)}`);
  const wrong: Talk = ["C: AUTH CRAM-MD5", "P: 334 *", `C: ${digest}`, "P: 535 *"];
  const five: Talk = [...Array<Talk>(5).fill(wrong).flat(), "P: 421 4.7.0 *", "end"];

  it("wait half a minute each, and the owner gets in: at once from where he was before, else after half a minute", async () => {
    let waited = 0;
    const clock: Clock = {
      ...systemClock,
      after(ms, ring) {
        if (!EARNED.has(ms)) return systemClock.after(ms, ring);
        waited += ms;
        return systemClock.after(0, ring);
      },
    };
    const doors = await Doors.open(clock);
    /** @returns after how many seconds the owner was in */
    const owner = async (entrance: Entrance, from: string): Promise<number> => {
      const { peer } = await arrive(doors, entrance, "open", { from });
      const before = waited;
      await logIn(entrance, peer);
      await play(peer, "C", quit);
      return (waited - before) / 1_000;
    };
    try {
      const own = "127.0.0.200";
      assert.equal(await owner(login[0]!, own), 0);
      for (let session = 0; session < 200; session++) {
        const entrance = login[session % login.length]!;
        const { peer } = await arrive(doors, entrance, "open", { from: `127.0.0.${2 + (session % 50)}` });
        await play(peer, "C", five);
      }
      // Three slips are free, and five times it was less.
      assert.equal(waited / 1_000, 1 + 2 + 4 + 8 + 16 + 992 * 30);
      for (const [i, entrance] of login.entries())
        assert.deepEqual([await owner(entrance, own), await owner(entrance, `127.0.1.${i + 1}`)], [0, 30]);
    } finally {
      await doors.close();
    }
  });
});
