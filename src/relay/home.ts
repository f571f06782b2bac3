/** The house as a place that mail leaves from: who may send there, and which way each recipient is. */
// Mail for the house's own domains stays in it; everything else goes with the calls of one account, or nowhere.
import { type Address, domainOf, matchesGlob } from "../wire/address.ts";
import { reply } from "../wire/reply.ts";
import type { Door, Place } from "./accept.ts";
import { HOME_HOLD } from "./doors.ts";

export interface Home {
  readonly accounts: readonly { readonly name: string; readonly domains: readonly string[] }[];
  /** Undefined: no mail leaves. */
  readonly outgoing?: Outgoing | undefined;
}

export interface Outgoing {
  /** The account whose calls take it along. */
  readonly via: string;
  /** Globs over those who may send; undefined: anybody who may connect. */
  readonly from?: readonly string[] | undefined;
  /** Milliseconds until a message is given up. */
  readonly expire: number;
  readonly messageSize: number;
}

const refusals = {
  sender: reply(553, "5.7.1", "This sender may not send from here"),
  noWay: reply(550, "5.7.1", "No mail leaves from here: pull.outgoing is not configured"),
} as const;

/** An address without a domain is somebody of the house: `postmaster` must always be (RFC 5321 §4.5.1). */
export function homeDoor({ accounts, outgoing }: Home): Door {
  return {
    sender: (from) => {
      const may =
        outgoing?.from === undefined || from === "" || outgoing.from.some((glob) => matchesGlob(glob, from));
      return may ? undefined : refusals.sender;
    },
    recipient: (to) => {
      const account = domainOf(to) === "" ? accounts[0] : ownerOf(to, accounts);
      if (account !== undefined) return inside(account.name);
      return outgoing === undefined ? refusals.noWay : outside(outgoing);
    },
  };
}

/** The account that takes this address at home. */
export const ownerOf = (to: Address, accounts: Home["accounts"]): Home["accounts"][number] | undefined =>
  accounts.find(({ domains }) => domains.includes(domainOf(to)));

const inside = (account: string): Place => ({
  lane: { direction: "local", customer: account },
  hold: HOME_HOLD,
});

export const outside = ({ via, expire }: Outgoing): Place => ({
  lane: { direction: "outgoing", customer: via },
  hold: expire,
});
