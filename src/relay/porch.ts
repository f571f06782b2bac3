/** Doors that are bound before the office opens: who knocks waits on the porch. */
// A port under 1024 is bound as root; configuration, secrets and spool are opened by the user that comes after.
import type { Connection, Peer } from "../net/connection.ts";
import { Hall } from "../net/hall.ts";
import { type ListenAddress, type Listener, listen } from "../net/listen.ts";
import type { DoorSettings, Relay } from "./relay.ts";

export interface DoorPlan extends DoorSettings {
  readonly address: ListenAddress;
  /** TLS from the first octet, with the book's certificate. */
  readonly implicitTls: boolean;
  /** Connections at this door at most; undefined: as many as over all doors. */
  readonly maxConnections?: number | undefined;
  /** Whether this peer may come in at all. */
  readonly admits: (peer: Peer) => boolean;
}

export interface PorchPlan {
  readonly doors: readonly DoorPlan[];
  /** Over all doors. */
  readonly maxConnections: number;
  /** At one door. */
  readonly perAddress: number;
  /** For simulations: another way to take connections. */
  readonly listen?: typeof listen;
}

/** What becomes of somebody who came through a door. */
type Enter = (door: DoorPlan, connection: Connection) => void | Promise<void>;

export class Porch {
  readonly #plan: PorchPlan;
  readonly #tools: Pick<Relay, "clock" | "log">;
  readonly #hall: Hall;
  readonly #bound = new Map<DoorPlan, Listener>();
  readonly #opened = Promise.withResolvers<Enter>();

  constructor(plan: PorchPlan, tools: Pick<Relay, "clock" | "log">) {
    this.#plan = plan;
    this.#hall = new Hall(plan.maxConnections);
    this.#tools = tools;
  }

  /** Binds those doors that are not bound yet: all, or those on ports. @throws ConnectionError, with no door bound */
  async bind(which: "all" | "ports"): Promise<void> {
    try {
      for (const door of this.#plan.doors)
        if (!this.#bound.has(door) && (which === "all" || "port" in door.address))
          this.#bound.set(door, await this.#listen(door));
    } catch (fault) {
      await this.close();
      this.#bound.clear();
      throw fault;
    }
  }

  /** In the order of the plan; all are bound. */
  get listeners(): readonly Listener[] {
    return this.#plan.doors.map((door) => this.#bound.get(door)!);
  }

  /** Lets those in who wait, and all who come. */
  open(enter: Enter): void {
    this.#opened.resolve(enter);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#bound.values()].map((listener) => listener.close()));
  }

  #listen(door: DoorPlan): Promise<Listener> {
    const { clock, log } = this.#tools;
    const { perAddress } = this.#plan;
    const { maxConnections = this.#plan.maxConnections } = door;
    let enter: Enter | undefined;
    const opened = this.#opened.promise.then((to) => {
      enter = to;
    });
    return (this.#plan.listen ?? listen)({
      ...{ address: door.address, clock, maxConnections, perAddress, hall: this.#hall },
      opened,
      onConnection: (connection) => enter?.(door, connection),
      onError: (error, peer) =>
        log.log("warn", "connection failed", {
          peer: peer.address,
          service: door.service,
          why: error instanceof Error ? error.message : String(error),
        }),
    });
  }
}
