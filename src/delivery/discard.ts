/** Delivery to nowhere, for addresses that nobody reads. */
import { reply } from "../wire/reply.ts";
import { type Delivery, sameForAll } from "./delivery.ts";

/** Says that it was delivered. */
export function discard(): Delivery {
  return {
    deliver: async (parcel) => sameForAll(parcel, "delivered", reply(250, "2.0.0", "discarded")),
    close: async () => {},
  };
}
