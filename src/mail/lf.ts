/** Line ends as files of this system have them: CRLF becomes LF, every other octet stays. */
// Maildir, mbox and programs expect LF; the way back is Canonical in wire/dots.ts.

/** Octets in pieces, from memory or from afar. The pieces are not to be changed. */
export type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

const LF = 10;
const CR = 13;
const LONE_CR = Uint8Array.of(CR);

/** The same message with LF line ends; a CR that no LF follows is kept. */
export async function* withLf(pieces: Pieces): AsyncGenerator<Uint8Array> {
  let heldCr = false;
  for await (const piece of pieces) {
    if (piece.length === 0) continue;
    if (heldCr && piece[0] !== LF) yield LONE_CR;
    heldCr = piece[piece.length - 1] === CR;
    yield lfOnly(heldCr ? piece.subarray(0, -1) : piece);
  }
  if (heldCr) yield LONE_CR;
}

function lfOnly(piece: Uint8Array): Uint8Array {
  let cr = piece.indexOf(CR);
  if (cr < 0) return piece;
  const out = new Uint8Array(piece.length);
  let size = 0;
  let from = 0;
  for (; cr >= 0; cr = piece.indexOf(CR, cr + 1)) {
    if (piece[cr + 1] !== LF) continue;
    out.set(piece.subarray(from, cr), size);
    size += cr - from;
    from = cr + 1;
  }
  out.set(piece.subarray(from), size);
  return out.subarray(0, size + piece.length - from);
}
