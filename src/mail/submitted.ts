/** A message as a program hands it in: its header read, completed and cleaned, its body streamed (RFC 6409 §8). */
// Bcc never leaves: who got a blind copy is nobody's business (RFC 5322 §3.6.3).
import type { Instant } from "../platform/clock.ts";
import { type Address, parseAddress } from "../wire/address.ts";
import { fieldText } from "./encodedword.ts";
import { unfolded } from "./fields.ts";
import { mailDate } from "./trace.ts";

type Pieces = AsyncIterable<Uint8Array>;

interface Field {
  /** In lower case. */
  readonly name: string;
  readonly octets: Uint8Array;
}

export interface Submitted {
  readonly fields: readonly Field[];
  /** From behind the blank line on. */
  readonly body: Pieces;
}

/** What is put in where the program said nothing. */
export interface Completion {
  readonly from: Address;
  /** The sender's name in From. */
  readonly name: string;
  readonly at: Instant;
  /** The Message-ID's left side, and our name for its right. */
  readonly id: string;
  readonly hostname: string;
}

export class HeaderTooLong extends Error {
  override readonly name = "HeaderTooLong";
}

const HEADER_AT_MOST = 1024 * 1024;
const FIELD = /^([!-9;-~]{1,200})[ \t]*:/;
const CR = 13;

/** @param pieces canonical octets @throws HeaderTooLong */
export async function submitted(pieces: Pieces): Promise<Submitted> {
  const source = pieces[Symbol.asyncIterator]();
  let read: Uint8Array = new Uint8Array();
  let more = true;
  while (more && !endsWithin(read)) {
    if (read.length > HEADER_AT_MOST) throw new HeaderTooLong("the header is longer than a mebibyte");
    const { done, value } = await source.next();
    more = done !== true;
    if (value !== undefined) read = joined(read, value);
  }
  const fields: Field[] = [];
  let end = 0;
  for (const octets of unfolded(read)) {
    const name = FIELD.exec(latin1(octets.subarray(0, 256)))?.[1];
    if (name === undefined) break;
    fields.push({ name: name.toLowerCase(), octets });
    end += octets.length;
  }
  // A line that is no field begins the body, as if the blank line were there.
  const body = read.subarray(read[end] === CR ? end + 2 : end);
  return { fields, body: following(body, source) };
}

/** Whether the blank line behind the header is here. */
const endsWithin = (octets: Uint8Array): boolean => latin1(octets).includes("\r\n\r\n") || octets[0] === CR;

async function* following(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  for (let step = await rest.next(); step.done !== true; step = await rest.next()) yield step.value;
}

const hidden: ReadonlySet<string> = new Set(["bcc", "resent-bcc", "return-path"]);

/** The header as it leaves, with the blank line. */
export function completed(fields: readonly Field[], completion: Completion): Uint8Array {
  const { from, name, at, id, hostname } = completion;
  const has = (wanted: string) => fields.some((field) => field.name === wanted);
  const missing = [
    ...(has("from") ? [] : [`From: ${named(name)}<${from === "" ? `MAILER-DAEMON@${hostname}` : from}>\r\n`]),
    ...(has("date") ? [] : [`Date: ${mailDate(at)}\r\n`]),
    ...(has("message-id") ? [] : [`Message-ID: <${id}@${hostname}>\r\n`]),
  ];
  const kept = fields.filter((field) => !hidden.has(field.name)).map(({ octets }) => octets);
  return joined(...kept, encode(`${missing.join("")}\r\n`));
}

/** A display name, quoted; controls could end the line. */
function named(name: string): string {
  const clean = name.replace(/[\x00-\x1f\x7f]/g, " ").trim();
  return clean === "" ? "" : `"${clean.replace(/["\\]/g, "\\$&")}" `;
}

/** The addresses in To, Cc and Bcc; of a message that is sent anew, in its Resent- fields. */
export async function addressees(fields: readonly Field[], domain: string): Promise<readonly Address[]> {
  const resent = fields.some(({ name }) => name.startsWith("resent-"));
  const wanted = ["to", "cc", "bcc"].map((name) => (resent ? `resent-${name}` : name));
  const lists = fields
    .filter(({ name }) => wanted.includes(name))
    .map(({ octets }) => fieldText(octets.subarray(octets.indexOf(58) + 1)));
  return (await Promise.all(lists.map((list) => addressesIn(list, domain)))).flat();
}

export class NoAddress extends Error {
  override readonly name = "NoAddress";
}

/** The addresses of a list as a header has it: with names, comments and groups. @param domain of those without one @throws NoAddress */
export async function addressesIn(list: string, domain: string): Promise<readonly Address[]> {
  const { default: parse } = await import("nodemailer/lib/addressparser");
  return parse(list, { flatten: true }).map(({ address, name }) => {
    const text = address === "" ? name : address;
    const found = parseAddress(text.includes("@") ? text : `${text}@${domain}`);
    if (found === undefined) throw new NoAddress(`${JSON.stringify(text)} is no mail address`);
    return found;
  });
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const latin1 = (octets: Uint8Array): string => new TextDecoder("latin1").decode(octets);
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

const END = "\r\n.\r\n";

/** Up to a line with nothing but a dot: how mail has been ended at a terminal since sendmail. */
export async function* untilDot(pieces: Pieces): AsyncGenerator<Uint8Array> {
  let held: Uint8Array = new Uint8Array();
  // As if a line had ended before the first: a dot there ends the message too.
  let before = "\r\n";
  for await (const piece of pieces) {
    held = joined(held, piece);
    const end = (before + latin1(held)).indexOf(END) - before.length;
    const found = end >= -before.length;
    const ready = found ? end + 2 : Math.max(0, held.length - END.length + 1);
    if (ready > 0) {
      yield held.subarray(0, ready);
      held = held.subarray(ready);
      before = "";
    }
    if (found) return;
  }
  if (held.length > 0) yield held;
}
