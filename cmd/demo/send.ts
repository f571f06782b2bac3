/** Sends messages to the relay as the world does: SMTP, several sessions at once. */
// Each message has a sender of its own, and so it is known again in a Maildir by its Return-Path.
import { lineDelivery } from "../../src/delivery/line.ts";
import { dial } from "../../src/net/dial.ts";
import { Talk } from "../../src/net/talk.ts";
import { systemClock } from "../../src/platform/clock.ts";
import type { Letter } from "./letters.ts";

export interface SendOptions {
  readonly port: number;
  readonly sessions: number;
}

const RECIPIENTS = ["ann@example.org", "bob@example.org", "sales@example.com"];

interface Stamped {
  readonly from: string;
  readonly to: string;
  readonly letter: Letter;
}

/** @returns what was answered 250, by its sender */
export async function send(
  letters: readonly Letter[],
  { port, sessions }: SendOptions,
  say: (soFar: string) => void,
): Promise<ReadonlyMap<string, Letter>> {
  const waiting = letters
    .map((letter, i) => ({
      letter,
      from: `letter-${i + 1}@world.example`,
      to: RECIPIENTS[i % RECIPIENTS.length]!,
    }))
    .values();
  const taken = new Map<string, Letter>();
  const note = ({ from, letter }: Stamped) => {
    taken.set(from, letter);
    say(`${taken.size} of ${letters.length}`);
  };
  await Promise.all(Array.from({ length: sessions }, () => session(port, waiting, note)));
  return taken;
}

/** One session: takes the next message as long as there is one. */
async function session(
  port: number,
  waiting: Iterable<Stamped>,
  note: (one: Stamped) => void,
): Promise<void> {
  const talk = new Talk(await dial({ host: "127.0.0.1", port, clock: systemClock, within: 10_000 }));
  await talk.greeting();
  await talk.ask({ verb: "EHLO", name: "world.example" });
  const delivery = lineDelivery(talk, { compatibility: "auto" });
  try {
    for (const stamped of waiting) {
      const [outcome] = await delivery.deliver(parcel(stamped));
      if (outcome?.result === "delivered") note(stamped);
    }
  } finally {
    await delivery.close();
  }
}

function parcel({ from, to, letter: { name, octets } }: Stamped) {
  const body = octets.some((octet) => octet > 0x7f) ? "8BITMIME" : "7BIT";
  return {
    id: name,
    envelope: { from, recipients: [{ address: to, notify: [] }], body, smtputf8: false },
    size: octets.length,
    arrived: 0,
    content: () => [octets],
  } as const;
}
