import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Random } from "../../src/platform/random.ts";
import { backoff, scheduleOf, type Timing, windowOf } from "../../src/relay/schedule.ts";

/** No jitter: the middle of what goes both ways, the beginning of what goes one. */
const even: Random = { bytes: (count) => new Uint8Array(count), fraction: () => 0.5 };
const none: Random = { ...even, fraction: () => 0 };
const at = (text: string): number => Date.parse(text);
const iso = (instant: number): string => new Date(instant).toISOString();
const MINUTE = 60_000;
const fine = { failures: 0 };

describe("a schedule by intervals", () => {
  const schedule = scheduleOf({ every: 15 * MINUTE });
  const now = at("2026-05-05T10:00:00Z");

  it("calls at once at first, and then every so often from the beginning of the last call", () => {
    assert.equal(schedule({ ...fine, last: undefined }, now, even), now);
    assert.equal(schedule({ ...fine, last: now - 5 * MINUTE }, now, even), now + 10 * MINUTE);
  });

  it("moves by a twentieth at most, either way", () => {
    const most: Random = { ...even, fraction: () => 0.999 };
    assert.equal(schedule({ ...fine, last: now }, now, none), now + 14.25 * MINUTE);
    assert.ok(schedule({ ...fine, last: now }, now, most) < now + 15.75 * MINUTE);
  });

  it("is due once after a long sleep", () => {
    assert.ok(schedule({ ...fine, last: now - 8 * 60 * MINUTE }, now, even) < now);
  });

  it("does not wait for the hour that a clock showed before it was set back", () => {
    assert.equal(schedule({ ...fine, last: now + 86_400_000 }, now, even), now + 15 * MINUTE);
  });

  it("comes back soon and then later after what may pass, and late after what lasts", () => {
    const waits = (fault: "later" | "refused") =>
      [1, 2, 3, 7, 50].map(
        (failures) => (schedule({ last: now, failures, fault }, now, even) - now) / MINUTE,
      );
    assert.deepEqual(waits("later"), [0.5, 1, 2, 30, 30]);
    assert.deepEqual(waits("refused"), [15, 60, 240, 240, 240]);
    assert.equal(backoff("later", 1, none), 27_000);
  });
});

describe("a schedule by hours", () => {
  const workdays = scheduleOf({ schedule: ["*/10 8-20 * * 1-5", "0 * * * *"], timezone: "Europe/Berlin" });
  const next = (last: string, now = last, failures = 0) =>
    iso(workdays({ last: at(last), failures, fault: "later" }, at(now), none));

  it("takes the first of its patterns", () => {
    assert.equal(next("2026-05-05T06:01:00Z"), "2026-05-05T06:10:00.000Z");
    assert.equal(next("2026-05-05T18:51:00Z"), "2026-05-05T19:00:00.000Z");
    assert.equal(next("2026-05-05T19:00:30Z"), "2026-05-05T20:00:00.000Z");
    assert.equal(next("2026-05-09T08:01:00Z"), "2026-05-09T09:00:00.000Z");
  });

  it("makes up for what it missed, once", () => {
    assert.equal(next("2026-05-05T06:01:00Z", "2026-05-05T09:03:00Z"), "2026-05-05T06:10:00.000Z");
    assert.equal(next("2026-05-05T09:03:00Z"), "2026-05-05T09:10:00.000Z");
  });

  it("waits for its next hour at first, and is spread over some seconds", () => {
    const now = at("2026-05-05T06:01:00Z");
    assert.equal(iso(workdays({ ...fine, last: undefined }, now, even)), "2026-05-05T06:10:10.000Z");
  });

  it("tries again between its hours after a failure, and skips hours as failures go on", () => {
    assert.equal(next("2026-05-05T06:00:00Z", "2026-05-05T06:01:00Z", 1), "2026-05-05T06:01:27.000Z");
    assert.equal(next("2026-05-05T06:00:00Z", "2026-05-05T06:01:00Z", 7), "2026-05-05T06:30:00.000Z");
  });
});

