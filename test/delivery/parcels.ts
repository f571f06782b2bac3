/** Parcels and next hops for tests of deliveries. */
import type { Delivery, Outcome, Parcel } from "../../src/delivery/delivery.ts";
import { type Reply, reply } from "../../src/wire/reply.ts";

const encoder = new TextEncoder();

export function parcelTo(
  to: readonly string[],
  { text = "Subject: hi\r\n\r\nHi\r\n", from = "ann@world.test" } = {},
): Parcel {
  const octets = encoder.encode(text);
  return {
    id: "0192",
    envelope: { from, smtputf8: false, recipients: to.map((address) => ({ address, notify: [] })) },
    size: octets.length,
    arrived: 0,
    content: () => [octets],
  };
}

export const said: Readonly<Record<Outcome["result"], Reply>> = {
  delivered: reply(250, "2.0.0", "Taken"),
  deferred: reply(451, "4.3.0", "Later"),
  refused: reply(550, "5.1.1", "Nobody here"),
  unanswered: reply(421, "4.4.2", "Lost"),
  postponed: reply(451, "4.3.2", "Closed"),
};

/** A next hop that answers as it is told, and remembers whom it was given. */
export class Hop implements Delivery {
  readonly given: string[][] = [];
  readonly parcels: Parcel[] = [];
  readonly #answers: Readonly<Record<string, Outcome["result"]>>;
  closed = 0;

  /** @param answers by recipient; what is not named is delivered */
  constructor(answers: Readonly<Record<string, Outcome["result"]>> = {}) {
    this.#answers = answers;
  }

  async deliver(parcel: Parcel): Promise<readonly Outcome[]> {
    const to = parcel.envelope.recipients.map(({ address }) => address);
    this.given.push(to);
    this.parcels.push(parcel);
    return to.map((address) => {
      const result = this.#answers[address] ?? this.#answers["*"] ?? "delivered";
      return { to: address, result, reply: said[result] };
    });
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

export const results = (outcomes: readonly Outcome[]): readonly string[] =>
  outcomes.map(({ to, result }) => `${to} ${result}`);
