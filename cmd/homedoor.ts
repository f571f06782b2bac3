/** The door for mail from this house, as the configuration has it now: opened, moved and closed at a new reading of it. */
// Whoever came in by the old place finishes there; where the new one cannot be opened, the old one stays.

import type { Outgoing } from "../src/config/config.ts";
import { formatEndpoint } from "../src/config/endpoint.ts";
import type { Peer } from "../src/net/connection.ts";
import { systemClock } from "../src/platform/clock.ts";
import type { Log } from "../src/platform/log.ts";
import { systemRandom } from "../src/platform/random.ts";
import type { Arrivals } from "../src/relay/arrivals.ts";
import { type HomeListener, homeBook, openHome } from "../src/relay/homeoffice.ts";
import type { Relay } from "../src/relay/relay.ts";
import type { RecordingSpool } from "../src/spool/records.ts";
import type { Plan } from "./account.ts";
import { admission } from "./admission.ts";

interface DoorTools {
  readonly spool: RecordingSpool;
  readonly log: Log;
}

/** What it is made by. */
interface DoorPlan {
  readonly plans: readonly Plan[];
  readonly outgoing?: Outgoing | undefined;
}

type Place = NonNullable<Outgoing["listen"]>;

export class HomeDoor {
  readonly #tools: DoorTools;
  readonly #arrivals: Arrivals;
  readonly #stop = new AbortController();
  #relay: Relay | undefined;
  #admits: (peer: Peer) => boolean = () => false;
  #place: Place | undefined;
  #listener: HomeListener | undefined;
  /** Those who came in by places that are closed now. */
  readonly #leavers = new Set<Promise<void>>();

  constructor({ spool, log }: DoorTools, arrivals: Arrivals) {
    this.#tools = { spool, log };
    this.#arrivals = arrivals;
  }

  /** @throws ConnectionError if it cannot be opened where it is to be now */
  async renew({ plans, outgoing }: DoorPlan): Promise<void> {
    const [plan] = plans;
    const relay = plan && this.#relayOf(plan);
    this.#relay ??= relay;
    const before = this.#place;
    const place = plan === undefined ? undefined : outgoing?.listen;
    if (JSON.stringify(place) !== JSON.stringify(before)) {
      this.#shut();
      try {
        if (place !== undefined) await this.#open(place);
      } catch (fault) {
        if (before !== undefined) await this.#open(before);
        throw fault;
      }
    }
    if (relay !== undefined) this.#relay = relay;
    if (outgoing !== undefined) this.#admits = admission(outgoing.networks);
  }

  /** Resolves when all have gone. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#shut();
    await Promise.all(this.#leavers);
  }

  #shut(): void {
    this.#place = undefined;
    const left = this.#listener?.close();
    this.#listener = undefined;
    if (left === undefined) return;
    const gone: Promise<void> = left.finally(() => this.#leavers.delete(gone));
    this.#leavers.add(gone);
  }

  async #open(place: Place): Promise<void> {
    this.#listener = await openHome(() => this.#relay!, {
      address: "path" in place ? { ...place, mode: 0o660 } : place,
      admits: (peer) => this.#admits(peer),
    });
    this.#place = place;
    const { address, port } = this.#listener.address;
    const where = address === "unix" ? formatEndpoint(place) : formatEndpoint({ host: address, port });
    this.#tools.log.log("info", "listening", { service: "outgoing", address: where });
  }

  #relayOf({ account, home }: Plan): Relay {
    return {
      ...this.#tools,
      ...{ arrivals: this.#arrivals, clock: systemClock, random: systemRandom },
      hostname: account.hostname,
      book: homeBook(home),
      stopping: this.#stop.signal,
    };
  }
}