describe("a jitter that is set", () => {
  const most: Random = { ...even, fraction: () => 0.999_999 };
  const last = at("2026-05-05T10:00:30Z");
  const next = (timing: Timing, chance: Random) => iso(scheduleOf(timing)({ ...fine, last }, last, chance));

  it("moves calls by intervals so much either way at most", () => {
    const timing = { every: 15 * MINUTE, jitter: 2 * MINUTE };
    assert.equal(next(timing, none), "2026-05-05T10:13:30.000Z");
    assert.equal(next(timing, even), "2026-05-05T10:15:30.000Z");
    assert.equal(next(timing, most), "2026-05-05T10:17:30.000Z");
  });

  it("makes calls by hours so much later at most, and never earlier", () => {
    const timing = { schedule: ["*/10 * * * *"], timezone: "UTC", jitter: 2 * MINUTE };
    assert.equal(next(timing, none), "2026-05-05T10:10:00.000Z");
    assert.equal(next(timing, most), "2026-05-05T10:12:00.000Z");
  });

  it("of nothing leaves calls at their time", () => {
    for (const chance of [none, most]) {
      assert.equal(next({ every: 15 * MINUTE, jitter: 0 }, chance), "2026-05-05T10:15:30.000Z");
      const hours = { schedule: ["*/10 * * * *"], timezone: "UTC", jitter: 0 };
      assert.equal(next(hours, chance), "2026-05-05T10:10:00.000Z");
    }
  });
});

describe("hours and the changes of clock", () => {
  const runs = (pattern: string, timezone: string, from: string, count: number): readonly string[] => {
    const schedule = scheduleOf({ schedule: [pattern], timezone });
    const times: string[] = [];
    for (let last = at(from); times.length < count; times.push(iso(last)))
      last = schedule({ ...fine, last }, last, none);
    return times.map((time) => time.slice(0, 16));
  };

  // The day before, the day of the change, the day after.
  const springs = [
    ["Europe/Berlin", "2026-03-27T12:00:00Z", ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]],
    [
      "America/New_York",
      "2026-03-06T12:00:00Z",
      ["2026-03-07T07:30", "2026-03-08T07:00", "2026-03-09T06:30"],
    ],
    // From 2:00 to 2:30 only.
    [
      "Australia/Lord_Howe",
      "2026-10-02T00:00:00Z",
      ["2026-10-02T15:45", "2026-10-03T15:30", "2026-10-04T15:15"],
      "15 2 * * *",
    ],
  ] as const;
  for (const [zone, from, expected, pattern = "30 2 * * *"] of springs)
    it(`a time that the clock skips is made up for right after: ${zone}`, () =>
      assert.deepEqual(runs(pattern, zone, from, 3), expected));

  const autumns = [
    ["Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00Z", ["2026-10-25T00:30", "2026-10-26T01:30"]],
    ["America/New_York", "30 1 * * *", "2026-10-31T12:00:00Z", ["2026-11-01T05:30", "2026-11-02T06:30"]],
    ["Australia/Lord_Howe", "45 1 * * *", "2026-04-04T00:00:00Z", ["2026-04-04T14:45", "2026-04-05T15:15"]],
  ] as const;
  for (const [zone, pattern, from, expected] of autumns)
    it(`a time that the clock shows twice counts once: ${zone}`, () =>
      assert.deepEqual(runs(pattern, zone, from, 2), expected));

  it("calls every ten minutes go on through both changes", () => {
    for (const [zone, from] of [
      ["Europe/Berlin", "2026-10-25T00:00:00Z"],
      ["Europe/Berlin", "2026-03-29T00:00:00Z"],
      ["America/New_York", "2026-11-01T05:00:00Z"],
      ["America/New_York", "2026-03-08T06:00:00Z"],
      ["Australia/Lord_Howe", "2026-04-04T14:00:00Z"],
      ["Australia/Lord_Howe", "2026-10-03T15:00:00Z"],
    ] as const) {
      const times = runs("*/10 * * * *", zone, from, 24).map((time) => at(`${time}:00Z`));
      const gaps = times.slice(1).map((time, i) => (time - times[i]!) / MINUTE);
      assert.deepEqual(
        gaps.filter((gap) => gap !== 10),
        [],
        `${zone} from ${from}`,
      );
    }
  });
});

describe("a window", () => {
  it("is open in the minutes of its pattern, in its time zone", () => {
    const open = windowOf("* 8-20 * * *", "Europe/Berlin");
    assert.equal(open(at("2026-07-01T05:59:59Z")), false);
    assert.equal(open(at("2026-07-01T06:00:00Z")), true);
    assert.equal(open(at("2026-07-01T18:59:59Z")), true);
    assert.equal(open(at("2026-07-01T19:00:00Z")), false);
    assert.equal(open(at("2026-01-01T19:59:59Z")), true);
  });
});
