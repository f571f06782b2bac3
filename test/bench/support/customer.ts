/** A customer that knows nothing of us: it turns the line and hands it to a mail server of DATA alone, octet by octet. */
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { PASSWORD } from "./relay.ts";

/** Calls the ODMR door, turns the line, and puts `server` (a port of loopback) at its end until the relay hangs up. @returns milliseconds from ATRN to the first MAIL */
export async function turnTo(server: number, odmr: number): Promise<number> {
  const line = connect({ port: odmr, host: "127.0.0.1", noDelay: true });
  const say = talkOn(line);
  await say();
  await say("EHLO home.test");
  const challenge = (await say("AUTH CRAM-MD5")).slice(4);
  const digest = createHmac("md5", PASSWORD).update(Buffer.from(challenge, "base64")).digest("hex");
  await say(Buffer.from(`home ${digest}`).toString("base64"));
  const asked = performance.now();
  let first = Number.NaN;
  const answer = await say("ATRN");
  if (!answer.startsWith("250")) throw new Error(`ATRN was answered ${answer}`);
  line.removeAllListeners("data");
  const mta = connect({ port: server, host: "127.0.0.1", noDelay: true });
  line.on("data", (octets) => {
    if (Number.isNaN(first) && String(octets).includes("MAIL FROM")) first = performance.now() - asked;
  });
  line.pipe(mta);
  mta.pipe(line);
  await once(line, "close");
  return first;
}

/** Says a line, and waits for the last line of the answer. */
function talkOn(line: Socket): (words?: string) => Promise<string> {
  let heard = "";
  let wake: (() => void) | undefined;
  line.setEncoding("latin1").on("data", (text) => {
    heard += text;
    wake?.();
  });
  return async (words) => {
    if (words !== undefined) line.write(`${words}\r\n`);
    for (;;) {
      const whole = /^(?:\d{3}-.*\r\n)*(\d{3}(?: .*)?)\r\n/.exec(heard);
      if (whole !== null) {
        heard = heard.slice(whole[0].length);
        return whole[1]!;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
}
