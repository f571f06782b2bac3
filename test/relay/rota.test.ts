import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Clock } from "../../src/platform/clock.ts";
import type { Random } from "../../src/platform/random.ts";
import { type Charge, type Line, type Result, Watch } from "../../src/relay/rota.ts";
import { scheduleOf } from "../../src/relay/schedule.ts";
import { manualClock } from "../support/clock.ts";

const random: Random = { bytes: (count) => new Uint8Array(count), fraction: () => 0.5 };
const MINUTE = 60_000;

interface Called extends Charge<number> {
  /** The beginnings of calls, in minutes from the start. */
  readonly at: number[];
  fault: Result<number>["fault"];
}

/** Calls that take no time and report how many there were. */
function counting(clock: Clock, over: Partial<Charge<number>> = {}): Called {
  const start = clock.now();
  const charge: Called = {
    name: "vps",
    schedule: scheduleOf({ every: 15 * MINUTE }),
    at: [],
    fault: undefined,
    async call() {
      charge.at.push((clock.now() - start) / MINUTE);
      return { report: charge.at.length, fault: charge.fault };
    },
    ...over,
  };
  return charge;
}

async function minutes(clock: ReturnType<typeof manualClock>, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await clock.advance(MINUTE);
}

describe("a watch", () => {
  it("calls at once and then by its schedule, until it is ended", async () => {
    const clock = manualClock();
    const charge = counting(clock);
    const watch = new Watch(charge, { clock, random });
    await minutes(clock, 46);
    assert.deepEqual(charge.at, [0, 15, 30, 45]);
    await watch.end();
    await minutes(clock, 30);
    assert.equal(charge.at.length, 4);
    assert.equal(clock.timers, 0);
  });

  it("stays away for longer as failures go on, and comes back to its schedule", async () => {
    const clock = manualClock();
    const charge = counting(clock);
    charge.fault = "later";
    const watch = new Watch(charge, { clock, random });
    await minutes(clock, 10);
    assert.deepEqual(charge.at, [0, 0.5, 1.5, 3.5, 8.5]);
    charge.fault = undefined;
    await minutes(clock, 30);
    assert.deepEqual(charge.at.slice(5), [18.5, 33.5]);
    await watch.end();
  });

  it("calls when somebody asks, and answers with what came of it", async () => {
    const clock = manualClock();
    const charge = counting(clock);
    const watch = new Watch(charge, { clock, random });
    await minutes(clock, 5);
    const reports = [watch.ask(), watch.ask()];
    await clock.advance(0);
    assert.deepEqual(await Promise.all(reports), [2, 2]);
    await minutes(clock, 16);
    assert.deepEqual(charge.at, [0, 5, 20]);
    await watch.end();
    assert.equal(await watch.ask(), undefined);
  });

  it("has one call at a time: who asks during one is answered by the next", async () => {
    const clock = manualClock();
    const calls: ((result: Result<number>) => void)[] = [];
    const call = () => new Promise<Result<number>>((resolve) => calls.push(resolve));
    const watch = new Watch(counting(clock, { call }), { clock, random });
    await clock.advance(0);
    const report = watch.ask();
    await minutes(clock, 60);
    assert.equal(calls.length, 1);
    calls[0]?.({ report: 1 });
    await clock.advance(0);
    assert.equal(calls.length, 2);
    calls[1]?.({ report: 2 });
    assert.equal(await report, 2);
    await watch.end();
  });

  it("is not kept waiting by a clock that is set back, and makes up once for what a jump ahead skipped", async () => {
    const steady = manualClock();
    let shift = 0;
    const clock: Clock = {
      now: () => steady.now() + shift,
      steady: () => steady.steady(),
      after: (ms, ring) => steady.after(ms, ring),
    };
    const begun: number[] = [];
    const call = async () => {
      begun.push(steady.steady() / MINUTE);
      return { report: 0 };
    };
    const watch = new Watch({ ...counting(clock), call }, { clock, random });
    await minutes(steady, 5);
    shift = -86_400_000;
    await minutes(steady, 20);
    assert.equal(begun.length, 2, "once more within the interval, though the clock shows yesterday");
    shift = 86_400_000;
    await minutes(steady, 2);
    assert.equal(begun.length, 3, "at once, and once");
    await watch.end();
  });
});

describe("a watch that follows", () => {
  it("answers who asks with the round that begins then, and calls again when the line breaks", async () => {
    const clock = manualClock();
    const lines: Line<number>[] = [];
    const ends: ((left: { type: "let go" } | { type: "failed"; fault: "later" }) => void)[] = [];
    const follow = (line: Line<number>) => {
      lines.push(line);
      return new Promise<{ type: "let go" } | { type: "failed"; fault: "later" }>((resolve) =>
        ends.push(resolve),
      );
    };
    const watch = new Watch({ ...counting(clock), follow }, { clock, random });
    lines[0]?.round({ report: 1 });
    const asked = lines[0]?.asked();
    const report = watch.ask();
    await asked;
    lines[0]?.round({ report: 2 });
    assert.equal(await report, 2);
    ends[0]?.({ type: "failed", fault: "later" });
    await clock.advance(29_000);
    assert.equal(lines.length, 1);
    await clock.advance(2_000);
    assert.equal(lines.length, 2);
    const ending = watch.end();
    assert.ok(lines[1]?.stopping.aborted);
    ends[1]?.({ type: "let go" });
    await ending;
  });

  it("goes by its schedule where the provider cannot wait", async () => {
    const clock = manualClock();
    const charge = counting(clock, { follow: async () => ({ type: "cannot wait" }) });
    const watch = new Watch(charge, { clock, random });
    await minutes(clock, 31);
    assert.deepEqual(
      charge.at.map((at) => Math.floor(at)),
      [0, 15, 30],
    );
    await watch.end();
  });
});
