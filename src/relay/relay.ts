/** What a relay is made of; every part of the provider's side is given this, and reads only what it needs. */
import type { Inspector } from "../checks/check.ts";
import type { ServerTls } from "../net/connection.ts";
import type { dial } from "../net/dial.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { Random } from "../platform/random.ts";
import type { RecordingSpool } from "../spool/records.ts";
import type { Address } from "../wire/address.ts";
import type { Door } from "./accept.ts";
import type { Arrivals } from "./arrivals.ts";
import type { Company } from "./company.ts";
import type { Credentials } from "./credentials.ts";
import type { Customers } from "./customers.ts";
import type { Outbound } from "./outbound.ts";
import type { Pairing } from "./pairing.ts";

/** What the operator may change while the relay runs: the next session sees the new ones, a running one keeps its own. */
export interface Book {
  readonly customers: Customers;
  readonly credentials: Credentials;
  readonly tls: ServerTls | undefined;
  readonly messageSize: number;
  readonly recipients: number;
  /** Octets a second that a peer keeps up within a message; undefined: what is usual. */
  readonly minimumRate?: number;
  /** Sessions of one customer at once; undefined: as many as it likes. */
  readonly perCustomer?: number;
  /** How long a customer may wait on the line for one answer, in milliseconds; undefined: XODMRWAIT is not offered. */
  readonly wait?: number;
  /** Offered in spite of its age: fetchmail knows nothing else (RFC 2645 §5.1.2). */
  readonly cramMd5: boolean;
  /** Who gets mail for this host's own postmaster; undefined: there is nobody. */
  readonly postmaster?: Address;
  /** The way to the world; undefined: mail goes to customers only. */
  readonly outbound?: Outbound;
  /** Looks at strangers and what they bring; undefined: nobody does. */
  readonly inspector?: Inspector;
  /** Where the house of a customer is the relay: its own door, for all. */
  readonly home?: Door;
}

export interface Relay {
  readonly hostname: string;
  readonly spool: RecordingSpool;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Told of all that comes into the spool. */
  readonly arrivals: Arrivals;
  readonly book: Book;
  /** Takes those in who were invited; undefined: nobody is. */
  readonly pairing?: Pairing | undefined;
  /** Counts how often each customer is logged in; undefined: any number may be. */
  readonly company?: Company;
  /** How a customer's own host is reached (ETRN); undefined: over the network. */
  readonly reach?: typeof dial;
  /** Takes work that goes on when its session has ended: the office waits for it at the end. */
  readonly meanwhile?: (work: Promise<void>) => void;
  /** Aborted when the relay is to end: sessions say goodbye, turns send nothing new. */
  readonly stopping: AbortSignal;
}

/** One door, as it was opened: what the listener's line of the configuration says of it. */
export interface DoorSettings {
  readonly service: "odmr" | "intake" | "lmtp" | "submission";
  /** STARTTLS is offered (where the book has a certificate). */
  readonly startTls: boolean;
  readonly requireTls: boolean;
  readonly bareLineEnds: "refuse" | "normalise";
}
