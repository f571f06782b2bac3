/** The envelope of a message: what SMTP says of it beside its content (RFC 5321 §2.3.1, RFC 3461 for the DSN part). */
import type { Address } from "../wire/address.ts";

/** When the sender wants to hear of this recipient (RFC 3461 §4.1). */
export type Notify = "NEVER" | "SUCCESS" | "FAILURE" | "DELAY";

export interface Recipient {
  readonly address: Address;
  /** Empty: the sender did not say. */
  readonly notify: readonly Notify[];
  /** The original recipient, `type;address` (RFC 3461 §4.2), decoded from xtext. */
  readonly orcpt?: string;
}

export interface Envelope {
  /** "" is the null sender, which is never answered by a DSN. */
  readonly from: Address;
  readonly recipients: readonly Recipient[];
  /** What MAIL's BODY= said; undefined if nothing. */
  readonly body?: "7BIT" | "8BITMIME";
  readonly smtputf8: boolean;
  /** Whether a DSN is to carry the whole message or its header (RFC 3461 §4.3). */
  readonly ret?: "FULL" | "HDRS";
  /** The sender's name for this transaction (RFC 3461 §4.4), decoded from xtext. */
  readonly envid?: string;
}
