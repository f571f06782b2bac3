/** The relay, all of it: office, doors, spool, and the way out; on a simulated machine. */

import { Limits } from "../../src/delivery/limits.ts";
import type { Connection } from "../../src/net/connection.ts";
import type { ListenOptions } from "../../src/net/listen.ts";
import { Arrivals } from "../../src/relay/arrivals.ts";
import { Credentials } from "../../src/relay/credentials.ts";
import { type Customer, Customers } from "../../src/relay/customers.ts";
import { openOffice } from "../../src/relay/office.ts";
import { bySmarthost } from "../../src/relay/outbound.ts";
import type { DoorPlan } from "../../src/relay/porch.ts";
import { openSpool } from "../../src/spool/open.ts";
import type { RecordingSpool } from "../../src/spool/records.ts";
import { type Disk, under } from "./disk.ts";
import { quick } from "./keeper.ts";
import { between, type Program } from "./machine.ts";
import type { Alter } from "./mutants.ts";
import type { Life } from "./world.ts";

export const DOORS = { odmr: 366, intake: 25 } as const;
export const DAY = 86_400_000;

export interface OfficeParts {
  readonly life: Life;
  readonly disk: Disk;
  readonly hostname: string;
  readonly customers: readonly Customer[];
  readonly expire: number;
  /** A line to the smarthost in the world, and one to the host of the customer who says ETRN. */
  readonly smarthost: (life: Life) => Promise<Connection>;
  readonly reach: (life: Life) => Promise<Connection>;
  readonly alter?: Alter | undefined;
}

export interface RunningOffice extends Program {
  readonly spool: RecordingSpool;
  /** Somebody has dialled one of the doors. */
  enter(door: keyof typeof DOORS, connection: Connection): void;
}

export const spoolPath = (disk: Disk): string => under(disk, "var", "spool.db");

/** Opens the spool of a machine's disk in this life. */
export async function spoolOf(disk: Disk, life: Life, actor: string, asIs = false) {
  return openSpool({
    path: spoolPath(disk),
    ...{ clock: life, random: life.random, log: life.log },
    files: disk.files(life),
    sqlite: disk.sqlite(life),
    between: between(life),
    thread: "here",
    actor,
    asIs,
  });
}

export async function startOffice(parts: OfficeParts): Promise<RunningOffice> {
  const { life, disk, hostname, customers, expire, smarthost, reach, alter = (spool) => spool } = parts;
  const own = await spoolOf(disk, life, "serve");
  const spool = alter(own);
  const doors = new Map<number, ListenOptions>();
  const login = { host: "world.test", port: 25, tls: "none", hostname } as const;
  const office = await openOffice(
    {
      ...{ hostname, spool, clock: life, random: life.random, log: life.log },
      reach: () => reach(life),
      book: {
        customers: new Customers(customers),
        credentials: new Credentials(
          customers.map(({ name }) => ({ user: name, password: `${name} secret` })),
          { pbkdf2: quick, secret: new Uint8Array(32) },
        ),
        ...{ tls: undefined, messageSize: 10_000_000, recipients: 100, cramMd5: false, wait: 20_000 },
        outbound: bySmarthost(
          login,
          { expire, warnAfter: 5 * DAY, keysOf: () => new Map() },
          {
            ...{ random: life.random, log: life.log },
            connect: () => smarthost(life),
            limits: new Limits({ all: 10, perDestination: 3 }, life),
          },
        ),
      },
    },
    {
      doors: Object.entries(DOORS).map(([service, port]) => doorPlan(service as keyof typeof DOORS, port)),
      maxConnections: 100,
      perAddress: 100,
      listen: async (options) => {
        const { port } = options.address as { readonly port: number };
        doors.set(port, options);
        return {
          address: { address: "192.0.2.2", port },
          connections: 0,
          replaceTls: () => {},
          close: async () => void doors.delete(port),
        };
      },
    },
  );
  return {
    spool,
    enter(door, connection) {
      const options = doors.get(DOORS[door]);
      if (options === undefined) return connection.destroy();
      Promise.resolve(options.onConnection(connection)).catch((fault: unknown) =>
        options.onError(fault, connection.peer),
      );
    },
    async end() {
      await office.close();
      await own.close();
    },
  };
}

const doorPlan = (service: keyof typeof DOORS, port: number): DoorPlan => ({
  ...{ service, startTls: false, requireTls: false, bareLineEnds: "refuse", implicitTls: false },
  address: { host: "relay.test", port },
  admits: () => true,
});

/** Arrivals of a spool, told as `pull --daemon` does. */
export function arrivalsOf(spool: RecordingSpool): { readonly arrivals: Arrivals; unhear(): void } {
  const arrivals = new Arrivals();
  return { arrivals, unhear: spool.onChange((lane) => arrivals.came(lane)) };
}
