/** The house's own door, open: the mail server at home hands its mail in here, as to any smarthost. */
// Who may connect may send: it is for this host and those that the configuration names, and nobody logs in.
import type { Connection, Peer } from "../net/connection.ts";
import { type ListenAddress, type Listener, listen } from "../net/listen.ts";
import { Credentials } from "./credentials.ts";
import { Customers } from "./customers.ts";
import { type Home, homeDoor } from "./home.ts";
import { receive } from "./reception.ts";
import type { Book, DoorSettings, Relay } from "./relay.ts";

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
  /** Closes the door, at once; resolves when all have gone who came in by it. */
  close(): Promise<void>;
}

const settings: DoorSettings = {
  service: "intake",
  startTls: false,
  requireTls: false,
  bareLineEnds: "normalise",
};

export interface HomePlan {
  readonly address: ListenAddress;
  /** Whether this peer may come in at all. */
  readonly admits: (peer: Peer) => boolean;
  /** For tests: another way to take connections. */
  readonly listen?: typeof listen;
}

/** Opens the door for the mail server at home. @param latest the relay as it is now: its book may be renewed */
export async function openHome(latest: () => Relay, plan: HomePlan): Promise<HomeListener> {
  const { address, admits } = plan;
  const { log, clock } = latest();
  const sessions = new Set<Promise<void>>();
  const enter = (connection: Connection): Promise<void> => {
    if (!admits(connection.peer)) {
      log.log("warn", "not admitted", { peer: connection.peer.address, service: "outgoing" });
      connection.destroy();
      return Promise.resolve();
    }
    const session: Promise<void> = receive(latest(), settings, connection)
      .catch((fault: unknown) => log.log("error", "session failed", { why: String(fault) }))
      .finally(() => sessions.delete(session));
    sessions.add(session);
    return session;
  };
  const listener: Listener = await (plan.listen ?? listen)({
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
