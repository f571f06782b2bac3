import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { dial } from "../../src/net/dial.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { certs } from "../support/certs.ts";
import { manualClock } from "../support/clock.ts";
import { bytes, call, echo, readExactly, SOON, withListener } from "../support/net.ts";
import { freePort } from "../support/processes.ts";

const base = { clock: systemClock, within: SOON };

test("an address and a port are reached", () =>
  withListener({ onConnection: echo }, async (listener) => {
    const connection = await call(listener);
    await connection.write(bytes("hello"), SOON);
    assert.equal(await readExactly(connection, 5), "hello");
    await connection.close();
  }));

test("a name is reached at whichever of its addresses answers", () =>
  withListener({ onConnection: echo }, async ({ address }) => {
    const connection = await dial({ ...base, host: "localhost", port: address.port });
    assert.equal(connection.peer.port, address.port);
    await connection.close();
  }));

test("implicit TLS comes first", () =>
  withListener({ onConnection: echo, tls: certs().server }, async (listener) => {
    const connection = await call(listener, { servername: "relay.test", ca: certs().ca });
    assert.equal(connection.tls?.certificate?.trusted, true);
    await connection.write(bytes("hello"), SOON);
    assert.equal(await readExactly(connection, 5), "hello");
    await connection.close();
  }));

test("an address instead of a name is checked against the certificate too", () =>
  withListener({ onConnection: echo, tls: certs().server }, async (listener) => {
    await assert.rejects(call(listener, { servername: "127.0.0.1", ca: certs().ca }), {
      fault: "tls",
      message: /is for relay\.test, not for 127\.0\.0\.1/,
    });
  }));

test("a port where nobody listens refuses", async () => {
  const port = await freePort();
  await assert.rejects(dial({ ...base, host: "127.0.0.1", port }), {
    name: "ConnectionError",
    fault: "refused",
    message: new RegExp(`127\\.0\\.0\\.1:${port}`),
  });
});

test("a name that cannot exist has no address", () =>
  assert.rejects(dial({ ...base, host: "nobody.invalid", port: 366 }), {
    fault: "name",
    message: /nobody\.invalid/,
  }));

test("a unix socket that is not there refuses", () =>
  assert.rejects(dial({ ...base, host: "", port: 0, socket: "/nonexistent/lmtp.sock" }), {
    fault: "refused",
  }));

test("a unix socket is reached", async () => {
  const folder = await mkdtemp(join(tmpdir(), "odmr-dial-"));
  const path = join(folder, "lmtp.sock");
  try {
    await withListener({ onConnection: echo, address: { path } }, async () => {
      const connection = await dial({ ...base, host: "", port: 0, socket: path });
      assert.deepEqual(connection.peer, { address: "unix", port: 0 });
      await connection.write(bytes("hello"), SOON);
      assert.equal(await readExactly(connection, 5), "hello");
      await connection.close();
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a server that is silent where TLS is due times out", async () => {
  const clock = manualClock();
  const { promise: arrived, resolve } = Promise.withResolvers<void>();
  await withListener({ onConnection: () => resolve() }, async (listener) => {
    const calling = call(listener, { servername: "relay.test", ca: certs().ca }, clock);
    const late = assert.rejects(calling, { fault: "timeout" });
    await arrived;
    while (clock.timers === 0) await new Promise((again) => setImmediate(again));
    await clock.advance(SOON);
    await late;
    assert.equal(clock.timers, 0);
  });
});
