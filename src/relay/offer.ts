/** What a door offers, and to whom: the settings of a server session, one object for all who are offered the same. */
// A session that says nothing must weigh nothing: what can be shared is not made for each.
import type { TlsFacts } from "../net/connection.ts";
import { serverMechanisms } from "../smtp/sasl/server.ts";
import type { ServerSettings } from "../smtp/session.ts";
import type { DoorSettings, Relay } from "./relay.ts";

/** Bodies whose commit may be under way while the next ones are read; and those that are looked at, which takes longer. */
const OWED = 256;
const OWED_A_LOOK = 4;

/** Doors at which customers say who they are. */
const withLogin: ReadonlySet<DoorSettings["service"]> = new Set(["odmr", "submission"]);

/** What an offer depends on, beside the door. */
interface Caller {
  readonly tls: TlsFacts | undefined;
  /** It proved in an earlier session on this line who it is. */
  readonly known: boolean;
  /** What it brings is looked at. */
  readonly inspected: boolean;
}

const made = new WeakMap<Relay, Map<DoorSettings, Map<string, ServerSettings>>>();

/** What this door offers to this caller. */
export function offerTo(relay: Relay, door: DoorSettings, { tls, known, inspected }: Caller): ServerSettings {
  const certificate = certificateUser(relay, tls) !== undefined;
  const exporter = tls?.exporter !== undefined;
  const kind = [tls !== undefined, certificate, exporter, known, inspected].join();
  const ofRelay = kept(made, relay, () => new Map());
  const ofDoor = kept(ofRelay, door, () => new Map());
  return kept(ofDoor, kind, () => {
    const mechanisms =
      known || !withLogin.has(door.service)
        ? []
        : serverMechanisms({
            ...{ secure: tls !== undefined, certificate, exporter },
            cramMd5: relay.book.cramMd5,
          });
    return {
      ...ofBook(relay, door.service),
      requireTls: door.requireTls,
      bareLineEnds: door.bareLineEnds,
      secure: tls !== undefined,
      startTls: door.startTls && tls === undefined && relay.book.tls !== undefined && !known,
      mechanisms,
      known,
      owedLimit: inspected ? OWED_A_LOOK : OWED,
    };
  });
}

/** Whose certificate was shown. */
export function certificateUser({ book }: Relay, tls: TlsFacts | undefined): string | undefined {
  return tls?.certificate && book.credentials.userOfCertificate(tls.certificate);
}

function ofBook({ book, hostname, pairing }: Relay, service: DoorSettings["service"]) {
  const odmr = service === "odmr";
  return {
    service,
    hostname,
    sizeLimit: book.messageSize,
    recipientLimit: book.recipients,
    // A customer's outgoing mail comes once, too.
    ledger: odmr,
    etrn: odmr && [...book.customers].some(({ etrn }) => etrn !== undefined),
    pair: odmr && pairing !== undefined,
    ...(odmr && book.wait !== undefined && { wait: Math.floor(book.wait / 1_000) }),
  } as const;
}

/** What is kept under this key, made where it is the first time. */
function kept<K, V>(
  by: { get(key: K): V | undefined; set(key: K, value: V): unknown },
  key: K,
  make: () => V,
): V {
  const there = by.get(key);
  if (there !== undefined) return there;
  const value = make();
  by.set(key, value);
  return value;
}
