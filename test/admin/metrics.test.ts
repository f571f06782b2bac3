import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { HOME, MINUTE, START, stored } from "../spool/support.ts";
import { openAdmin } from "./support.ts";

const there = spawnSync("promtool", ["--version"]).status === 0;
const facts = { cpuSeconds: 1.5, residentBytes: 1e8, started: START / 1000 };

async function metrics(): Promise<string> {
  const admin = await openAdmin({ process: () => facts });
  const { spool, clock } = admin;
  await stored(spool);
  await stored(spool, { lane: { ...HOME, customer: 'we"ird\\\nname' } });
  await spool.records.turn({ side: "provider", customer: "home", peer: "::1" }).end("the line was lost");
  clock.pass(MINUTE);
  const response = await admin.ask("/metrics");
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const text = await response.text();
  await admin.close();
  return text;
}

describe("/metrics", () => {
  it("says what waits, what went, when customers called, and how long commits take", async () => {
    const lines = (await metrics()).split("\n");
    for (const line of [
      'odmr_queue_entries{direction="turn",customer="home"} 1',
      'odmr_queue_size_bytes{direction="turn",customer="home"} 44',
      'odmr_queue_oldest_age_seconds{direction="turn",customer="home"} 60',
      'odmr_queue_entries{direction="turn",customer="we\\"ird\\\\\\nname"} 1',
      'odmr_events_total{event="accepted"} 2',
      'odmr_events_total{event="delivered"} 0',
      "odmr_accepted_bytes_total 88",
      'odmr_turns_total{side="provider",result="failed"} 1',
      `odmr_last_turn_timestamp_seconds{side="provider",customer="home"} ${START / 1000}`,
      'odmr_last_turn_failed{side="provider",customer="home"} 1',
      'odmr_commit_duration_seconds_bucket{le="+Inf"} 3',
      "process_resident_memory_bytes 100000000",
    ])
      assert.ok(lines.includes(line), `${line}\n${lines.join("\n")}`);
  });

  it("is what promtool accepts", { skip: !there && process.env.CI === undefined }, async () => {
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], {
      input: await metrics(),
      encoding: "utf8",
    });
    assert.equal(`${stdout}${stderr}`, "");
    assert.equal(status, 0);
  });
});
