/** Memory that large mail leaves behind is given back while it passes, not after. */
// Bun sizes its heap by the machine's RAM and hardly counts what the network's buffers hold: of a message of 200 MB
// more than half lay dead in memory. A full collection takes some 5 ms; a body of 200 MB comes in 0.87 s and not 0.69.

/** Octets that may pass between two collections. Measured: with 8 MB a process reaches 149 MB, with 4 some 10 less. */
const EACH = 4_000_000;

/**
 * How long none follows another, in lengths of the last one. Where mail is large memory goes before speed: with rests of
 * three, which cost a third less with ten senders of 1 MB, a busy machine's long collections let it pass 150 MB.
 */
const REST = { large: 0, small: 15 } as const;

let sinceLast = 0;
/** The last collection: when it ended, and how long it took, in milliseconds. */
let last = { ended: 0, took: 0 };

/**
 * Buffers that the network made for one read, and that nobody else has. Emptied where they were used up, they cost no
 * collection, and the next read finds the same pages: a megabyte that is read, hashed and written then takes 3 ms, not 9.
 */
const lent = new WeakSet<ArrayBufferLike>();
/** Smaller ones are not worth the word. */
const WORTH = 4096;
const empties = "Bun" in globalThis;

/** To be told of octets as the network brings them, if they have a buffer of their own. */
export function lend(bytes: Uint8Array): void {
  if (empties && bytes.length >= WORTH && fills(bytes)) lent.add(bytes.buffer);
}

/** To be told by the last who needs them: nobody may look at these octets, or at any view of them, again. */
export function giveBack(bytes: Uint8Array): void {
  if (fills(bytes) && lent.delete(bytes.buffer)) (bytes.buffer as ArrayBuffer).transfer(0);
  else passed(bytes.length);
}

function fills({ length, buffer }: Uint8Array): boolean {
  return length === buffer.byteLength;
}

/** To be told of octets that were read or written in bulk. Deno's V8 sees its buffers, and needs no word. */
export function passed(octets: number): void {
  count(octets, REST.large);
}

/** The same of mail that comes in many small pieces, and faster: where it is a flood, speed goes before memory. */
export function trickled(octets: number): void {
  count(octets, REST.small);
}

function count(octets: number, rest: number): void {
  sinceLast += octets;
  if (sinceLast >= EACH && performance.now() >= last.ended + rest * last.took) collect();
}

/** Bun's own word, where there is a Bun: the types of one runtime are not asked of the others. */
const { Bun: bun } = globalThis as { readonly Bun?: { gc(force: boolean): void } };

function collect(): void {
  sinceLast = 0;
  if (bun === undefined) return;
  const began = performance.now();
  bun.gc(true);
  const ended = performance.now();
  last = { ended, took: ended - began };
}
