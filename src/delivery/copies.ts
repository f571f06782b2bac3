/** A delivery to several targets: a recipient has its mail when all of them have it. */
// Each target is settled by itself: what it has is noted (`done`), and another try leaves it out.
import type { Address } from "../wire/address.ts";
import { reply } from "../wire/reply.ts";
import { type Delivery, type Outcome, type Parcel, partOf } from "./delivery.ts";

export interface NamedTarget {
  /** Unique among the targets, and the same after a restart. */
  readonly name: string;
  readonly delivery: Delivery;
}

export function copies(targets: readonly NamedTarget[]): Delivery {
  return {
    async deliver(parcel) {
      const told = await Promise.all(
        targets.map(async ({ name, delivery }) => ({ name, of: await missing(parcel, name, delivery) })),
      );
      return parcel.envelope.recipients.map(({ address }) => {
        const outcomes = told.flatMap(({ name, of }) => {
          const outcome = of.get(address);
          return outcome === undefined ? [] : [{ name, outcome }];
        });
        const before = parcel.done?.get(address) ?? [];
        const now = outcomes.filter(({ outcome }) => outcome.result === "delivered").map(({ name }) => name);
        return {
          ...worst(
            address,
            outcomes.map(({ outcome }) => outcome),
          ),
          done: [...before, ...now],
        };
      });
    },
    async close() {
      await Promise.all(targets.map(({ delivery }) => delivery.close()));
    },
  };
}

/** What a target says of those recipients that do not have it from there yet. */
async function missing(
  parcel: Parcel,
  name: string,
  delivery: Delivery,
): Promise<ReadonlyMap<Address, Outcome>> {
  const recipients = parcel.envelope.recipients.filter(
    ({ address }) => parcel.done?.get(address)?.includes(name) !== true,
  );
  if (recipients.length === 0) return new Map();
  const outcomes = await delivery.deliver(partOf(parcel, recipients));
  return new Map(outcomes.map((outcome) => [outcome.to, outcome]));
}

/** While one target may still take it, it is tried again; only then a refusal counts. */
const order = ["unanswered", "deferred", "postponed", "refused", "delivered"] as const;

function worst(to: Address, outcomes: readonly Outcome[]): Outcome {
  for (const result of order) {
    const found = outcomes.find((outcome) => outcome.result === result);
    if (found !== undefined) return found;
  }
  return { to, result: "delivered", reply: hadAll };
}

const hadAll = reply(250, "2.0.0", "All targets had it");
