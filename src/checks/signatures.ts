/** So much of a header as is given to those who verify signatures: what is more costs time and proves nothing. */
import type { Pieces } from "./check.ts";

/** Lines and octets of a header, and octets of one field, that are read. */
const HEADER = 256 * 1024;
const LINES = 4_000;
const FIELD = 64 * 1024;
/** Signatures that are read, the first ones (RFC 6376 §6.1 lets us choose); seals are in sets of three, for 50 hops at most. */
const SIGNATURES = 10;
const SEALS = 150;
const AUTHORS = 5;
const LF = 10;

/**
 * The fields that may be read. A signature of a part of the body (`l=`) is left out: whoever adds to the message would
 * have it pass (RFC 6376 §8.2). @returns whole: nothing was cut off at the end
 */
export function boundedHeader(fields: readonly Uint8Array[]): {
  readonly kept: readonly Uint8Array[];
  readonly whole: boolean;
} {
  const counts = new Map<string, number>();
  const kept: Uint8Array[] = [];
  let lines = 0;
  let octets = 0;
  for (const field of fields) {
    lines += linesIn(field);
    octets += field.length;
    if (lines > LINES || field.length > FIELD || octets >= HEADER) return { kept, whole: false };
    const text = latin1(field);
    const name = /^[^:\s]*/.exec(text)![0].toLowerCase();
    const most = name === "dkim-signature" ? SIGNATURES : name.startsWith("arc-") ? SEALS : undefined;
    if (most !== undefined) {
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      if (count > most || isPartial(name, text)) continue;
    }
    kept.push(field);
  }
  return { kept, whole: true };
}

/** What follows the header. */
export async function* bodyAfter(pieces: Pieces, header: number): AsyncGenerator<Uint8Array> {
  let left = header;
  for await (const piece of pieces) {
    if (piece.length > left) yield piece.subarray(left);
    left = Math.max(0, left - piece.length);
  }
}

/** One address for each domain in From. @throws never: too many authors are as good as none */
export function addressesOf(from: readonly string[]): readonly string[] {
  const byDomain = new Map(
    from.map((address) => [address.slice(address.lastIndexOf("@") + 1).toLowerCase(), address]),
  );
  return [...byDomain.values()].slice(0, AUTHORS);
}

const isPartial = (name: string, text: string): boolean =>
  (name === "dkim-signature" || name === "arc-message-signature") && /[;:]\s*l\s*=/i.test(text);

function linesIn(field: Uint8Array): number {
  let count = 0;
  for (let at = field.indexOf(LF); at >= 0; at = field.indexOf(LF, at + 1)) count++;
  return count;
}

const latin1 = (octets: Uint8Array): string => new TextDecoder("latin1").decode(octets);
