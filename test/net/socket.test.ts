import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { Connection } from "../../src/net/connection.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { certs } from "../support/certs.ts";
import { manualClock } from "../support/clock.ts";
import { bytes, echo, readExactly, SOON, text, withBare, withPair } from "../support/net.ts";
import { holdsBackTls } from "../support/runtime.ts";

const MIB = 1024 * 1024;

/** Lets the event loop go round so many times. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

const tls = () => ({
  server: certs().server,
  client: { servername: "relay.test", ca: certs().ca },
});

for (const [how, under] of [
  ["in the clear", undefined],
  ["under TLS", tls],
] as const) {
  const withBoth = (use: (a: Connection, b: Connection) => Promise<void>) =>
    withPair(under === undefined ? {} : { tls: under() }, ({ client, server }) => use(client, server));

  test(`50 MB go there and come back the same, ${how}`, () =>
    withBoth(async (client, server) => {
      const block = new Uint8Array(MIB).map((_, i) => (i * 7 + (i >> 8)) & 0xff);
      const total = 50 * MIB;
      const echoing = echo(server);
      const sending = (async () => {
        for (let sent = 0; sent < total; sent += MIB) await client.write(block, SOON);
      })();
      for (let got = 0; got < total; ) {
        const piece = await client.read(SOON);
        assert.ok(piece !== undefined);
        for (let i = 0; i < piece.length; ) {
          const at = (got + i) % MIB;
          const part = piece.subarray(i, i + MIB - at);
          assert.equal(Buffer.compare(part, block.subarray(at, at + part.length)), 0);
          i += part.length;
        }
        got += piece.length;
      }
      await sending;
      await client.close();
      await echoing;
    }));

  test(`writes leave in the order of the calls, ${how}`, () =>
    withBoth(async (client, server) => {
      const lines = Array.from({ length: 500 }, (_, i) => `line ${i}\r\n`);
      await Promise.all(lines.map((line) => client.write(bytes(line), SOON)));
      assert.equal(await readExactly(server, lines.join("").length), lines.join(""));
    }));

  test(`after the peer's end an answer still reaches it, ${how}`, () =>
    withBoth(async (client, server) => {
      const closing = client.write(bytes("QUIT\r\n"), SOON).then(() => client.close(SOON));
      assert.equal(await readExactly(server, 6), "QUIT\r\n");
      assert.equal(await server.read(SOON), undefined);
      assert.equal(await server.read(SOON), undefined);
      await server.write(bytes("221 bye\r\n"), SOON);
      await server.close(SOON);
      await closing;
    }));

  test(`what was written before close() arrives, ${how}`, () =>
    withBoth(async (client, server) => {
      const body = new Uint8Array(4 * MIB).fill(65);
      void client.write(body, SOON).catch(() => {});
      const closing = Promise.all([client.close(SOON), client.close(SOON)]); // twice is as good as once
      let got = 0;
      for (let piece = await server.read(SOON); piece !== undefined; piece = await server.read(SOON))
        got += piece.length;
      assert.equal(got, body.length);
      await server.close();
      await closing;
    }));

  test(`a closed connection throws "closed" from then on, ${how}`, () =>
    withBoth(async (client) => {
      const reading = assert.rejects(client.read(SOON), { fault: "closed" });
      client.destroy();
      await reading;
      await assert.rejects(client.read(SOON), { fault: "closed" });
      await assert.rejects(client.write(bytes("x"), SOON), { fault: "closed" });
      await client.close();
    }));

  const skip = under !== undefined && !holdsBackTls && "a paused TLS socket goes on receiving here";
  test(`a reader that does not read holds the writer back, ${how}`, { skip }, () =>
    withBoth(async (client, server) => {
      const block = new Uint8Array(MIB);
      let sent = 0;
      const sending = (async () => {
        for (; sent < 64 * MIB; sent += block.length) await client.write(block, SOON);
      })();
      let before = -1;
      while (before !== sent || sent === 0) {
        before = sent;
        await turns(500);
      }
      assert.ok(sent < 32 * MIB, `${sent} octets were taken`);
      assert.ok(server.pending < 2 * MIB, `${server.pending} octets lie unread`);
      for (let got = 0; got < 64 * MIB; ) got += (await server.read(SOON))?.length ?? Number.NaN;
      await sending;
    }),
  );
}

test("pending counts what came and was not read", () =>
  withBare(systemClock, async (connection, bare) => {
    bare.write("one");
    assert.equal(text(await connection.read(SOON)), "one");
    assert.equal(connection.pending, 0);
    bare.write("four");
    while (connection.pending < 4) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(connection.pending, 4);
    assert.equal(text(await connection.read(SOON)), "four");
    assert.equal(connection.pending, 0);
  }));

test("a late read throws a timeout, and the connection can still be used", async () => {
  const clock = manualClock();
  await withBare(clock, async (connection, bare) => {
    const late = assert.rejects(connection.read(300_000), { name: "ConnectionError", fault: "timeout" });
    await clock.advance(299_999);
    assert.equal(clock.timers, 1);
    await clock.advance(1);
    await late;
    await connection.write(bytes("421 4.4.2 Too slow\r\n"), 1000);
    const [line] = await once(bare, "data");
    assert.equal(String(line), "421 4.4.2 Too slow\r\n");
    bare.write("late");
    assert.equal(text(await connection.read(1000)), "late");
  });
});

test("each read has its own deadline, though all share one timer", async () => {
  const clock = manualClock();
  await withBare(clock, async (connection, bare) => {
    for (let i = 0; i < 5; i++) {
      const reading = connection.read(1000);
      await clock.advance(900);
      bare.write("x");
      assert.equal(text(await reading), "x");
      assert.equal(clock.timers, 1);
    }
    const late = assert.rejects(connection.read(1000), { fault: "timeout" });
    await clock.advance(1000);
    await late;
    const sooner = assert.rejects(connection.read(10), { fault: "timeout" });
    await clock.advance(10);
    await sooner;
  });
});

test("a peer that never reads makes the write time out, which breaks the connection", async () => {
  const clock = manualClock();
  await withBare(clock, async (connection, bare) => {
    bare.pause();
    const block = new Uint8Array(MIB);
    let stuck: Promise<void> | undefined;
    for (let i = 0; i < 64 && stuck === undefined; i++) {
      const writing = connection.write(block, 60_000);
      const soon = turns(2000).then(() => "later");
      if ((await Promise.race([writing, soon])) === "later") stuck = writing;
    }
    assert.ok(stuck !== undefined, "64 MiB were taken by nobody");
    const late = assert.rejects(stuck, { fault: "timeout" });
    await clock.advance(60_000);
    await late;
    await assert.rejects(connection.read(1000), { fault: "timeout" });
    assert.equal(clock.timers, 0);
  });
});

test("a reset by the peer throws a reset, after what had arrived", () =>
  withBare(systemClock, async (connection, bare) => {
    bare.write("last words");
    assert.equal(text(await connection.read(SOON)), "last words");
    const reading = assert.rejects(connection.read(SOON), { fault: "reset" });
    bare.resetAndDestroy();
    await reading;
    await assert.rejects(connection.write(bytes("x"), SOON), { fault: "reset" });
  }));

test("closing does not wait longer than told for a peer that stays", async () => {
  const clock = manualClock();
  await withBare(clock, async (connection, bare) => {
    bare.resume();
    let done = false;
    const closing = connection.close(2000).then(() => {
      done = true;
    });
    await clock.advance(1999);
    assert.equal(done, false);
    await clock.advance(1);
    await closing;
    assert.equal(clock.timers, 0);
  });
});

test("a connection knows both of its ends", () =>
  withPair({}, async ({ client, server }) => {
    assert.deepEqual(client.peer, server.local);
    assert.deepEqual(server.peer, client.local);
    assert.equal(client.peer.address, "127.0.0.1");
    assert.equal(client.tls, undefined);
  }));

test("octets that are written through have left, or tell of the line's end", () =>
  withPair({}, async ({ client, server }) => {
    await client.writeThrough(bytes("one\r\n"), SOON);
    await client.writeThrough(bytes("two\r\n"), SOON);
    assert.equal(await readExactly(server, 10), "one\r\ntwo\r\n");
    client.destroy();
    await assert.rejects(client.writeThrough(bytes("three\r\n"), SOON), { fault: "closed" });
  }));
