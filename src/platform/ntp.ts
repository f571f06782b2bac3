/** The time of another machine: one question by SNTP (RFC 4330), to look at and never to set a clock by. */
import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Clock } from "./clock.ts";
import { systemRandom } from "./random.ts";

export interface TimeServer {
  readonly host: string;
  readonly port: number;
}

/** Seconds between 1900 and 1970. */
const EPOCH = 2_208_988_800;
const SIZE = 48;
/** No leap warning, version 4, client. */
const QUESTION = 0x23;
const SERVER = 4;

/** How far our clock is before the server's, in milliseconds. @throws if it does not answer within so many of them */
export async function clockOffset({ host, port }: TimeServer, clock: Clock, within: number): Promise<number> {
  const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
  const asked = Buffer.alloc(SIZE);
  asked[0] = QUESTION;
  // The server gives this back: who did not see the question cannot answer it.
  const token = Buffer.from(systemRandom.bytes(8));
  token.copy(asked, 40);
  try {
    return await new Promise<number>((resolve, reject) => {
      const timer = clock.after(within, () => reject(new Error(`no time from ${host} in time`)));
      const done = (act: () => void): void => {
        timer.stop();
        act();
      };
      let sent = 0;
      socket.on("error", (fault) => done(() => reject(fault)));
      socket.on("message", (answer: Buffer) => {
        const came = clock.now();
        if (answer.length < SIZE || !answer.subarray(24, 32).equals(token)) return;
        if ((answer[0]! & 7) !== SERVER || answer[1] === 0 || answer[0]! >> 6 === 3)
          return done(() => reject(new Error(`${host} has no time to give`)));
        const there = (instantAt(answer, 32) + instantAt(answer, 40)) / 2;
        done(() => resolve((sent + came) / 2 - there));
      });
      socket.connect(port, host, (fault?: Error) => {
        // Where the host has no way there, it is this that hears of it.
        if (fault) return done(() => reject(fault));
        sent = clock.now();
        socket.send(asked);
      });
    });
  } finally {
    socket.close();
  }
}

const instantAt = (bytes: Buffer, at: number): number =>
  (bytes.readUInt32BE(at) - EPOCH + bytes.readUInt32BE(at + 4) / 2 ** 32) * 1000;
