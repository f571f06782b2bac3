/** Message bodies on the wire: dots taken off and put on (RFC 5321 §4.5.2), line ends made canonical. */
// Only CRLF ends a line and only CRLF.CRLF ends a body: whoever also believes a bare LF can be smuggled past.
// The streams may come in any pieces; what is put out are views of them, as large as possible.

const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;
const CRLF = Uint8Array.of(CR, LF);
const FINAL_DOT = Uint8Array.of(DOT, CR, LF);

/** Takes a piece of what comes out; it is valid for good and not to be changed. */
export type Out = (piece: Uint8Array) => void;

/** A bare CR or LF spoils the body (nothing more is put out), or becomes CRLF. */
export type BareLineEnds = "refuse" | "normalise";

/** Where the next octet stands. What was read of "cr", "dot" and "dotcr" is not put out yet. */
type State =
  | "start" // of a line: a dot here was stuffed, or is the final one
  | "text" // within a line
  | "cr" // behind a CR
  | "dot" // behind a dot that began a line
  | "dotcr" // behind such a dot and a CR
  | "done"; // behind the final dot

/** Reads a body sent with DATA, up to and with its final dot. An empty one is the message of no octets. */
export class DotReader {
  readonly #body: BodyReader;

  constructor(bare: BareLineEnds) {
    this.#body = new BodyReader(bare, "dots");
  }

  /** @returns octets used: all of them, unless the final dot was among them */
  read(bytes: Uint8Array, out: Out): number {
    return this.#body.read(bytes, out);
  }

  /** The final dot was read. */
  get done(): boolean {
    return this.#body.state === "done";
  }

  /** A bare CR or LF was met. Under "refuse" reading still goes on to the true end of the body. */
  get bare(): boolean {
    return this.#body.bare;
  }

  /** Octets put out so far. */
  get octets(): number {
    return this.#body.octets;
  }
}

/** Reads a body sent with BDAT (RFC 3030): chunk after chunk, no dots, and an end that the caller knows of. */
export class PlainReader {
  readonly #body: BodyReader;

  constructor(bare: BareLineEnds) {
    this.#body = new BodyReader(bare, "plain");
  }

  read(bytes: Uint8Array, out: Out): void {
    this.#body.read(bytes, out);
  }

  /** Ends the body, with the last line's CRLF where that is missing. */
  finish(out: Out): void {
    this.#body.finish(out);
  }

  /** A bare CR or LF was met; one CR at a chunk's end is none if the next chunk begins with LF. */
  get bare(): boolean {
    return this.#body.bare;
  }

  /** Octets put out so far. */
  get octets(): number {
    return this.#body.octets;
  }
}

/** Makes any text canonical, for what comes from files: each of LF, CR and CRLF becomes CRLF, the last line gets one. */
export class Canonical {
  readonly #body = new BodyReader("normalise", "plain");

  /** One piece goes in, one comes out: a file of LF lines would come out in shreds otherwise. */
  write(bytes: Uint8Array, out: Out): void {
    const pieces: Uint8Array[] = [];
    this.#body.read(bytes, (piece) => pieces.push(piece));
    if (pieces.length > 0) out(joined(pieces));
  }

  end(out: Out): void {
    this.#body.finish(out);
  }
}

/** Writes a body behind DATA. It is to be canonical; should it not be, no bare line end can make a final dot of it. */
export class DotWriter {
  #last = LF;
  #lastButOne = CR;

  write(bytes: Uint8Array, out: Out): void {
    let from = 0;
    for (let dot = bytes.indexOf(DOT); dot >= 0; dot = bytes.indexOf(DOT, dot + 1)) {
      const before = dot > 0 ? bytes[dot - 1] : this.#last;
      if (before !== LF && before !== CR) continue;
      // Out with the dot, and then on from the same dot: it is doubled without a copy.
      out(bytes.subarray(from, dot + 1));
      from = dot;
    }
    if (from < bytes.length) out(bytes.subarray(from));
    this.#lastButOne = bytes.at(-2) ?? (bytes.length > 0 ? this.#last : this.#lastButOne);
    this.#last = bytes.at(-1) ?? this.#last;
  }

