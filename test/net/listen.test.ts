import assert from "node:assert/strict";
import { existsSync, renameSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Connection, ConnectionError, type ServerTls } from "../../src/net/connection.ts";
import { dial } from "../../src/net/dial.ts";
import { listen } from "../../src/net/listen.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { certs } from "../support/certs.ts";
import { manualClock } from "../support/clock.ts";
import { bytes, call, echo, readExactly, SOON, text, withListener } from "../support/net.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));
const trust = () => ({ servername: "relay.test", ca: certs().ca });

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "odmr-listen-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

for (const [cap, limits] of [
  ["in all", { maxConnections: 2 }],
  ["from one address", { perAddress: 2 }],
] as const)
  test(`one connection more than allowed ${cap} is told 421, and there is room again after one has left`, async () => {
    const errors: unknown[] = [];
    const onError = (error: unknown) => void errors.push(error);
    await withListener({ ...limits, onConnection: echo, onError }, async (listener) => {
      const first = await call(listener);
      const second = await call(listener);
      const third = await call(listener);
      assert.match(await readExactly(third, 46), /^421 4\.7\.0 .*\r\n$/);
      third.destroy();
      assert.equal(errors.length, 1);
      assert.equal(errors[0] instanceof ConnectionError && errors[0].fault, "refused");
      await first.close();
      while (listener.connections > 1) await turn();
      const fourth = await call(listener);
      await fourth.write(bytes("room"), SOON);
      assert.equal(await readExactly(fourth, 4), "room");
      await Promise.all([second.close(), fourth.close()]);
      while (listener.connections > 0) await turn();
    });
  });

test("a refused peer gets the line that was given", () =>
  withListener({ perAddress: 0, refusal: "421 4.3.2 Closed\r\n", onConnection: echo }, async (listener) => {
    const connection = await call(listener);
    assert.equal(await readExactly(connection, 18), "421 4.3.2 Closed\r\n");
    await connection.close();
  }));

for (const [how, onConnection] of [
  ["throws", () => assert.fail("a bug")],
  ["rejects", async () => assert.fail("a bug")],
] as const)
  test(`a session that ${how} is reported and its connection closed`, async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    await withListener({ onConnection, onError: resolve }, async (listener) => {
      const connection = await call(listener);
      assert.equal(String(await promise).includes("a bug"), true);
      const after = await connection.read(SOON).catch((error: ConnectionError) => error.fault);
      assert.ok(after === undefined || after === "reset");
      while (listener.connections > 0) await turn();
      await connection.close();
    });
  });

for (const [how, onConnection] of [
  ["destroys", (connection: Connection) => connection.destroy()],
  ["fails on", async () => assert.fail("a bug")],
] as const)
  test(`a session that ${how} its TLS connection frees the place and the peer`, () =>
    withListener({ tls: certs().server, onConnection }, async (listener) => {
      const connection = await call(listener, trust());
      const after = await connection.read(SOON).catch((error: ConnectionError) => error.fault);
      assert.ok(after === undefined || after === "reset");
      while (listener.connections > 0) await turn();
      connection.destroy();
    }));

test("a peer that vanishes under TLS frees its place", () =>
  withListener({ tls: certs().server, onConnection: echo }, async (listener) => {
    const connection = await call(listener, trust());
    connection.destroy();
    while (listener.connections > 0) await turn();
  }));

test("a failed handshake is reported, and the next peer is served", async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  await withListener({ tls: certs().server, onConnection: echo, onError: resolve }, async (listener) => {
    const plain = await call(listener);
    await plain.write(bytes("EHLO who.test\r\nEHLO who.test\r\n"), SOON);
    const error = await promise;
    assert.equal(error instanceof ConnectionError && error.fault, "tls");
    plain.destroy();
    const good = await call(listener, trust());
    await good.write(bytes("hello"), SOON);
    assert.equal(await readExactly(good, 5), "hello");
    await good.close();
    while (listener.connections > 0) await turn();
  });
});

test("a peer that says nothing where TLS is due is dropped in time", async () => {
  const clock = manualClock();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const options = {
    tls: certs().server,
    clock,
    handshakeWithin: 30_000,
    onConnection: echo,
    onError: resolve,
  };
  await withListener(options, async (listener) => {
    const silent = await call(listener);
    while (clock.timers === 0) await turn();
    await clock.advance(30_000);
    const error = await promise;
    assert.equal(error instanceof ConnectionError && error.fault, "timeout");
    silent.destroy();
  });
});

