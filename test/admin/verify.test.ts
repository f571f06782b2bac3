import assert from "node:assert/strict";
import { test } from "node:test";
import type { Verify } from "../../src/admin/verify.ts";
import type { Finding } from "../../src/spool/finding.ts";
import { SpoolError } from "../../src/spool/spool.ts";
import { openAdmin, READ } from "./support.ts";

const headers = { authorization: `Bearer ${READ}` };

async function* findings(...found: readonly (Finding | Error)[]): AsyncGenerator<Finding> {
  for (const each of found) {
    if (each instanceof Error) throw each;
    yield each;
  }
}

/** The lines that a check answers with which finds this, without how far it is. */
async function linesFor(...found: readonly (Finding | Error)[]): Promise<readonly object[]> {
  const admin = await openAdmin({ verify: () => findings(...found) });
  try {
    const response = await admin.ask("/api/v1/verify", { headers });
    assert.deepEqual([response.status, response.headers.get("content-type")], [200, "application/jsonl"]);
    const lines = (await response.text()).trimEnd().split("\n");
    return lines.map((line) => JSON.parse(line)).filter(({ type }) => type !== "progress");
  } finally {
    await admin.close();
  }
}

test("each thing that is wrong is a line, and the last line says that all was looked at", async () => {
  const orphan: Finding = { type: "orphan", file: "a/b" };
  assert.deepEqual(await linesFor(orphan, orphan), [orphan, orphan, { type: "end" }]);
  assert.deepEqual(await linesFor(), [{ type: "end" }]);
});

test("a database that cannot be read is a finding", async () => {
  const problem = "the file is no database";
  assert.deepEqual(await linesFor(new SpoolError("corrupt", problem)), [
    ...[{ type: "database", problem }, { type: "end" }],
  ]);
});

test("a check that breaks off has no last line", async () => {
  assert.deepEqual(await linesFor(new SpoolError("io", "the disk is gone")), []);
});

test("one check at a time; when its reader has gone, it ends at the next body", async () => {
  const bodies = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const ended = Promise.withResolvers<void>();
  const verify: Verify = async function* (watch) {
    try {
      for (const { promise } of bodies) {
        await promise;
        watch(1, 2);
        yield { type: "orphan", file: "a/b" };
      }
    } finally {
      ended.resolve();
    }
  };
  const admin = await openAdmin({ verify });
  const check = () => admin.ask("/api/v1/verify", { headers });
  const { body } = await check();
  assert.equal((await check()).status, 503);
  const reader = body!.getReader();
  await reader.read();
  await reader.cancel();
  assert.equal((await check()).status, 503);
  bodies[0]?.resolve();
  await ended.promise;
  await new Promise((resolve) => setImmediate(resolve));
  const second = await check();
  assert.equal(second.status, 200);
  bodies[1]?.resolve();
  assert.match(await second.text(), /\{"type":"end"\}\n$/);
  await admin.close();
});
