/** A name server on loopback, over a table of names: what the program asks on the wire is answered on the wire (RFC 1035 §4.1). */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import type { Zone } from "./zone.ts";

const TYPES: Readonly<Record<number, string>> = { 1: "A", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA" };
const FAILED = 2;
const NO_SUCH_NAME = 3;

/** @param use is given `address:port` */
export async function withNameServer<T>(zone: Zone, use: (server: string) => Promise<T>): Promise<T> {
  const { server, streams } = await bothAtOnePort();
  const { port } = server.address();
  server.on("message", (question, from) => {
    const answer = answerTo(Buffer.from(question), zone);
    if (answer !== undefined) server.send(cut(answer), from.port, from.address);
  });
  streams.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      const answer = answerTo(Buffer.from(bytes.subarray(2)), zone);
      if (answer === undefined) return;
      socket.write(Buffer.from([answer.length >> 8]));
      socket.end(Buffer.concat([Buffer.from([answer.length & 255]), answer]));
    });
  });
  try {
    return await use(`127.0.0.1:${port}`);
  } finally {
    server.close();
    streams.close();
  }
}

/** A port that is free for datagrams may be another's for streams: then the next one is tried. */
async function bothAtOnePort() {
  for (;;) {
    const server = createSocket("udp4").bind(0, "127.0.0.1");
    await once(server, "listening");
    const streams = createServer().listen(server.address().port, "127.0.0.1");
    try {
      await once(streams, "listening");
      return { server, streams };
    } catch {
      server.close();
    }
  }
}

/** What does not fit into a datagram is not sent in one, and says so. */
function cut(answer: Buffer): Buffer {
  if (answer.length <= 1_232) return answer;
  const head = Buffer.from(answer.subarray(0, answer.indexOf(0, 12) + 5));
  head.fill(0, 6, 12);
  head[2] = head[2]! | 2;
  return head;
}

/** undefined: silence. */
function answerTo(asked: Buffer, zone: Zone): Buffer | undefined {
  const labels: string[] = [];
  let at = 12;
  for (let length = asked[at]!; length > 0; length = asked[at]!) {
    labels.push(asked.toString("latin1", at + 1, at + 1 + length));
    at += length + 1;
  }
  const type = TYPES[asked.readUInt16BE(at + 1)];
  const found = zone[`${labels.join(".")} ${type}`] ?? [];
  if (found === "silence") return undefined;
  const records = found === "trouble" ? [] : found;
  const head = Buffer.from(asked.subarray(0, at + 5));
  const code = found === "trouble" ? FAILED : records.length === 0 ? NO_SUCH_NAME : 0;
  head.fill(0, 6, 12);
  head.writeUInt16BE(0x8580 | code, 2);
  head.writeUInt16BE(records.length, 6);
  return Buffer.concat([
    head,
    ...records.map((record) => recordOf(record, type!, asked.readUInt16BE(at + 1))),
  ]);
}

function recordOf(record: unknown, type: string, number: number): Buffer {
  const data = dataOf(record, type);
  const head = Buffer.from("c00c00000001000000000000", "hex");
  head.writeUInt16BE(number, 2);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function dataOf(record: unknown, type: string): Buffer {
  if (type === "A") return Buffer.from(String(record).split(".").map(Number));
  if (type === "PTR") return nameOf(String(record));
  if (type === "TXT") {
    const pieces = (record as readonly string[]).join("").match(/[\s\S]{1,255}/g) ?? [""];
    return Buffer.concat(
      pieces.map((piece) => Buffer.concat([Buffer.from([piece.length]), Buffer.from(piece)])),
    );
  }
  if (type === "MX") {
    const { priority, exchange } = record as { readonly priority: number; readonly exchange: string };
    return Buffer.concat([Buffer.from([priority >> 8, priority & 255]), nameOf(exchange)]);
  }
  throw new Error(`no ${type} in this server`);
}

const nameOf = (name: string): Buffer =>
  Buffer.concat([
    ...name.split(".").map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);
