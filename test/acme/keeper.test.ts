import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Keeper } from "../../src/acme/keeper.ts";
import { OrderError, type Wanted } from "../../src/acme/order.ts";
import { renewalOf } from "../../src/acme/renewal.ts";
import type { Kept } from "../../src/acme/shelf.ts";
import type { Window } from "../../src/acme/wish.ts";
import { type ManualClock, manualClock } from "../support/clock.ts";

const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;
const START = Date.UTC(2026, 0, 1);
const wanted: Wanted = {
  directory: "https://ca.test/directory",
  names: ["relay.test"],
  accountKey: "",
  contact: undefined,
  external: undefined,
  profile: undefined,
  ca: undefined,
};

interface Stage {
  readonly clock: ManualClock;
  readonly keeper: Keeper;
  /** What happened, each with the minute since the start. */
  readonly seen: readonly string[];
  /** What orders come to from now on. */
  ca: () => void;
  /** The names that the CA gives, if others than those that were asked for. */
  gives: readonly string[] | undefined;
  want: Wanted | undefined;
  wish: Window | "trouble" | undefined;
  kept: Kept | undefined;
}

/** A keeper at work, with a CA whose certificates are of 90 days. */
async function withKeeper(
  kept: Kept | undefined,
  use: (stage: Stage) => Promise<void>,
  ca: () => void = () => {},
): Promise<void> {
  const clock = manualClock(START);
  const stop = new AbortController();
  const seen: string[] = [];
  const note = (what: string) => seen.push(`${Math.round((clock.now() - START) / MINUTE)} ${what}`);
  let made = 0;
  const keeper = new Keeper(
    {
      clock,
      random: { bytes: (count) => new Uint8Array(count), fraction: () => 0 },
      log: {
        log: (level, event, fields = {}) => {
          if (event === "certificate not renewed") note(`${level} ${fields.why}`);
        },
      },
      shelf: {
        read: async () => stage.kept,
        write: async (_, directory) => {
          made++;
          stage.kept = keptFrom(clock.now(), {
            directory,
            names: stage.gives ?? stage.want!.names,
            digits: `${made}`.repeat(64),
          });
          return stage.kept;
        },
      },
      wanted: async () => stage.want,
      order: async () => {
        note("ordered");
        stage.ca();
        return { certificate: "", key: "" };
      },
      wish: async () => {
        if (stage.wish === "trouble") throw new Error("no answer");
        return stage.wish;
      },
      onRenewed: ({ fingerprint }) => note(`shown ${fingerprint[0]}`),
      stopping: stop.signal,
    },
    kept?.fingerprint,
  );
  const stage: Stage = { clock, keeper, seen, ca, gives: undefined, wish: undefined, want: wanted, kept };
  const running = keeper.run();
  await clock.advance(0);
  try {
    await use(stage);
  } finally {
    stop.abort();
    await running;
  }
}

interface Facts {
  readonly directory?: string;
  readonly names?: readonly string[];
  readonly digits?: string;
}

const keptFrom = (from: number, { directory, names, digits }: Facts = {}): Kept => ({
  ...{ certificate: "", key: "", issuer: "CA", from, until: from + 90 * DAY },
  directory: directory ?? wanted.directory,
  names: names ?? wanted.names,
  fingerprint: digits ?? "0".repeat(64),
});
const refuse =
  (why: string, later?: number): (() => never) =>
  () => {
    throw new OrderError(why, later);
  };

