/** A delivery that signs what leaves: a DKIM-Signature on top, by the key of the domain in From. */
import { type DkimKey, dkimSignature } from "../mail/dkim.ts";
import type { Delivery, Parcel } from "./delivery.ts";

/** @param keys by domain, in lower case; a message whose From has none leaves as it is */
export function signed(delivery: Delivery, keys: ReadonlyMap<string, DkimKey>): Delivery {
  if (keys.size === 0) return delivery;
  return {
    deliver: async (parcel) => delivery.deliver(await withSignature(parcel, keys)),
    close: () => delivery.close(),
  };
}

async function withSignature(parcel: Parcel, keys: ReadonlyMap<string, DkimKey>): Promise<Parcel> {
  const field = await dkimSignature(parcel.content(), keys);
  if (field === undefined) return parcel;
  const top = new TextEncoder().encode(field);
  return { ...parcel, size: parcel.size + top.length, content: () => preceded(top, parcel) };
}

async function* preceded(top: Uint8Array, parcel: Parcel): AsyncGenerator<Uint8Array> {
  yield top;
  yield* parcel.content();
}
