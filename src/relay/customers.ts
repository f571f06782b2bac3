/** The customers of a relay: whose mail is held here, and who may ask for which of it. */
// The relay takes in mail for these domains and for no others: that is what keeps it from being an open relay.
import type { Compatibility } from "../delivery/line.ts";
import type { Lane } from "../spool/spool.ts";
import { type Address, domainOf, localOf, matchesGlob } from "../wire/address.ts";
import { lowerAscii } from "../wire/domain.ts";
import { Pace } from "./pace.ts";

export interface Customer {
  /** Also the user name of its logins. */
  readonly name: string;
  /** In lower case. */
  readonly domains: readonly string[];
  /** Globs over whole addresses; undefined: any recipient of the domains. */
  readonly recipients: readonly string[] | undefined;
  /** How long its mail is held, in milliseconds. */
  readonly hold: number;
  /** Octets that are held at most; undefined: no limit. */
  readonly quota: number | undefined;
  readonly compatibility: Compatibility;
  readonly order: "oldest" | "small";
  /** In whose names it may send beside its own domains: anybody's, or these globs. */
  readonly senders?: "any" | readonly string[] | undefined;
  /** Recipients outside within an hour; undefined: as many as it likes. */
  readonly sendPerHour?: number | undefined;
  /** Who is warned before its mail expires; undefined: the postmaster of its first domain. */
  readonly notify?: Address | undefined;
  /** Where its mail is delivered when it says ETRN; undefined: it cannot. */
  readonly etrn?: EtrnHost | undefined;
}

/** A customer's own host, for delivery on a connection that we make (RFC 1985). */
export interface EtrnHost {
  readonly host: string;
  readonly port: number;
  readonly tls: "starttls" | "implicit" | "none";
  /** The fingerprint of its very certificate; undefined: one by the system's CAs. */
  readonly pin?: string | undefined;
}

export class Customers {
  readonly #named = new Map<string, Customer>();
  readonly #ofDomain = new Map<string, Customer>();
  readonly pace = new Pace();

  constructor(customers: readonly Customer[]) {
    for (const customer of customers) {
      this.#named.set(customer.name, customer);
      for (const domain of customer.domains) this.#ofDomain.set(domain, customer);
    }
  }

  named(name: string): Customer | undefined {
    return this.#named.get(name);
  }

  /** Whose recipient this is, by its domain. */
  of(address: Address): Customer | undefined {
    return this.#ofDomain.get(domainOf(address));
  }

  [Symbol.iterator](): IterableIterator<Customer> {
    return this.#named.values();
  }
}

/** Each domain has a postmaster, whatever its list says (RFC 5321 §4.5.1). */
export function takes(customer: Customer, address: Address): boolean {
  if (isPostmaster(address)) return true;
  return customer.recipients?.some((glob) => matchesGlob(glob, address)) ?? true;
}

export const isPostmaster = (address: Address): boolean => lowerAscii(localOf(address)) === "postmaster";

/** Where a customer's mail waits for its call. */
export const laneOf = (customer: Customer): Lane => ({ direction: "turn", customer: customer.name });