describe("a certificate's keeper", () => {
  it("orders one at once where there is none, and shows it", () =>
    withKeeper(undefined, async ({ seen }) => assert.deepEqual(seen, ["0 ordered", "0 shown 1"])));

  it("renews it at two thirds of its life, and so on", () =>
    withKeeper(keptFrom(START), async ({ clock, seen }) => {
      await clock.advance(60 * DAY - 1);
      assert.deepEqual(seen, []);
      await clock.advance(1);
      assert.deepEqual(seen, [`${60 * 1_440} ordered`, `${60 * 1_440} shown 1`]);
      const again = renewalOf(keptFrom(START + 60 * DAY, { digits: "1".repeat(64) }));
      await clock.advance(again - clock.now() - 1);
      assert.equal(seen.length, 2);
      await clock.advance(1);
      assert.equal(seen.length, 4);
    }));

  it("of many relays that began together, no two renew together", () => {
    const at = ["00000000", "80000000", "ffffffff"].map((digits) =>
      (renewalOf(keptFrom(0, { digits: digits.padEnd(64, "0") })) / DAY).toFixed(2),
    );
    assert.deepEqual(at, ["60.00", "57.75", "55.50"]);
  });

  it("goes on with the old one while the CA fails, asks ever more seldom, and is loud when little is left", () =>
    withKeeper(keptFrom(START), async (stage) => {
      const { clock, seen } = stage;
      stage.ca = refuse("500");
      await clock.advance(61 * DAY);
      const since = (line: string) => Number(line.split(" ")[0]) - 60 * 1_440;
      assert.deepEqual(
        seen.filter((line) => line.endsWith("ordered")).map(since),
        [0, 5, 20, 50, 110, 290, 650, 1370],
      );
      assert.ok(
        seen.every((line) => /ordered$|warn 500$/.test(line)),
        seen.join("\n"),
      );
      await clock.advance(16 * DAY);
      assert.match(seen.at(-1)!, / error 500$/);
      stage.ca = () => {};
      await clock.advance(DAY);
      assert.match(seen.at(-1)!, / shown 1$/);
    }));

  it("renews earlier where the CA wishes so, and by the dates where its wish is not to be had", () =>
    withKeeper(keptFrom(START), async (stage) => {
      const { clock, seen } = stage;
      await clock.advance(9 * DAY);
      stage.wish = { from: START + 10 * DAY, until: START + 12 * DAY };
      await clock.advance(DAY);
      assert.deepEqual(seen, [`${10 * 1_440} ordered`, `${10 * 1_440} shown 1`]);
      stage.wish = "trouble";
      const again = renewalOf(keptFrom(START + 10 * DAY, { digits: "1".repeat(64) }));
      await clock.advance(again - clock.now() - 1);
      assert.equal(seen.length, 2);
      await clock.advance(1);
      assert.equal(seen.length, 4);
    }));

  it("comes back no sooner than the CA said", () =>
    withKeeper(
      undefined,
      async (stage) => {
        await stage.clock.advance(169 * MINUTE);
        assert.deepEqual(stage.seen, ["0 ordered", "0 error too many"]);
        stage.ca = () => {};
        await stage.clock.advance(MINUTE);
        assert.deepEqual(stage.seen.slice(2), ["170 ordered", "170 shown 1"]);
      },
      refuse("too many", START + 170 * MINUTE),
    ));

  it("tries at once when it is woken, and shows again what is kept", () =>
    withKeeper(keptFrom(START), async (stage) => {
      stage.ca = refuse("down");
      await stage.clock.advance(60 * DAY);
      stage.ca = () => {};
      stage.keeper.wake();
      await stage.clock.advance(0);
      const at = 60 * 1_440;
      assert.deepEqual(stage.seen, [
        `${at} ordered`,
        `${at} warn down`,
        `${at} shown 0`,
        `${at} ordered`,
        `${at} shown 1`,
      ]);
    }));

  it("orders anew where the configuration has another name or another CA, and nothing where it wants none", () =>
    withKeeper(keptFrom(START), async (stage) => {
      const woken = async (want: Wanted | undefined) => {
        const before = stage.seen.length;
        stage.want = want;
        stage.keeper.wake();
        await stage.clock.advance(0);
        return stage.seen.slice(before).filter((line) => line.endsWith("ordered")).length;
      };
      assert.equal(await woken(wanted), 0);
      assert.equal(await woken({ ...wanted, names: ["relay.test", "mx.relay.test"] }), 1);
      assert.equal(await woken({ ...wanted, names: ["MX.relay.test"] }), 0);
      assert.equal(await woken({ ...wanted, directory: "https://other.test/" }), 1);
      assert.equal(await woken(undefined), 0);
    }));

  it("shows what another process had made, within six hours", () =>
    withKeeper(keptFrom(START), async (stage) => {
      stage.kept = keptFrom(START, { digits: "7".repeat(64) });
      await stage.clock.advance(360 * MINUTE);
      assert.deepEqual(stage.seen, ["360 shown 7"]);
    }));

  it("asks four times a day at most for what the CA does not give", () =>
    withKeeper(keptFrom(START), async (stage) => {
      stage.gives = ["relay.test"];
      stage.want = { ...wanted, names: ["relay.test", "mx.relay.test"] };
      stage.keeper.wake();
      await stage.clock.advance(DAY - 1);
      const at = (minute: number) => [`${minute} ordered`, `${minute} shown ${minute / 360 + 1}`];
      assert.deepEqual(stage.seen, ["0 shown 0", ...[0, 360, 720, 1080].flatMap(at)]);
    }));
});
