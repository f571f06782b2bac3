/** Letters that a relay writes itself: notices to senders, warnings to owners. They come from nobody, and say so. */
// Auto-Submitted keeps other machines from answering (RFC 3834 §5); the envelope's sender is null (RFC 5321 §4.5.5).
import type MimeNode from "nodemailer/lib/mime-node";
import type { Instant } from "../platform/clock.ts";
import type { Address } from "../wire/address.ts";
import { mailDate } from "./trace.ts";

export interface Letter {
  /** Our host name. */
  readonly hostname: string;
  /** Unique for all time; the Message-ID's left side. */
  readonly id: string;
  readonly at: Instant;
  readonly to: Address;
  readonly subject: string;
}

/** The root of a letter with its header, to be filled in. The composer is loaded when the first letter is written. */
export async function begin(letter: Letter, contentType: string): Promise<MimeNode> {
  const { default: Node } = await import("nodemailer/lib/mime-node");
  const { hostname, id, at, to, subject } = letter;
  return new Node(contentType, { baseBoundary: id }).setHeader([
    { key: "From", value: { name: "Mail Delivery System", address: `postmaster@${hostname}` } },
    { key: "To", value: { name: "", address: to } },
    { key: "Subject", value: subject },
    { key: "Date", value: mailDate(at) },
    { key: "Message-ID", value: `<${id}@${hostname}>` },
    { key: "Auto-Submitted", value: "auto-replied" },
  ]);
}

/** The finished octets, lines ended by CRLF. */
export async function finish(letter: MimeNode): Promise<Uint8Array> {
  const built = new Uint8Array(await letter.build());
  const whole = built.at(-1) === 10;
  if (whole) return built;
  const ended = new Uint8Array(built.length + 2);
  ended.set(built);
  ended.set([13, 10], built.length);
  return ended;
}

/** Printable ASCII: everything else of a stranger's text becomes "?", so that it can neither end a line nor begin a field. */
export function clean(text: string, most = 1_000): string {
  return text.slice(0, most).replace(/[^\x20-\x7e]/g, "?");
}
