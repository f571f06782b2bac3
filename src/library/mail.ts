/**
 * What a mail server does to messages: canonical octets, trace fields, a glance at the header while a message streams
 * by, reading one for display, and notices to senders (RFC 3464).
 *
 * @example
 * ```ts
 * import { HeaderGlance, received } from "odmr/mail";
 *
 * const glance = new HeaderGlance();
 * glance.write(new TextEncoder().encode("Subject: =?utf-8?q?Caf=C3=A9?=\r\n\r\nText.\r\n"));
 * console.log(glance.subject);
 * console.log(received({ by: "relay.example.net", protocol: "ESMTPS", id: "1", at: 0 }));
 * ```
 *
 * @module
 */
// What is exported here is a promise to whoever builds on it; the files behind it are not.

export {
  composeNotice,
  type Notice,
  type NoticedRecipient,
  type NoticeKind,
} from "../mail/bounce.ts";
export { canonical } from "../mail/canonical.ts";
export type { Envelope, Notify, Recipient } from "../mail/envelope.ts";
export { HeaderGlance } from "../mail/glance.ts";
export type { Pieces } from "../mail/lf.ts";
export { type Contents, type Field, type Part, readContents } from "../mail/reading.ts";
export { authenticationResults, type Result } from "../mail/results.ts";
export {
  deliveredTo,
  type Hop,
  mailDate,
  protocolOf,
  received,
  returnPath,
  type SessionKind,
} from "../mail/trace.ts";
