/** How much a customer may send to the world within an hour: a bucket that fills while it is silent. */
// It is in memory: a restart, or a renewed book, gives everybody a full bucket.
import type { Customer } from "./customers.ts";

interface Bucket {
  left: number;
  at: number;
}

const HOUR = 3_600_000;

export class Pace {
  readonly #buckets = new Map<string, Bucket>();

  /** Takes one recipient from the customer's bucket, if there is one left. @param now steady milliseconds */
  takes({ name, sendPerHour }: Pick<Customer, "name" | "sendPerHour">, now: number): boolean {
    if (sendPerHour === undefined) return true;
    const bucket = this.#buckets.get(name) ?? { left: sendPerHour, at: now };
    this.#buckets.set(name, bucket);
    bucket.left = Math.min(sendPerHour, bucket.left + ((now - bucket.at) * sendPerHour) / HOUR);
    bucket.at = now;
    if (bucket.left < 1) return false;
    bucket.left--;
    return true;
  }
}
