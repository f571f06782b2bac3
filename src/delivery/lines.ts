/** Several lines to one destination: each message takes a line that is idle, or opens one. */
// How many there are at once is the limits' to say; a line lives until close(), and is used again and again.
import type { Delivery, Outcome, Parcel } from "./delivery.ts";
import { dialled, type ReadyHop } from "./dialled.ts";
import type { Limits } from "./limits.ts";

export function lines(hop: ReadyHop, limits: Limits): Delivery {
  return new Lines(hop, limits);
}

class Lines implements Delivery {
  readonly #hop: ReadyHop;
  readonly #limits: Limits;
  readonly #idle: Delivery[] = [];

  constructor(hop: ReadyHop, limits: Limits) {
    this.#hop = hop;
    this.#limits = limits;
  }

  deliver(parcel: Parcel): Promise<readonly Outcome[]> {
    return this.#limits.within(this.#hop.name, async () => {
      const line = this.#idle.pop() ?? dialled(this.#hop);
      try {
        return await line.deliver(parcel);
      } finally {
        this.#idle.push(line);
      }
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((line) => line.close()));
  }
}
