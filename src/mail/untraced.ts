/** A message without the fields that hosts put on it on its way: what stays is the same by whichever way it came. */
// For telling doubles. It streams; a header line of any length passes in bounded memory.
const LF = 10;

/** In lower case, with the colon. */
const traces = ["received:", "return-path:", "delivered-to:", "authentication-results:", "received-spf:"];
const MESSAGE_ID = "message-id:";
/** So much of a line is looked at: the longest name above, and an id with what stands before it. */
const LOOK = 1_024;

export type Put = (piece: Uint8Array) => void;

export class Untraced {
  readonly #put: Put;
  /** The first octets of the header line that is being read; what is behind them passes or not as they do. */
  #begun: Uint8Array[] = [];
  #length = 0;
  #decided = false;
  #passes = true;
  #header = true;
  #id: string | undefined;

  constructor(put: Put) {
    this.#put = put;
  }

  /** What stands between the brackets of Message-ID, or all of it; undefined if there is none. */
  get messageId(): string | undefined {
    return this.#id;
  }

  /** The pieces are kept, not copied. */
  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (!this.#header) return this.#put(bytes.subarray(at));
      const lf = bytes.indexOf(LF, at);
      const end = lf < 0 ? bytes.length : lf + 1;
      this.#line(bytes.subarray(at, end), lf >= 0);
      at = end;
    }
  }

  /** A header that ends without a blank line still has its last line to give. */
  end(): void {
    if (this.#begun.length > 0) this.#decide();
  }

  #line(piece: Uint8Array, ends: boolean): void {
    if (this.#decided) {
      if (this.#passes) this.#put(piece);
    } else {
      this.#begun.push(piece);
      this.#length += piece.length;
      if (ends || this.#length >= LOOK) this.#decide();
    }
    if (ends) this.#decided = false;
  }

  #decide(): void {
    const begun = this.#begun;
    const text = latin1(begun);
    this.#begun = [];
    this.#length = 0;
    this.#decided = true;
    if (text === "\r\n" || text === "\n") this.#header = false;
    // A folded line belongs to the field above it (RFC 5322 §2.2.3).
    if (!/^[ \t]/.test(text)) this.#passes = !traces.some((name) => text.toLowerCase().startsWith(name));
    if (this.#id === undefined && text.toLowerCase().startsWith(MESSAGE_ID)) this.#id = idIn(text);
    if (this.#passes) for (const piece of begun) this.#put(piece);
  }
}

function idIn(line: string): string | undefined {
  const text = line.slice(MESSAGE_ID.length).trim();
  return (/<([^<>]+)>/.exec(text)?.[1] ?? text) || undefined;
}

function latin1(pieces: readonly Uint8Array[]): string {
  let text = "";
  for (const piece of pieces) for (const octet of piece.subarray(0, LOOK)) text += String.fromCharCode(octet);
  return text;
}
