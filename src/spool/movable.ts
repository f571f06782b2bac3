/** Moving house: all that a spool keeps, handed over to another one with ids, states and history as they are. */
// Whatever kind of spool comes later implements this too, and mail can move there and back.
import type { NoticeKind } from "../mail/bounce.ts";
import type { Envelope, Recipient } from "../mail/envelope.ts";
import type { Instant } from "../platform/clock.ts";
import type { HoldRule } from "./records.ts";
import type { Lane, MessageId, RecipientState, Source, SpoolEvent } from "./spool.ts";

/** A spool that mail can move out of and into. */
export interface Movable {
  /** The spool's id. */
  readonly id: string;
  /** All that is kept, page by page: what is here, oldest first, then what has left. */
  kept(): AsyncIterable<readonly KeptMail[]>;
  /** Those of these ids that this spool never had. */
  lacking(ids: readonly MessageId[]): Promise<ReadonlySet<MessageId>>;
  /**
   * Takes over what it does not have yet, in one commit. An entry that it has is left alone, but for recipients that
   * have left meanwhile where it comes from: they leave here too, so that nothing is delivered twice.
   * @throws SpoolError "full"
   */
  adopt(page: readonly KeptMail[]): Promise<Adopted>;
  /** What must not be forgotten beside mail. */
  books(): AsyncIterable<Books>;
  /** Adds what it does not have yet. */
  keepBooks(books: Books): Promise<void>;
}

/** A body and the entries that it is for. Of an entry that has left there is none, unless its sender is owed a notice. */
export interface KeptMail {
  readonly body: KeptBody | undefined;
  readonly entries: readonly KeptEntry[];
}

export interface KeptBody {
  readonly octets: number;
  readonly sha256: Uint8Array;
  /** Its octets, without trace fields; undefined: it has left since. */
  pieces(): Promise<AsyncIterable<Uint8Array> | undefined>;
}

export interface KeptEntry {
  readonly id: MessageId;
  readonly lane: Lane;
  readonly envelope: Omit<Envelope, "recipients">;
  readonly recipients: readonly KeptRecipient[];
  readonly trace: string;
  readonly subject: string;
  readonly source: Source;
  /** Octets of trace and body. */
  readonly size: number;
  readonly arrived: Instant;
  readonly expires: Instant;
  /** When the last recipient left. */
  readonly gone?: Instant;
  readonly events: readonly Omit<SpoolEvent, "id">[];
  readonly notices: readonly KeptNotice[];
}

/** What its sender is owed or was told, about the nth recipient; or, of none, that its owner was warned. */
export interface KeptNotice {
  readonly n: number;
  readonly kind: NoticeKind | "warned";
  readonly reply: string;
  readonly owed: boolean;
}

export interface KeptRecipient extends Recipient {
  readonly state: RecipientState;
  readonly attempts: number;
  readonly due?: Instant;
  readonly reply?: string;
  readonly done?: readonly string[];
}

export interface Adopted {
  /** Entries that are new here, and entries that were here before. */
  readonly adopted: number;
  readonly had: number;
  /** Recipients that left here because they had left there. */
  readonly left: number;
  /** Entries whose body is not there, or not what was accepted: they were not taken over. */
  readonly damaged: readonly MessageId[];
}

export interface Books {
  /** What came from other spools, so that it is not taken twice. */
  readonly ledger: readonly LedgerRow[];
  readonly rules: readonly HoldRule[];
}

export interface LedgerRow {
  readonly spool: string;
  readonly message: string;
  readonly recipient: string;
  readonly sha256: Uint8Array;
  readonly at: Instant;
}
