import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionError, type TlsFacts } from "../../src/net/connection.ts";
import { manualClock } from "./clock.ts";
import { bytes, readExactly, SOON, text } from "./net.ts";
import { pipe, type Split } from "./pipe.ts";

const ROLES = {
  server: { as: "server", tls: { certificate: "", key: "" } },
  client: { as: "client", tls: { servername: "relay.test" } },
} as const;

/** The pieces in which "EHLO home.test\r\n" arrives. */
async function pieces(split: Split): Promise<readonly string[]> {
  const [first, second] = pipe({ split });
  await first.write(bytes("EHLO home.test\r\n".repeat(8)), SOON);
  await first.close();
  const got: string[] = [];
  for (let piece = await second.read(SOON); piece !== undefined; piece = await second.read(SOON))
    got.push(text(piece) ?? "");
  assert.equal(got.join(""), "EHLO home.test\r\n".repeat(8));
  return got;
}

test("what one end writes the other reads, and the end comes after it", async () => {
  assert.equal((await pieces("whole")).length, 1);
  assert.equal((await pieces("octets")).length, 128);
});

test("a seed gives the same pieces every time, and another seed others", async () => {
  assert.deepEqual(await pieces({ seed: 7 }), await pieces({ seed: 7 }));
  assert.notDeepEqual(await pieces({ seed: 7 }), await pieces({ seed: 8 }));
});

test("a cut lets so many octets pass, and then both ends see a reset", async () => {
  const [first, second] = pipe({ cut: [6, undefined] });
  const waiting = assert.rejects(first.read(SOON), { fault: "reset" });
  await first.write(bytes("MAIL F"), SOON);
  await waiting;
  assert.equal(text(await second.read(SOON)), "MAIL F");
  await assert.rejects(second.read(SOON), { fault: "reset" });
  await assert.rejects(second.write(bytes("x"), SOON), { fault: "reset" });
  await assert.rejects(first.write(bytes("x"), SOON), { fault: "reset" });
});

test("a cut after nothing still lets the empty line be", async () => {
  const [first, second] = pipe({ cut: [0, undefined] });
  await first.write(bytes("x"), SOON);
  await assert.rejects(second.read(SOON), { fault: "reset" });
});

test("octets take their time by the given clock, and so does the end", async () => {
  const clock = manualClock();
  const [first, second] = pipe({ clock, delay: 50 });
  await first.write(bytes("hello"), SOON);
  await first.close();
  await clock.advance(49);
  assert.equal(second.pending, 0);
  await clock.advance(1);
  assert.equal(second.pending, 5);
  assert.equal(await readExactly(second, 5), "hello");
  assert.equal(await second.read(SOON), undefined);
});

test("a late read throws a timeout, and a writer is held back until its own deadline", async () => {
  const clock = manualClock();
  const [first, second] = pipe({ clock });
  const late = assert.rejects(second.read(1000), { fault: "timeout" });
  await clock.advance(1000);
  await late;
  const stuck = assert.rejects(first.write(new Uint8Array(300_000), 1000), { fault: "timeout" });
  await clock.advance(1000);
  await stuck;
  assert.equal(clock.timers, 0);
});

test("startTls marks both ends once both have called it", async () => {
  const facts: TlsFacts = { protocol: "TLSv1.3", cipher: "none", exporter: () => new Uint8Array(32) };
  const [first, second] = pipe({ handshake: () => facts });
  const [a, b] = await Promise.all([first.startTls(ROLES.client, SOON), second.startTls(ROLES.server, SOON)]);
  assert.equal(a.tls, facts);
  assert.equal(first.tls, undefined);
  await a.write(bytes("EHLO"), SOON);
  assert.equal(await readExactly(b, 4), "EHLO");
  await assert.rejects(first.read(SOON), { fault: "closed" });
});

test("octets before startTls are an injection, and the other end sees a reset", async () => {
  const [first, second] = pipe();
  await first.write(bytes("RSET\r\n"), SOON);
  const other = assert.rejects(first.startTls(ROLES.client, SOON), { fault: "reset" });
  await assert.rejects(second.startTls(ROLES.server, SOON), { fault: "injection" });
  await other;
});

test("a handshake that fails fails for both", async () => {
  const [first, second] = pipe({ handshake: () => new ConnectionError("tls", "expired") });
  const both = [first.startTls(ROLES.client, SOON), second.startTls(ROLES.server, SOON)];
  for (const outcome of await Promise.allSettled(both)) assert.equal(outcome.status, "rejected");
});

test("destroying one end resets the other", async () => {
  const [first, second] = pipe();
  first.destroy();
  await assert.rejects(first.read(SOON), { fault: "closed" });
  await assert.rejects(second.read(SOON), { fault: "reset" });
});
