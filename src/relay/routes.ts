/** Where mail goes from here, and who may send it there. */
// A customer's recipient waits for that customer's call, whoever the sender is. All other places are for customers who
// have said who they are; for everybody else there is no way on, in any form: that is what keeps this from being an open relay.
import type { Spool } from "../spool/spool.ts";
import { type Address, domainOf, matchesGlob } from "../wire/address.ts";
import { type Reply, reply } from "../wire/reply.ts";
import type { Door, Place } from "./accept.ts";
import { type Customer, type Customers, laneOf, takes } from "./customers.ts";
import type { Outbound } from "./outbound.ts";

const refusals = {
  relaying: reply(550, "5.7.1", "Relaying denied"),
  noWay: reply(550, "5.7.1", "No mail leaves from here: outbound is not configured"),
  noDomain: reply(550, "5.1.2", "An address without a domain leads nowhere"),
  unknown: reply(550, "5.1.1", "No such recipient here"),
  full: reply(452, "4.2.2", "The mailbox of this customer is full, try again later"),
  tooMuch: reply(450, "4.7.1", "Too much mail from you within the hour, try again later"),
  sender: reply(553, "5.7.1", "This sender's address is not yours"),
} as const;

/** What the ways depend on. */
export interface Ways {
  readonly customers: Customers;
  readonly outbound?: Outbound;
  /** At home the house says. */
  readonly home?: Pick<Door, "recipient">;
}

/**
 * The place of a recipient, or why it has none.
 * @param by the customer that is known to send it; undefined: anybody @param now for the customer's rate, steady milliseconds
 */
export function placeFor(
  to: Address,
  by: Customer | undefined,
  { customers, outbound, spool, now }: Ways & { readonly spool: Pick<Spool, "usage">; readonly now: number },
): Place | Reply {
  const owner = customers.of(to);
  if (owner !== undefined) return placeAt(owner, to, spool);
  if (by === undefined) return refusals.relaying;
  if (outbound === undefined) return refusals.noWay;
  if (domainOf(to) === "") return refusals.noDomain;
  if (!customers.pace.takes(by, now)) return refusals.tooMuch;
  return outside(by.name, outbound);
}

/** `v%other@ours` asks for another's mailbox by way of ours (RFC 5321 §3.6.1 leaves the local part to its domain: not so here). */
function placeAt(owner: Customer, to: Address, spool: Pick<Spool, "usage">): Place | Reply {
  if (to.includes("%")) return refusals.relaying;
  if (!takes(owner, to)) return refusals.unknown;
  const lane = laneOf(owner);
  if (owner.quota !== undefined && spool.usage(lane).octets >= owner.quota) return refusals.full;
  return { lane, hold: owner.hold };
}

const outside = (customer: string, { expire }: Outbound): Place => ({
  lane: { direction: "outgoing", customer },
  hold: expire,
});

/** Why a customer may not send in this name; undefined: it may. Its notices have no sender at all. */
export function refusalOfSender(customer: Customer, from: Address): Reply | undefined {
  const { domains, senders = [] } = customer;
  if (from === "" || senders === "any" || domains.includes(domainOf(from))) return undefined;
  return senders.some((glob) => matchesGlob(glob, from)) ? undefined : refusals.sender;
}

/**
 * Where a letter of ours goes; undefined: there is no way to whom it is for. Quotas are not asked: it is about mail that
 * was taken. @param customer whose mail it is about: its lane takes what goes out
 */
export function placeOfLetter(
  to: Address,
  customer: string,
  { customers, outbound, home }: Ways,
): Place | undefined {
  if (home !== undefined) {
    const place = home.recipient(to);
    return "code" in place ? undefined : place;
  }
  const owner = customers.of(to);
  if (owner !== undefined) return takes(owner, to) ? { lane: laneOf(owner), hold: owner.hold } : undefined;
  return outbound === undefined || domainOf(to) === "" ? undefined : outside(customer, outbound);
}
