/** Trace fields: Received for every hop, Return-Path and Delivered-To at the end (RFC 5321 §4.4). */
// Names and addresses come from strangers: nothing of them may end a line, open a comment or close one.
import type { Instant } from "../platform/clock.ts";
import type { Address } from "../wire/address.ts";

/** What is known of a connection when a message comes over it. */
export interface Hop {
  /** The name that the peer gave in EHLO; without it (a message from a file) there is no `from` clause. */
  readonly from?: string;
  /** The peer's IP address, or "unix". */
  readonly address?: string;
  /** See `protocolOf`. */
  readonly protocol: string;
  /** Our host name. */
  readonly by: string;
  readonly id: string;
  /** Only where the message has this one recipient: a field must not tell one of another (RFC 5321 §7.6). */
  readonly for?: Address;
  readonly at: Instant;
  readonly tls?: { readonly protocol: string; readonly cipher: string };
}

/** One Received field, folded, ended by CRLF. */
export function received(hop: Hop): string {
  const clauses = [
    origin(hop),
    `by ${name(hop.by)} with ${name(hop.protocol)}${encryption(hop)} id ${name(hop.id)}`,
    hop.for === undefined ? undefined : `for <${path(hop.for)}>`,
  ].filter((clause) => clause !== undefined);
  return `Received: ${clauses.join("\r\n\t")};\r\n\t${mailDate(hop.at)}\r\n`;
}

/** What a session was, as one bit each. */
export interface SessionKind {
  readonly verb: "HELO" | "EHLO" | "LHLO";
  readonly secure: boolean;
  readonly authenticated: boolean;
  /** The message was sent with SMTPUTF8. */
  readonly utf8: boolean;
}

/** The word behind `with`: ESMTPSA, LMTPS, UTF8SMTP … (RFC 3848, RFC 6531 §4.3). */
export function protocolOf({ verb, secure, authenticated, utf8 }: SessionKind): string {
  if (verb === "HELO") return "SMTP";
  const base = verb === "LHLO" ? "LMTP" : utf8 ? "SMTP" : "ESMTP";
  return `${utf8 ? "UTF8" : ""}${base}${secure ? "S" : ""}${authenticated ? "A" : ""}`;
}

/** The sender, as final delivery writes it on top (RFC 5321 §4.4). */
export function returnPath(from: Address): string {
  return `Return-Path: <${path(from)}>\r\n`;
}

/** The recipient whose mailbox this is. */
export function deliveredTo(to: Address): string {
  return `Delivered-To: ${path(to)}\r\n`;
}

/** A date as RFC 5322 §3.3 has it, in UTC. */
export function mailDate(at: Instant): string {
  return new Date(at).toUTCString().replace("GMT", "+0000");
}

function origin({ from, address }: Hop): string | undefined {
  if (from === undefined) return undefined;
  return address === undefined ? `from ${name(from)}` : `from ${name(from)} (${literal(address)})`;
}

/** An address literal (RFC 5321 §4.1.3); a socket's peer has none. */
function literal(address: string): string {
  if (/^[0-9.]+$/.test(address)) return `[${address}]`;
  if (/^[0-9a-fA-F.]*:[0-9a-fA-F:.]*$/.test(address)) return `[IPv6:${address}]`;
  return name(address);
}

function encryption({ tls }: Hop): string {
  return tls === undefined ? "" : ` (${name(tls.protocol)} ${name(tls.cipher)})`;
}

/** A word without blanks, quotes, brackets of comments or anything that is not printable ASCII. */
function name(text: string): string {
  const word = text.slice(0, 255).replace(/[^A-Za-z0-9._:[\]@+/=-]/g, "?");
  return word === "" ? "unknown" : word;
}

/** An address as it stands between angle brackets; controls cannot be there (a bug elsewhere), and do no harm. */
function path(address: Address): string {
  return address.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, "?");
}
