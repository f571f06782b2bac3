/** A delivery with another behind it: what the first refuses for good, the other is given. */
// A target that is down is waited for, not passed by: only a refusal moves mail on.
import { type Delivery, partOf } from "./delivery.ts";

export function withFallback(first: Delivery, other: Delivery): Delivery {
  return {
    async deliver(parcel) {
      const outcomes = await first.deliver(parcel);
      const refused = new Set(outcomes.flatMap(({ to, result }) => (result === "refused" ? [to] : [])));
      if (refused.size === 0) return outcomes;
      const recipients = parcel.envelope.recipients.filter(({ address }) => refused.has(address));
      const second = new Map(
        (await other.deliver(partOf(parcel, recipients))).map((outcome) => [outcome.to, outcome]),
      );
      return outcomes.map((outcome) => {
        const instead = second.get(outcome.to);
        return instead === undefined ? outcome : { ...outcome, ...instead };
      });
    },
    async close() {
      await Promise.all([first.close(), other.close()]);
    },
  };
}
