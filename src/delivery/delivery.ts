/** A next hop: a turned line, a dialled LMTP or SMTP server, a Maildir and a command all look like this. */
// Trouble with mail is a value here: an Outcome for every recipient. Only a bug throws.
import type { Envelope } from "../mail/envelope.ts";
import type { Address } from "../wire/address.ts";
import type { Reply } from "../wire/reply.ts";

/** A message on its way out, with the recipients to try now (`envelope.recipients`). */
export interface Parcel {
  /** The spool's id of the message (UUIDv7). Idempotent targets name what they write after it. */
  readonly id: string;
  readonly envelope: Envelope;
  /** Octets of what `content()` gives: trace fields and body, canonical (CRLF, ending in CRLF), not dot-stuffed. */
  readonly size: number;
  /** When the first host took it: a delivery date for Maildir and mbox. */
  readonly arrived: number;
  /** Of recipients with several targets: those that have it already, by name. */
  readonly done?: ReadonlyMap<Address, readonly string[]>;
  /** The octets, in bounded pieces; may be called again for another try. The pieces are not to be changed. */
  content(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/**
 * What became of one recipient. `unanswered`: the line broke (or was never there) before an answer to this message came;
 * it does not count as an attempt of this message, and the peer may or may not have it. `postponed`: it is not its hour;
 * nothing was tried.
 */
export interface Outcome {
  readonly to: Address;
  readonly result: "delivered" | "deferred" | "refused" | "unanswered" | "postponed";
  readonly reply: Reply;
  /** When its hour comes, of what is postponed; milliseconds since 1970. */
  readonly due?: number;
  /** Of several targets those that have it now, by name: another try leaves them out. */
  readonly done?: readonly string[];
  /** Delivered to a host that does DSN: it tells the sender of success, if that is wanted (RFC 3461 §5.2.2). */
  readonly tells?: true;
}

export interface Delivery {
  /** One outcome for each recipient of the parcel, in their order. May be called again before an earlier call resolved. */
  deliver(parcel: Parcel): Promise<readonly Outcome[]>;
  /** Says goodbye and gives back what it holds; never throws. */
  close(): Promise<void>;
}

/** The same outcome for every recipient. */
export function sameForAll(parcel: Parcel, result: Outcome["result"], reply: Reply): readonly Outcome[] {
  return parcel.envelope.recipients.map(({ address }) => ({ to: address, result, reply }));
}

/** The same message for some of its recipients. */
export function partOf(parcel: Parcel, recipients: Envelope["recipients"]): Parcel {
  return { ...parcel, content: () => parcel.content(), envelope: { ...parcel.envelope, recipients } };
}
