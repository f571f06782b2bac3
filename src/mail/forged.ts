/** A message without the Authentication-Results that bear our own name and are not ours (RFC 8601 §5). */
// It streams; a field of any length passes in bounded memory. What is taken out is remembered: signatures are over what came.
const LF = 10;
const CR = 13;
const SPACE = 0x20;
const TAB = 0x09;

const NAME = /^authentication-results[ \t]*:/i;
/** The name above, and some blanks before its colon. */
const NAME_WITHIN = 64;
/** So far into a field its author is looked for; who hides farther in is nobody to trust. */
const AUTHOR_WITHIN = 4 * 1024;
/** Octets of removed fields that are remembered. */
const REMEMBERED = 64 * 1024;

export type Put = (piece: Uint8Array) => void;

interface Removed {
  /** Where in what was let pass it stood. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

export class Unforged {
  readonly #ours: string;
  /** The beginning of the field that is being read, until it is decided whose it is. */
  #begun: Uint8Array[] = [];
  #length = 0;
  #nextLook = NAME_WITHIN;
  #fate: "open" | "pass" | "drop" = "open";
  #lineStart = true;
  #header = true;
  #passed = 0;
  readonly #removed: Removed[] = [];
  #remembered = 0;
  #fields = 0;

  /** @param hostname our authserv-id */
  constructor(hostname: string) {
    this.#ours = hostname.toLowerCase();
  }

  /** Fields that were taken out. */
  get removed(): number {
    return this.#fields;
  }

  /** What may pass of these octets, in pieces that are views of them. */
  *write(bytes: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < bytes.length; ) {
      if (!this.#header) {
        yield this.#pass(bytes.subarray(at));
        return;
      }
      if (this.#lineStart && bytes[at] !== SPACE && bytes[at] !== TAB) yield* this.#nextField();
      const lf = bytes.indexOf(LF, at);
      const end = lf < 0 ? bytes.length : lf + 1;
      this.#lineStart = lf >= 0;
      yield* this.#read(bytes.subarray(at, end));
      at = end;
    }
  }

  /** What was kept back while it was undecided; to be asked for once, after the last octet. */
  *end(): Generator<Uint8Array> {
    if (this.#header) yield* this.#nextField();
  }

  /** What came, from what has passed: the removed fields put back in their places. */
  async *original(passed: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let at = 0;
    let next = 0;
    for await (const piece of passed) {
      let from = 0;
      for (
        let found = this.#removed[next];
        found && found.at <= at + piece.length;
        found = this.#removed[++next]
      ) {
        if (found.at - at > from) yield piece.subarray(from, found.at - at);
        from = found.at - at;
        yield found.bytes;
      }
      if (from < piece.length) yield piece.subarray(from);
      at += piece.length;
    }
    for (const found of this.#removed.slice(next)) yield found.bytes;
  }

  *#read(piece: Uint8Array): Generator<Uint8Array> {
    if (this.#fate === "pass") return yield this.#pass(piece);
    if (this.#fate === "drop") return this.#drop(piece);
    this.#begun.push(piece);
    this.#length += piece.length;
    if (this.#lineStart && this.#isBlankLine()) {
      this.#header = false;
      return yield* this.#decide("pass");
    }
    if (this.#length < this.#nextLook) return;
    // Twice as far each time: who sends single octets does not make us read a field as often.
    this.#nextLook = this.#length * 2;
    const text = latin1(this.#begun);
    if (!NAME.test(text)) return yield* this.#decide("pass");
    const author = authorOf(text.replace(NAME, ""));
    if (author !== undefined) yield* this.#decide(author === this.#ours ? "drop" : "pass");
    else if (this.#length > AUTHOR_WITHIN) yield* this.#decide("drop");
  }

  /** The field above is over: what it has not said by now it does not say. */
  *#nextField(): Generator<Uint8Array> {
    if (this.#begun.length > 0) {
      const text = latin1(this.#begun);
      const ours = NAME.test(text) && authorOf(`${text.replace(NAME, "")};`) === this.#ours;
      yield* this.#decide(ours ? "drop" : "pass");
    }
    this.#fate = "open";
    this.#length = 0;
    this.#nextLook = NAME_WITHIN;
  }

  *#decide(fate: "pass" | "drop"): Generator<Uint8Array> {
    const begun = this.#begun;
    this.#begun = [];
    this.#fate = fate;
    if (fate === "drop") this.#fields++;
    for (const piece of begun)
      if (fate === "pass") yield this.#pass(piece);
      else this.#drop(piece);
  }

  #pass(piece: Uint8Array): Uint8Array {
    this.#passed += piece.length;
    return piece;
  }

  #drop(bytes: Uint8Array): void {
    this.#remembered += bytes.length;
    if (this.#remembered <= REMEMBERED) this.#removed.push({ at: this.#passed, bytes: bytes.slice() });
  }

  #isBlankLine(): boolean {
    if (this.#length > 2) return false;
    const [first, ...others] = latin1(this.#begun);
    return first === "\n" || (first?.charCodeAt(0) === CR && others.length === 1);
  }
}

/** The authserv-id before the first blank or semicolon, in lower case; undefined: it is not all here yet. */
function authorOf(value: string): string | undefined {
  const text = value.slice(afterComments(value));
  const quoted = /^"((?:[^"\\]|\\[\s\S])*)"/.exec(text);
  if (quoted !== null) return quoted[1]!.replace(/\\([\s\S])/g, "$1").toLowerCase();
  const plain = /^([^"\s;(]+)[\s;(]/.exec(text);
  return plain?.[1]?.toLowerCase() ?? (text.startsWith(";") ? "" : undefined);
}

/** Where the word after blanks and comments begins; comments may hold comments (RFC 5322 §3.2.2). */
function afterComments(text: string): number {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text[at];
    if (c === "(") depth++;
    else if (c === ")" && depth > 0) depth--;
    else if (c === "\\" && depth > 0) at++;
    else if (depth === 0 && !/\s/.test(c!)) return at;
  }
  return text.length;
}

function latin1(pieces: readonly Uint8Array[]): string {
  let text = "";
  for (const piece of pieces)
    for (const octet of piece.subarray(0, AUTHOR_WITHIN + NAME_WITHIN)) text += String.fromCharCode(octet);
  return text;
}
