/** Who may send to whom, at the relay's doors: mail for customers' domains comes in, and nothing else. */
import type { Spool } from "../spool/spool.ts";
import { domainOf } from "../wire/address.ts";
import { reply } from "../wire/reply.ts";
import type { Door } from "./accept.ts";
import { type Customers, laneOf, takes } from "./customers.ts";

const refusals = {
  relaying: reply(550, "5.7.1", "Relaying denied"),
  unknown: reply(550, "5.1.1", "No such recipient here"),
  full: reply(452, "4.2.2", "The mailbox of this customer is full, try again later"),
} as const;

/** The door of a relay: a recipient must be some customer's, known to it, and within its quota. */
export function customersDoor(customers: Customers, spool: Spool): Door {
  return {
    sender: () => undefined,
    recipient: (to) => {
      const customer = customers.of(to);
      if (customer === undefined || to.includes("%")) return refusals.relaying;
      if (!takes(customer, to)) return refusals.unknown;
      const lane = laneOf(customer);
      if (customer.quota !== undefined && spool.usage(lane).octets >= customer.quota) return refusals.full;
      return { lane, hold: customer.hold };
    },
  };
}

/** Mail at home waits this long for its target before it is given up. */
const HOME_HOLD = 30 * 86_400_000;

/**
 * The door of the customer's house after the turn: only the domains that were asked for (or are configured), so that a
 * provider that was broken into gets no relay (RFC 2645 §5.3.1 leaves this to us).
 */
export function houseDoor(
  account: string,
  domains: readonly string[] | undefined,
  { hold = HOME_HOLD, largest }: { readonly hold?: number; readonly largest?: number | undefined } = {},
): Door {
  const asked = domains && new Set(domains);
  return {
    ...(largest !== undefined && { largest }),
    sender: () => undefined,
    recipient: (to) =>
      asked === undefined || asked.has(domainOf(to))
        ? { lane: { direction: "local", customer: account }, hold }
        : refusals.relaying,
  };
}
