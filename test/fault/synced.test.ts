/** What 250 promises, seen from below: the system calls of a running relay, in the order in which they came. */
// A message's id is in the reply and in the page of the log that holds its row: between the two must lie a sync that ended.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { lineDelivery } from "../../src/delivery/line.ts";
import { dial } from "../../src/net/dial.ts";
import { Talk } from "../../src/net/talk.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { eventually, start, withServers } from "../support/processes.ts";
import { inWorld, portOf, programs, relayOf, type World } from "../support/program.ts";

const SESSIONS = 20;
const EACH = 10;

/** One call, at the line where it began and at the one where it ended. */
interface Call {
  readonly name: string;
  readonly words: string;
  readonly began: number;
  readonly ended: number;
}

/** Calls that another thread's interrupt are two lines: `… <unfinished ...>` and `<... name resumed> …`. */
function callsIn(trace: string): readonly Call[] {
  const open = new Map<string, { words: string; began: number }>();
  return trace.split("\n").flatMap((line, at): Call[] => {
    const [, thread = "", rest = ""] = /^(\d+) +(.*)$/s.exec(line) ?? [];
    const resumed = /^<\.\.\. (\w+) resumed>/.exec(rest);
    if (resumed !== null) {
      const before = open.get(thread);
      open.delete(thread);
      return before ? [{ name: resumed[1]!, words: before.words, began: before.began, ended: at }] : [];
    }
    const name = /^(\w+)\(/.exec(rest)?.[1];
    if (name === undefined) return [];
    if (!rest.endsWith("<unfinished ...>")) return [{ name, words: rest, began: at, ended: at }];
    open.set(thread, { words: rest, began: at });
    return [];
  });
}

/** Ids that were promised though no sync had ended since their row was written. */
function promisedTooSoon(calls: readonly Call[]): readonly string[] {
  const syncs = calls.filter(({ name }) => name === "fdatasync" || name === "fsync");
  const writes = calls.filter(({ name }) => name.startsWith("pwrite"));
  return promises(calls).flatMap(({ id, said }) => {
    const row = writes.find(({ words }) => words.includes(id));
    const safe = row && syncs.some(({ began, ended }) => began > row.ended && ended < said);
    return safe ? [] : [id];
  });
}

function promises(calls: readonly Call[]): readonly { readonly id: string; readonly said: number }[] {
  return calls
    .filter(({ name }) => !name.startsWith("pwrite"))
    .flatMap(({ words, began }) =>
      [...words.matchAll(/Stored as ([0-9a-f-]{36})/g)].map(([, id]) => ({ id: id!, said: began })),
    );
}

async function session(port: number): Promise<void> {
  const talk = new Talk(await dial({ host: "127.0.0.1", port, clock: systemClock, within: 30_000 }));
  await talk.greeting();
  await talk.ask({ verb: "EHLO", name: "world.example" });
  const line = lineDelivery(talk, { compatibility: "auto" });
  const body = new TextEncoder().encode(`Subject: x\r\n\r\n${"x".repeat(500)}\r\n`);
  for (let i = 0; i < EACH; i++) {
    const [outcome] = await line.deliver({
      id: `${i}`,
      envelope: {
        from: "a@world.example",
        recipients: [{ address: "b@example.org", notify: [] }],
        smtputf8: false,
      },
      size: body.length,
      arrived: 0,
      content: () => [body],
    });
    assert.equal(outcome?.result, "delivered");
  }
  await line.close();
}

/** What a relay does while it takes mail in from many at once. */
async function traced(world: World): Promise<string> {
  const serving = await world.serve(await relayOf(world));
  const file = world.at("trace");
  const what = "trace=fsync,fdatasync,pwrite64,pwritev,write,writev,sendto,sendmsg";
  const strace = start("strace", ["-f", "-s", "16384", "-e", what, "-o", file, "-p", String(serving.pid)]);
  await eventually(
    () => strace.said.stderr.includes("attached"),
    () => `strace does not attach: ${strace.said.stderr}`,
  );
  await Promise.all(Array.from({ length: SESSIONS }, () => session(portOf(serving.doors.intake))));
  await serving.end("SIGTERM");
  await strace.stop();
  return readFile(file, "latin1");
}

for (const { name, words } of programs)
  describe(`${name} promises nothing before it is safe`, withServers("strace"), () => {
    it("says 250 after the sync of the commit that holds the message, and many share one", async () => {
      await inWorld(words, async (world) => {
        const calls = callsIn(await traced(world));
        assert.equal(new Set(promises(calls).map(({ id }) => id)).size, SESSIONS * EACH);
        assert.deepEqual(promisedTooSoon(calls), []);
        const syncs = calls.filter(({ name }) => name === "fdatasync" || name === "fsync").length;
        assert.ok(syncs < SESSIONS * EACH, `${syncs} syncs for ${SESSIONS * EACH} messages are no groups`);
      });
    });
  });
