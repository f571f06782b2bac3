/** Who may send to whom, at the doors of the relay and of the customer's house. */
import { type Address, domainOf } from "../wire/address.ts";
import { lowerAscii } from "../wire/domain.ts";
import { reply } from "../wire/reply.ts";
import type { Door } from "./accept.ts";
import { type Customer, isPostmaster } from "./customers.ts";
import type { Relay } from "./relay.ts";
import { placeFor, refusalOfSender } from "./routes.ts";

const relaying = reply(550, "5.7.1", "Relaying denied");

/** The door of a relay: who sends what where is for routes.ts to say. @param user who the peer has proved to be by now */
export function relayDoor({ hostname, book, spool, clock }: Relay, user: () => string | undefined): Door {
  if (book.home !== undefined) return book.home;
  const customer = (): Customer | undefined => {
    const name = user();
    return name === undefined ? undefined : book.customers.named(name);
  };
  return {
    sender: (from) => {
      const by = customer();
      return by === undefined ? undefined : refusalOfSender(by, from);
    },
    recipient: (to) => {
      const ways = { ...book, spool, now: clock.steady() };
      if (book.postmaster === undefined || !isOwnPostmaster(to, hostname, book))
        return placeFor(to, customer(), ways);
      const place = placeFor(book.postmaster, customer(), ways);
      return "code" in place ? place : { ...place, to: book.postmaster };
    },
  };
}

/** `<postmaster>` alone, or at this host's name, where no customer has that for a domain (RFC 5321 §4.5.1). */
const isOwnPostmaster = (to: Address, hostname: string, { customers }: Relay["book"]): boolean =>
  isPostmaster(to) && ["", lowerAscii(hostname)].includes(domainOf(to)) && customers.of(to) === undefined;

/** Mail at home waits this long for its target before it is given up. */
export const HOME_HOLD = 30 * 86_400_000;

export interface HouseRules {
  /** How long mail waits for its target, in milliseconds. */
  readonly hold?: number;
  readonly largest?: number | undefined;
  readonly doubles?: "keep" | "remove" | undefined;
}

/**
 * The door of the customer's house after the turn: only the domains that were asked for (or are configured), so that a
 * provider that was broken into gets no relay (RFC 2645 §5.3.1 leaves this to us).
 */
export function houseDoor(
  account: string,
  domains: readonly string[] | undefined,
  { hold = HOME_HOLD, largest, doubles }: HouseRules = {},
): Door {
  const asked = domains && new Set(domains);
  return {
    ...(largest !== undefined && { largest }),
    ...(doubles === "remove" && { doubles }),
    sender: () => undefined,
    recipient: (to) =>
      asked === undefined || asked.has(domainOf(to))
        ? { lane: { direction: "local", customer: account }, hold }
        : relaying,
  };
}
