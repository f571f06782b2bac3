/** A delivery made of others: each recipient goes to the first rule that fits it. */
// A message whose recipients go different ways is carried to each; every way answers for its own recipients only.
import { type Address, matchesGlob } from "../wire/address.ts";
import { type Reply, reply } from "../wire/reply.ts";
import type { Delivery, Outcome, Parcel } from "./delivery.ts";

export interface Rule {
  /** A glob over the whole address. */
  readonly match: string;
  readonly delivery: Delivery;
}

const noWay: Reply = reply(451, "4.3.5", "No rule of deliver takes this recipient");

export function sorted(rules: readonly Rule[]): Delivery {
  const wayOf = (address: Address) => rules.find(({ match }) => matchesGlob(match, address))?.delivery;
  return {
    async deliver(parcel) {
      const ways = new Map<Delivery | undefined, Address[]>();
      for (const { address } of parcel.envelope.recipients) {
        const way = wayOf(address);
        ways.set(way, [...(ways.get(way) ?? []), address]);
      }
      const told = await Promise.all([...ways].map(([way, to]) => carry(way, part(parcel, to))));
      const outcomeOf = new Map(told.flat().map((outcome) => [outcome.to, outcome]));
      return parcel.envelope.recipients.map(({ address }) => outcomeOf.get(address)!);
    },
    async close() {
      await Promise.all(
        [...new Set(rules.map(({ delivery }) => delivery))].map((delivery) => delivery.close()),
      );
    },
  };
}

async function carry(way: Delivery | undefined, parcel: Parcel): Promise<readonly Outcome[]> {
  if (way !== undefined) return way.deliver(parcel);
  return parcel.envelope.recipients.map(({ address }) => ({ to: address, result: "deferred", reply: noWay }));
}

/** The same message for some of its recipients. */
function part(parcel: Parcel, to: readonly Address[]): Parcel {
  const wanted = new Set(to);
  const recipients = parcel.envelope.recipients.filter(({ address }) => wanted.has(address));
  return { ...parcel, content: () => parcel.content(), envelope: { ...parcel.envelope, recipients } };
}
