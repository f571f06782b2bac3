/** A delivery with hours: outside of them mail waits for the next opening, and that is no attempt. */
import type { Clock, Instant } from "../platform/clock.ts";
import { reply } from "../wire/reply.ts";
import { type Delivery, sameForAll } from "./delivery.ts";

/** When it is open next: `now`, if it is open now. */
export type Opening = (now: Instant) => Instant;

export function withHours(delivery: Delivery, opening: Opening, clock: Pick<Clock, "now">): Delivery {
  return {
    async deliver(parcel) {
      const now = clock.now();
      const due = opening(now);
      if (due <= now) return delivery.deliver(parcel);
      return sameForAll(parcel, "postponed", outside).map((outcome) => ({ ...outcome, due }));
    },
    close: () => delivery.close(),
  };
}

const outside = reply(451, "4.3.2", "The target is open at other hours");
