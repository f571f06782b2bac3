/** The house as a place that mail leaves from: who may send there, and which way each recipient is. */
// Mail for the house's own domains stays in it; everything else goes with the calls of one account, or nowhere.
import type { Connection, Peer } from "../net/connection.ts";
import { type ListenAddress, type Listener, listen } from "../net/listen.ts";
import { type Address, domainOf, matchesGlob } from "../wire/address.ts";
import { reply } from "../wire/reply.ts";
import type { Door, Place } from "./accept.ts";
import { Credentials } from "./credentials.ts";
import { Customers } from "./customers.ts";
import { HOME_HOLD } from "./doors.ts";
import { receive } from "./reception.ts";
import type { Book, DoorSettings, Relay } from "./relay.ts";

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

/** A relay's book for the house: nobody logs in, and the door says where mail goes. */
export function homeBook(home: Home): Book {
  const pbkdf2 = () => new Uint8Array(32);
  return {
    customers: new Customers([]),
    credentials: new Credentials([], { pbkdf2, secret: new Uint8Array(32) }),
    tls: undefined,
    messageSize: home.outgoing?.messageSize ?? 0,
    recipients: RECIPIENTS,
    cramMd5: false,
    home: homeDoor(home),
  };
}

const RECIPIENTS = 1_000;
const CONNECTIONS = 100;

export interface HomeListener {
  readonly address: Peer;
  /** Closes the door; resolves when all have gone. */
  close(): Promise<void>;
}

const settings: DoorSettings = {
  service: "intake",
  startTls: false,
  requireTls: false,
  bareLineEnds: "normalise",
};

/** Opens the door for the mail server at home. @param admits whether this peer may come in at all */
export async function openHome(
  relay: Relay,
  address: ListenAddress,
  admits: (peer: Peer) => boolean,
): Promise<HomeListener> {
  const { log, clock } = relay;
  const sessions = new Set<Promise<void>>();
  const enter = (connection: Connection): Promise<void> => {
    if (!admits(connection.peer)) {
      log.log("warn", "not admitted", { peer: connection.peer.address, service: "outgoing" });
      connection.destroy();
      return Promise.resolve();
    }
    const session: Promise<void> = receive(relay, settings, connection)
      .catch((fault: unknown) => log.log("error", "session failed", { why: String(fault) }))
      .finally(() => sessions.delete(session));
    sessions.add(session);
    return session;
  };
  const listener: Listener = await listen({
    ...{ address, clock, maxConnections: CONNECTIONS, perAddress: CONNECTIONS, onConnection: enter },
    onError: (error, peer) =>
      log.log("warn", "connection failed", { peer: peer.address, service: "outgoing", why: String(error) }),
  });
  return {
    address: listener.address,
    async close() {
      await listener.close();
      await Promise.all(sessions);
    },
  };
}
