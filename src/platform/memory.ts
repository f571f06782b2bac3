/** Memory that large mail leaves behind is given back while it passes, not after. */
// Bun sizes its heap by the machine's RAM and hardly counts what the network's buffers hold: of a message of 200 MB
// more than half lay dead in memory. A full collection takes some 5 ms; a body of 200 MB comes in 0.87 s and not 0.69.

interface Pace {
  /** Octets that may pass between two collections. */
  readonly each: number;
  /** How long none follows another, in lengths of the last one. */
  readonly rest: number;
}

/**
 * Where mail is large memory goes before speed: with 8 MB a process reaches 149 MB, with 4 some 10 less; rests of three cost
 * a third less with ten senders of 1 MB, but a busy machine's long collections let it pass 150 MB. Small mail is emptied where
 * it was used up, all but its last piece: a collection every 4 MB cost an eighth of all its time and saved 8 MB of memory.
 */
const LARGE: Pace = { each: 4_000_000, rest: 0 };
const SMALL: Pace = { each: 16_000_000, rest: 15 };

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
  if (!emptied(bytes)) passed(bytes.length);
}

function emptied(bytes: Uint8Array): boolean {
  if (!fills(bytes) || !lent.delete(bytes.buffer)) return false;
  (bytes.buffer as ArrayBuffer).transfer(0);
  return true;
}

function fills({ length, buffer }: Uint8Array): boolean {
  return length === buffer.byteLength;
}

/** To be told of octets that were read or written in bulk. Deno's V8 sees its buffers, and needs no word. */
export function passed(octets: number): void {
  count(octets, LARGE);
}

/** The same of mail that came in small pieces: where it is a flood, speed goes before memory. */
export function trickled(pieces: readonly Uint8Array[]): void {
  let left = 0;
  for (const piece of pieces) if (!emptied(piece)) left += piece.length;
  count(left, SMALL);
}

function count(octets: number, { each, rest }: Pace): void {
  sinceLast += octets;
  if (sinceLast >= each && performance.now() >= last.ended + rest * last.took) collect();
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
