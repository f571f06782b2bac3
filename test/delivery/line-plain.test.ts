import assert from "node:assert/strict";
import { test } from "node:test";
import { lineDelivery } from "../../src/delivery/line.ts";
import type { Connection } from "../../src/net/connection.ts";
import { Talk } from "../../src/net/talk.ts";
import { cut, octets, parcelFor, textOf } from "../support/mail.ts";
import { pipe } from "../support/pipe.ts";

const SOON = 10_000;

/** The same connection, noting what each write carries. */
function noting(line: Connection, writes: string[]): Connection {
  const write: Connection["write"] = (bytes, within) => {
    writes.push(textOf(bytes));
    return line.write(bytes, within);
  };
  return {
    ...{ clock: line.clock, peer: line.peer, local: line.local, tls: line.tls, pending: 0 },
    read: (within) => line.read(within),
    write,
    writeThrough: write,
    startTls: (role, within) => line.startTls(role, within),
    close: () => line.close(),
    destroy: () => line.destroy(),
  };
}

/** Greets, agrees to every command, and takes one body. */
async function agree(line: Connection): Promise<void> {
  const say = (text: string) => line.write(octets(`${text}\r\n`), SOON);
  await say("220 home.test");
  let body = false;
  for (let heard = ""; ; ) {
    const bytes = await line.read(SOON);
    if (bytes === undefined) return;
    heard += textOf(bytes);
    if (body ? !heard.endsWith("\r\n.\r\n") : !heard.endsWith("\r\n")) continue;
    body = heard.startsWith("DATA");
    await say(body ? "354 go on" : "250 2.0.0 well");
    heard = "";
  }
}

test("a plain peer gets every line in a write of its own, wherever the body's pieces end", async () => {
  const writes: string[] = [];
  const [ours, theirs] = pipe();
  const peer = agree(theirs);
  const talk = new Talk(noting(ours, writes));
  await talk.greeting();
  const parcel = parcelFor(["bob@example.org"]);
  const bytes = octets("Subject: a\r\n\r\n.one\r\ntwo\r\n\r\nthree\r\n");
  const content = () => cut(bytes, 23);
  const delivery = lineDelivery(talk, { compatibility: "plain" });
  const outcomes = await delivery.deliver({ ...parcel, size: bytes.length, content });
  assert.deepEqual(
    outcomes.map(({ result }) => result),
    ["delivered"],
  );
  assert.deepEqual(writes.slice(2), [
    "DATA\r\n",
    "Subject: a\r\n",
    "\r\n",
    "..one\r\n",
    "two",
    "\r\n",
    "\r\n",
    "three\r\n",
    ".\r\n",
  ]);
  await ours.close();
  await peer;
});
