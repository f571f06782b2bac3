/** How a batch crosses between threads: one text, and one block with all its octets. */
// The objects as they are could be cloned; measured, that costs both threads three times as much.

export interface Parcel {
  readonly text: string;
  /** To be handed over with it. */
  readonly block: ArrayBuffer;
}

/** Where octets lie in the block. No other object has a member of this name. */
interface Ticket {
  readonly "octets in the block": readonly [at: number, length: number];
}
const TICKET = "octets in the block";

/** @param plain JSON's values and Uint8Arrays; what is undefined is left out. @throws TypeError on what would not arrive */
export function wrapped(plain: unknown): Parcel {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const text = JSON.stringify(
    stowed(plain, (octets): Ticket => {
      const at = length;
      pieces.push(octets);
      length += octets.length;
      return { [TICKET]: [at, octets.length] };
    }),
  );
  const block = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    block.set(piece, at);
    at += piece.length;
  }
  return { text, block: block.buffer };
}

/** What was wrapped; its octets are views of the block. */
export function unwrapped({ text, block }: Parcel): unknown {
  return unstowed(JSON.parse(text), block);
}

function stowed(value: unknown, ticket: (octets: Uint8Array) => Ticket): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`${value} cannot be wrapped`);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return ticket(value);
  if (Array.isArray(value)) return value.map((item) => stowed(item, ticket));
  if (value instanceof Map || value instanceof Set) throw new TypeError("a Map or Set cannot be wrapped");
  const out: Record<string, unknown> = {};
  for (const name in value) out[name] = stowed((value as Record<string, unknown>)[name], ticket);
  return out;
}

function unstowed(value: unknown, block: ArrayBuffer): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (TICKET in value) return new Uint8Array(block, ...(value as Ticket)[TICKET]);
  const members = value as Record<string, unknown>;
  for (const name in members) {
    const member = members[name];
    if (typeof member === "object") members[name] = unstowed(member, block);
  }
  return value;
}
