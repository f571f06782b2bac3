/** Some fields of a message that streams by, decoded: for rules, addresses and loops. */
// Only the first part of the header is read, and of a field only its first octets: memory is bounded for any input.
import { fieldText } from "./encodedword.ts";

type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

const HEADER_AT_MOST = 256 * 1024;
const FIELD_AT_MOST = 8 * 1024;
const LF = 10;
const CR = 13;

/** The texts of the fields of these names (in lower case), in their order. Nothing is read where no name is given. */
export async function fieldsOf(
  content: Pieces,
  names: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, string[]>(names.map((name) => [name, []]));
  if (names.length === 0) return found;
  for (const field of unfolded(await headerOf(content))) {
    const colon = field.indexOf(58);
    const name = latin1(field.subarray(0, Math.max(colon, 0)))
      .trimEnd()
      .toLowerCase();
    found.get(name)?.push(fieldText(field.subarray(colon + 1, colon + 1 + FIELD_AT_MOST)));
  }
  return found;
}

/** The header's octets, up to the blank line or the bound. */
export async function headerOf(content: Pieces): Promise<Uint8Array> {
  const header = new Uint8Array(HEADER_AT_MOST);
  let length = 0;
  for await (const piece of content) {
    const room = piece.subarray(0, HEADER_AT_MOST - length);
    header.set(room, length);
    const from = Math.max(0, length - 3);
    length += room.length;
    const end = headerEnd(header.subarray(0, length), from);
    if (end !== undefined) return header.subarray(0, end);
    if (length === HEADER_AT_MOST) break;
  }
  return header.subarray(0, length);
}

/** Where the blank line begins that ends the header. */
function headerEnd(octets: Uint8Array, from: number): number | undefined {
  if (octets[0] === LF || (octets[0] === CR && octets[1] === LF)) return 0;
  for (let lf = octets.indexOf(LF, from); lf >= 0; lf = octets.indexOf(LF, lf + 1))
    if (octets[lf + 1] === LF || (octets[lf + 1] === CR && octets[lf + 2] === LF)) return lf + 1;
  return undefined;
}

/** The fields, each with the lines that continue it. */
export function* unfolded(header: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < header.length; ) {
    let end = lineEnd(header, at);
    while (header[end] === 0x20 || header[end] === 0x09) end = lineEnd(header, end);
    yield header.subarray(at, end);
    at = end;
  }
}

function lineEnd(octets: Uint8Array, from: number): number {
  const lf = octets.indexOf(LF, from);
  return lf < 0 ? octets.length : lf + 1;
}

const latin1 = (octets: Uint8Array): string => new TextDecoder("latin1").decode(octets.subarray(0, 256));
