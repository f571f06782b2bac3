import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDuration, formatSize, parseDuration, parseSize } from "../../src/config/units.ts";

const durations: Readonly<Record<string, number | undefined>> = {
  "30d": 2_592_000_000,
  "15m": 900_000,
  "1h30m": 5_400_000,
  "2w": 1_209_600_000,
  "10s": 10_000,
  "250ms": 250,
  "15x": undefined,
  "": undefined,
  "15": undefined,
  m: undefined,
  "1h 30m": undefined,
  "-1h": undefined,
  "1.5h": undefined,
  "99999999999999999999w": undefined,
};

for (const [text, ms] of Object.entries(durations))
  test(`"${text}" is ${ms === undefined ? "no duration" : `${ms} milliseconds`}`, () => {
    assert.equal(parseDuration(text), ms);
  });

const sizes: Readonly<Record<string, number | undefined>> = {
  "10MiB": 10_485_760,
  "2GiB": 2_147_483_648,
  "500kB": 500_000,
  "500k": 500_000,
  "64KiB": 65_536,
  "1.5GiB": 1_610_612_736,
  "812": 812,
  "812B": 812,
  "0": 0,
  "1TiB": 1_099_511_627_776,
  "10 MiB": 10_485_760,
  "10mb": undefined,
  MiB: undefined,
  "": undefined,
  "-1": undefined,
  "1e99": undefined,
};

for (const [text, octets] of Object.entries(sizes))
  test(`"${text}" is ${octets === undefined ? "no size" : `${octets} octets`}`, () => {
    assert.equal(parseSize(text), octets);
  });

test("what is written as a duration or a size is read back the same", () => {
  for (const ms of [0, 250, 5_400_000, 2_592_000_000]) assert.equal(parseDuration(formatDuration(ms)), ms);
  for (const octets of [0, 812, 65_536, 2 ** 31]) assert.equal(parseSize(formatSize(octets)), octets);
});
