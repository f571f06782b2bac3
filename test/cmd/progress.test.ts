import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { waitingFor, workProgress } from "../../cmd/progress.ts";
import { manualClock } from "../support/clock.ts";

function terminal(): { readonly stream: PassThrough; readonly said: () => string } {
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
  const said = (): string => {
    let text = "";
    for (let piece = stream.read(); piece !== null; piece = stream.read()) text += String(piece);
    return text;
  };
  return { stream, said };
}

test("a terminal sees how much is done, of how much where that is known, and nothing stays behind", () => {
  const { stream, said } = terminal();
  const known = workProgress("verify", "octets", stream);
  known.update(1024, 4096);
  known.update(4096, 4096);
  known.end();
  assert.match(said(), /verify .*1\.0K of 4\.0K|verify .*4\.0K of 4\.0K/s);
  const unknown = workProgress("import", "messages", stream);
  unknown.update(1);
  unknown.update(2);
  unknown.end();
  const text = said();
  assert.match(text, /import [12] messages/);
  assert.doesNotMatch(text, /of/);
});

test("whom we wait for is said on a terminal, when it takes longer than anybody expects", async () => {
  const clock = manualClock();
  const account = { name: "vps", host: "relay.test", port: 366 };
  const { stream, said } = terminal();
  const waiting = waitingFor(account, { stderr: stream, clock });
  waiting.stage("dialling");
  await clock.advance(2_000);
  waiting.stage("greeting");
  await clock.advance(2_900);
  assert.equal(said(), "");
  await clock.advance(60_000);
  assert.equal(said(), "vps: connected, and waiting up to 5m for a greeting from relay.test:366\n");
  waiting.stage("asking");
  waiting.stage("answered");
  await clock.advance(60_000);
  waiting.stage("login");
  waiting.end();
  await clock.advance(60_000);
  assert.deepEqual([said(), clock.timers], ["", 0]);
  const pipe = new PassThrough();
  waitingFor(account, { stderr: pipe, clock }).stage("greeting");
  await clock.advance(60_000);
  assert.equal(pipe.read(), null);
});

test("work that never began, and what no terminal watches, says nothing", () => {
  const { stream, said } = terminal();
  workProgress("export", "messages", stream).end();
  const pipe = new PassThrough();
  const unseen = workProgress("export", "messages", pipe);
  unseen.update(1, 2);
  unseen.end();
  assert.deepEqual([said(), pipe.read()], ["", null]);
});
