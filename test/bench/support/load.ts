/** A sender of our own, where smtp-source cannot do it: with STARTTLS, with a time for each answer, with very large bodies. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as secure } from "node:tls";
import { DOMAIN } from "./relay.ts";

export interface Sending {
  readonly size: number;
  readonly sessions: number;
  readonly count: number;
  readonly tls?: boolean;
}

/** @returns messages a second, and milliseconds from each body's end to its 250, in order */
export async function send(
  port: number,
  { size, sessions, count, tls = false }: Sending,
): Promise<{ readonly rate: number; readonly waits: readonly number[] }> {
  const line = `${"x".repeat(76)}\r\n`;
  const body = Buffer.from(`Subject: load\r\n\r\n${line.repeat(Math.ceil(size / 78))}.\r\n`);
  const waits: number[] = [];
  let left = count;
  const began = performance.now();
  const session = async (): Promise<void> => {
    const { say, close } = await open(port, tls);
    while (left-- > 0) {
      for (const command of ["MAIL FROM:<s@load.test>", `RCPT TO:<u@${DOMAIN}>`, "DATA"])
        await say(`${command}\r\n`);
      const sent = performance.now();
      await say(body);
      waits.push(performance.now() - sent);
    }
    await close();
  };
  await Promise.all(Array.from({ length: sessions }, session));
  const rate = (count / (performance.now() - began)) * 1000;
  return { rate, waits: waits.sort((a, b) => a - b) };
}

interface Line {
  /** Sends and waits for the answer. @throws if it is a refusal */
  say(words: string | Buffer): Promise<void>;
  close(): Promise<void>;
}

/** A session that is greeted and has said EHLO, under TLS if it is to be. */
export async function open(port: number, tls: boolean): Promise<Line> {
  const plain = connect({ port, host: "127.0.0.1", noDelay: true });
  const greeted = lineOn(plain);
  await greeted.say("");
  await greeted.say("EHLO load.test\r\n");
  if (!tls) return greeted;
  await greeted.say("STARTTLS\r\n");
  plain.removeAllListeners();
  const socket = secure({ socket: plain, rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const line = lineOn(socket);
  await line.say("EHLO load.test\r\n");
  return line;
}

function lineOn(socket: Socket): Line {
  let heard = "";
  let waiting: { resolve(): void; reject(why: Error): void } | undefined;
  const fail = (why: Error) => waiting?.reject(why);
  socket.on("data", (octets: Buffer) => {
    heard += octets.toString("latin1");
    const last = /^(\d{3})(?: .*)?\r\n$/m.exec(heard);
    if (last === null) return;
    const said = heard;
    heard = "";
    if (Number(last[1]) < 400) waiting?.resolve();
    else fail(new Error(said));
  });
  socket.on("error", fail);
  socket.on("close", () => fail(new Error("the line is closed")));
  return {
    say: (words) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        if (words.length > 0) socket.write(words);
      }),
    close: () =>
      new Promise((resolve) => {
        socket.once("close", () => resolve());
        socket.end("QUIT\r\n");
      }),
  };
}
