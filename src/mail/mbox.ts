/** The mbox format, mboxrd: messages behind From_ lines, and ">" before every line of a message that looks like one. */
// A message's "From " at a line's start would begin another message: it is quoted on the way in, unquoted on the way out.
import type { Instant } from "../platform/clock.ts";
import type { Address } from "../wire/address.ts";
import type { Pieces } from "./lf.ts";

const LF = 10;
const CR = 13;
const GT = 0x3e;
const FROM = new TextEncoder().encode("From ");
const MARK = Uint8Array.of(GT);
const NOTHING = new Uint8Array();
/** Deeper quotes are text: a line of a gigabyte of ">" is not kept in memory. */
const QUOTES_AT_MOST = 1000;
const FROM_LINE_AT_MOST = 64 * 1024;

/** The line before a message, with its LF: sender and date in the form of asctime, UTC. */
export function fromLine(sender: Address, at: Instant): string {
  const [, day, date, month, year, time] =
    /^(\w+), (\d+) (\w+) (\d+) ([\d:]+)/.exec(new Date(at).toUTCString()) ?? [];
  const who = sender === "" ? "MAILER-DAEMON" : sender.replace(/[\s\x00-\x1f\x7f]/g, "-");
  return `From ${who} ${day} ${month} ${date?.replace(/^0/, " ")} ${time} ${year}\n`;
}

/** A message with LF line ends, its From_ lines quoted. */
export async function* quoted(pieces: Pieces): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = NOTHING;
  let begins = true;
  for await (const piece of pieces) {
    const bytes = joined(rest, piece);
    let from = 0;
    let at: number = begins ? 0 : afterLine(bytes, 0);
    while (at < bytes.length) {
      const depth = depthAt(bytes, at);
      if (depth === undefined) break;
      if (depth >= 0) {
        yield bytes.subarray(from, at);
        yield MARK;
        from = at;
      }
      at = afterLine(bytes, at);
    }
    begins = at <= bytes.length;
    rest = bytes.subarray(at);
    yield bytes.subarray(from, bytes.length - rest.length);
  }
  yield rest;
}

/** What an mbox is made of: the sender in a From_ line, then the octets of its message, unquoted. */
export type Part = { readonly sender: string } | Uint8Array;

/** The octets are no mbox: there is something before the first From_ line. */
export class NoMbox extends Error {
  override readonly name = "NoMbox";
}

/** Takes an mbox apart. @throws NoMbox */
export async function* parts(pieces: Pieces): AsyncGenerator<Part> {
  const splitter = new Splitter();
  for await (const piece of pieces) yield* splitter.read(piece, false);
  yield* splitter.read(NOTHING, true);
}

/** A From_ line parts messages at the beginning and behind a blank line, which belongs to it and not to the message. */
class Splitter {
  #rest: Uint8Array = NOTHING;
  /** What comes next begins a line. */
  #begins = true;
  #first = true;

  *read(piece: Uint8Array, last: boolean): Generator<Part> {
    const bytes = joined(this.#rest, piece);
    let from = 0;
    let at = this.#begins ? 0 : afterLine(bytes, 0);
    while (at < bytes.length) {
      const line = this.#line(bytes, at, last);
      if (line === undefined) break;
      if (line.ends !== undefined && line.ends > from) yield bytes.subarray(from, line.ends);
      if (line.sender !== undefined) yield { sender: line.sender };
      from = line.from ?? from;
      at = line.next;
    }
    this.#begins = at <= bytes.length;
    this.#rest = bytes.subarray(at);
    const end = bytes.length - this.#rest.length;
    if (end > from) yield bytes.subarray(from, end);
  }

  /** Undefined: it takes more octets to know. */
  #line(bytes: Uint8Array, at: number, last: boolean): Line | undefined {
    if (this.#first) return this.#separator(bytes, at, at, last);
    const next = afterLine(bytes, at);
    const blank = blankAt(bytes, at);
    if (blank === undefined && !last) return undefined;
    if (blank === true) {
      if (next === bytes.length) return last ? { ends: at, from: next, next } : undefined;
      const depth = depthAt(bytes, next);
      if (depth === undefined && !last) return undefined;
      return depth === 0 ? this.#separator(bytes, at, next, last) : { next };
    }
    const depth = depthAt(bytes, at);
    if (depth === undefined && !last) return undefined;
    return (depth ?? 0) > 0 ? { ends: at, from: at + 1, next } : { next };
  }

  /** The From_ line at `at`, and the end of the message before it at `ends`. */
  #separator(bytes: Uint8Array, ends: number, at: number, last: boolean): Line | undefined {
    const depth = depthAt(bytes, at);
    if (depth === undefined && !last) return undefined;
    if (depth !== 0) throw new NoMbox(`it does not begin with a "From " line`);
    const next = Math.min(afterLine(bytes, at), last ? bytes.length : Number.POSITIVE_INFINITY);
    if (next > bytes.length) {
      if (bytes.length - at > FROM_LINE_AT_MOST) throw new NoMbox(`a "From " line has no end`);
      return undefined;
    }
    this.#first = false;
    return { ends, from: next, next, sender: senderOf(bytes.subarray(at, next)) };
  }
}

interface Line {
  /** The text before ends here. */
  readonly ends?: number;
  /** The text goes on from here. */
  readonly from?: number;
  readonly sender?: string;
  readonly next: number;
}

function senderOf(line: Uint8Array): string {
  const [, sender = ""] = /^From (\S*)/.exec(new TextDecoder().decode(line)) ?? [];
  return sender === "MAILER-DAEMON" ? "" : sender;
}

/** How many ">" stand before "From " at this line's start; -1: it is no such line; undefined: it takes more octets. */
function depthAt(bytes: Uint8Array, at: number): number | undefined {
  let i = at;
  while (bytes[i] === GT && i - at <= QUOTES_AT_MOST) i++;
  for (const [k, octet] of FROM.entries()) {
    if (i + k >= bytes.length) return undefined;
    if (bytes[i + k] !== octet) return -1;
  }
  return i - at;
}

function blankAt(bytes: Uint8Array, at: number): boolean | undefined {
  if (bytes[at] !== CR) return bytes[at] === LF;
  return at + 1 < bytes.length ? bytes[at + 1] === LF : undefined;
}

/** Where the next line begins; infinity: this one has no end yet. */
function afterLine(bytes: Uint8Array, at: number): number {
  const lf = bytes.indexOf(LF, at);
  return lf < 0 ? Number.POSITIVE_INFINITY : lf + 1;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