  /** Ends the last line where that is missing, and the body with the final dot. */
  end(out: Out): void {
    if (this.#lastButOne !== CR || this.#last !== LF) out(CRLF);
    out(FINAL_DOT);
  }
}

/** What both readers do; they differ in whether dots mean anything. */
class BodyReader {
  readonly #refuses: boolean;
  readonly #dotted: boolean;
  state: State = "start";
  bare = false;
  octets = 0;

  constructor(bare: BareLineEnds, form: "dots" | "plain") {
    this.#refuses = bare === "refuse";
    this.#dotted = form === "dots";
  }

  read(bytes: Uint8Array, out: Out): number {
    const chunk = new Chunk(bytes);
    let at = 0;
    while (at < bytes.length && this.state !== "done") at = this.#step(chunk, at, out);
    return at;
  }

  finish(out: Out): void {
    if (this.state === "cr") this.#bareEnd(out);
    if (this.state !== "start") this.#put(CRLF, out);
  }

  /** @returns where to go on */
  #step(chunk: Chunk, at: number, out: Out): number {
    const octet = chunk.bytes[at];
    switch (this.state) {
      case "start":
        return this.#dotted && octet === DOT ? this.#go("dot", at + 1) : this.#go("text", at);
      case "text":
        return this.#text(chunk, at, out);
      case "cr":
        if (octet !== LF) return this.#bareEnd(out, at);
        this.#put(CRLF, out);
        return this.#go("start", at + 1);
      case "dot":
        return octet === CR ? this.#go("dotcr", at + 1) : this.#go("text", at);
      case "dotcr":
        return octet === LF ? this.#go("done", at + 1) : this.#bareEnd(out, at);
      case "done":
        return at;
    }
  }

  #text(chunk: Chunk, at: number, out: Out): number {
    const { bytes } = chunk;
    const end = chunk.plainUntil(at, this.#dotted);
    if (end > at) this.#put(bytes.subarray(at, end), out);
    if (end === bytes.length) return this.#go(bytes[end - 1] === LF ? "start" : "text", end);
    if (bytes[end] === DOT) return this.#go("dot", end + 1);
    if (bytes[end] === CR && end + 1 === bytes.length) return this.#go("cr", end + 1);
    return this.#bareEnd(out, end + 1);
  }

  /** The octet before `next` was a bare CR or LF. No dot behind it was stuffed, for no writer takes it for a line end. */
  #bareEnd(out: Out, next = 0): number {
    this.bare = true;
    this.#put(CRLF, out);
    return this.#go(this.#dotted ? "text" : "start", next);
  }

  #go(state: State, next: number): number {
    this.state = state;
    return next;
  }

  #put(piece: Uint8Array, out: Out): void {
    if (this.#refuses && this.bare) return;
    this.octets += piece.length;
    out(piece);
  }
}

/** One piece of the stream. Its searches go on where the last ones stopped, so that it is searched once, whatever is in it. */
class Chunk {
  readonly bytes: Uint8Array;
  #cr = -1;
  #lf = -1;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Where whole CRLF lines and text end: at a bare CR or LF, a CR without its next octet, a dot at a line's start, or the end. */
  plainUntil(at: number, dotted: boolean): number {
    const { bytes } = this;
    for (let from = at; ; ) {
      if (this.#cr < from) this.#cr = find(bytes, CR, from);
      if (this.#lf < from) this.#lf = find(bytes, LF, from);
      if (this.#lf !== this.#cr + 1 || this.#lf === bytes.length) return Math.min(this.#cr, this.#lf);
      from = this.#lf + 1;
      if (dotted && bytes[from] === DOT) return from;
    }
  }
}

/** The place of an octet, or the end if there is none. */
function find(bytes: Uint8Array, octet: number, from: number): number {
  const at = bytes.indexOf(octet, from);
  return at < 0 ? bytes.length : at;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  if (first !== undefined && pieces.length === 1) return first;
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let filled = 0;
  for (const piece of pieces) {
    whole.set(piece, filled);
    filled += piece.length;
  }
  return whole;
}