test("a new certificate is shown to new peers, and old sessions go on", async () => {
  await withListener({ tls: certs().server, onConnection: echo }, async (listener) => {
    const before = await call(listener, trust());
    listener.replaceTls(certs().renewed satisfies ServerTls);
    const after = await call(listener, trust());
    assert.notEqual(before.tls?.certificate?.fingerprint, after.tls?.certificate?.fingerprint);
    for (const connection of [before, after]) {
      await connection.write(bytes("still here"), SOON);
      assert.equal(await readExactly(connection, 10), "still here");
      await connection.close();
    }
  });
});

test("closing stops listening and leaves sessions alone", async () => {
  await withListener({ onConnection: echo }, async (listener) => {
    const connection = await call(listener);
    const { port } = listener.address;
    await connection.write(bytes("before"), SOON);
    assert.equal(await readExactly(connection, 6), "before");
    await listener.close();
    await connection.write(bytes("after"), SOON);
    assert.equal(await readExactly(connection, 5), "after");
    const asked = { host: "127.0.0.1", port, clock: systemClock, within: SOON };
    await assert.rejects(dial(asked), { fault: "refused" });
    await connection.close();
  });
});

test("a port that is taken is refused with advice", () =>
  withListener({ onConnection: echo }, async ({ address: { port } }) => {
    const again = withListener({ onConnection: echo, address: { host: "127.0.0.1", port } }, async () => {});
    await assert.rejects(again, { fault: "refused", message: /another program listens there/ });
  }));

test("a unix socket gets its mode, and a stale file is replaced", () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.sock");
    await leaveStale(path);
    assert.ok(existsSync(path));
    await withListener({ onConnection: echo, address: { path, mode: 0o660 } }, async (listener) => {
      assert.equal(statSync(path).mode & 0o777, 0o660);
      assert.deepEqual(listener.address, { address: "unix", port: 0 });
      const connection = await dial({ host: "", port: 0, socket: path, clock: systemClock, within: SOON });
      await connection.write(bytes("hello"), SOON);
      assert.equal(await readExactly(connection, 5), "hello");
      await connection.close();
    });
  }));

test("a unix socket that somebody answers on is left alone", () =>
  withFolder(async (folder) => {
    const address = { path: join(folder, "a.sock") };
    await withListener({ onConnection: echo, address }, async () => {
      const again = withListener({ onConnection: echo, address }, async () => {});
      await assert.rejects(again, { fault: "refused", message: /another program listens there/ });
      assert.ok(existsSync(address.path));
    });
  }));

test("a file that is no socket is left alone", () =>
  withFolder(async (folder) => {
    const path = join(folder, "mail.txt");
    writeFileSync(path, "precious");
    const asked = withListener({ onConnection: echo, address: { path } }, async () => {});
    await assert.rejects(asked, { fault: "refused" });
    assert.equal(statSync(path).size, 8);
  }));

/** A socket file behind which nobody listens any more: bound under another name, and moved here. */
async function leaveStale(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.old`, resolve));
  renameSync(`${path}.old`, path);
  await new Promise((resolve) => server.close(resolve));
}

for (const [how, count, tls] of [
  ["in the clear", 2000, undefined],
  ["under TLS", 200, () => certs().server],
] as const)
  test(`${count} idle connections are opened and closed ${how}`, async () => {
    const there: Connection[] = [];
    const onConnection = (connection: Connection) => void there.push(connection);
    const options = tls === undefined ? { onConnection } : { onConnection, tls: tls() };
    await withListener(options, async (listener) => {
      const here: Connection[] = [];
      while (here.length < count) {
        const wave = Array.from({ length: 50 }, () => call(listener, tls && trust()));
        here.push(...(await Promise.all(wave)));
      }
      while (there.length < count) await turn();
      const last = there[count - 1]!;
      await Promise.all(there.map((connection) => connection.write(bytes("220 hello\r\n"), SOON)));
      assert.equal(text(await here[0]!.read(SOON)), "220 hello\r\n");
      await Promise.all([...here, ...there].map((connection) => connection.close(SOON)));
      while (listener.connections > 0) await turn();
      await assert.rejects(last.read(SOON), { fault: "closed" });
    });
  });

test("IPv6 peers are counted by their network", async () => {
  const address = { host: "::1", port: 0 };
  const listener = await listen({
    address,
    clock: systemClock,
    maxConnections: 10,
    perAddress: 1,
    onConnection: echo,
    onError: () => {},
  }).catch(() => undefined);
  if (listener === undefined) return; // a machine without IPv6
  try {
    const asked = { host: "::1", port: listener.address.port, clock: systemClock, within: SOON };
    const first = await dial(asked);
    const second = await dial(asked);
    assert.match(await readExactly(second, 46), /^421 /);
    second.destroy();
    await first.close();
  } finally {
    await listener.close();
  }
});
