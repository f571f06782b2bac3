import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { it } from "node:test";
import { systemClock } from "../../src/platform/clock.ts";
import { clockOffset } from "../../src/platform/ntp.ts";

const EPOCH = 2_208_988_800_000;

/** A time server whose clock is so many milliseconds before ours. */
async function withTime<T>(
  ahead: number,
  change: (answer: Buffer) => void,
  use: (port: number) => Promise<T>,
): Promise<T> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  socket.on("message", (asked, { port, address }) => {
    const answer = Buffer.alloc(48);
    answer[0] = 0x24;
    answer[1] = 2;
    Buffer.from(asked).copy(answer, 24, 40, 48);
    const now = Date.now() + ahead + EPOCH;
    for (const at of [32, 40]) {
      answer.writeUInt32BE(Math.floor(now / 1000), at);
      answer.writeUInt32BE(Math.floor(((now % 1000) / 1000) * 2 ** 32), at + 4);
    }
    change(answer);
    socket.send(answer, port, address);
  });
  try {
    return await use(socket.address().port);
  } finally {
    socket.close();
  }
}

const ask = (port: number, within = 10_000) => clockOffset({ host: "127.0.0.1", port }, systemClock, within);

it("a clock is so far before or behind a time server's", async () => {
  const behind = await withTime(3_600_000, () => {}, ask);
  assert.ok(Math.abs(behind + 3_600_000) < 5_000, `${behind}`);
  const before = await withTime(-3_600_000, () => {}, ask);
  assert.ok(Math.abs(before - 3_600_000) < 5_000, `${before}`);
});

it("a server without a time of its own is no judge", () =>
  assert.rejects(
    withTime(0, (answer) => answer.fill(0, 1, 2), ask),
    /has no time to give/,
  ));

it("an answer to another question is none", () =>
  assert.rejects(
    withTime(
      0,
      (answer) => answer.fill(0, 24, 32),
      (port) => ask(port, 50),
    ),
    /no time from 127\.0\.0\.1 in time/,
  ));

it("a server to which there is no way has no time, and nothing else comes of it", () =>
  assert.rejects(clockOffset({ host: "255.255.255.255", port: 123 }, systemClock, 200)));
