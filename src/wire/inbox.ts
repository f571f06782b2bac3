/** The octets that came and were not used: read by lines or by pieces, without copying where one chunk holds them. */
// What is given out may be a view of what was pushed: neither side changes octets afterwards.

const LF = 0x0a;
const CR = 0x0d;
const NOTHING = new Uint8Array(0);

export class Inbox {
  #chunks: Uint8Array[] = [];
  /** The front: chunks before `#first` and octets of it before `#at` are used up. */
  #first = 0;
  #at = 0;
  #length = 0;
  /** The first chunk that was not yet searched for an LF, so that a line in a thousand chunks is searched once. */
  #unsearched = 0;

  /** Octets that are here. */
  get length(): number {
    return this.#length;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }

  /**
   * The next line without its line end, or undefined if it is not whole. A line ends at LF; one CR before it is taken off.
   * "long": its first `limit` octets hold no LF. The stream is then of no more use for lines.
   */
  line(limit: number): Uint8Array | "long" | undefined {
    const end = this.#lineEnd();
    if ((end ?? this.#length) >= limit) return "long";
    if (end === undefined) return undefined;
    const line = this.#join(end);
    this.skip(end + 1);
    return line[end - 1] === CR ? line.subarray(0, -1) : line;
  }

  /** All octets of the first chunk, left where they are; empty only if nothing is here. */
  peek(): Uint8Array {
    return this.#chunks[this.#first]?.subarray(this.#at) ?? NOTHING;
  }

  /** Takes up to `most` octets off the front: a view of the first chunk, so maybe fewer; empty only if nothing is here. */
  take(most: number): Uint8Array {
    const piece = this.peek().subarray(0, most);
    this.skip(piece.length);
    return piece;
  }

  /** Drops `count` octets from the front, or all if there are fewer. */
  skip(count: number): void {
    let left = Math.min(count, this.#length);
    this.#length -= left;
    while (left > 0) {
      const used = Math.min(left, this.peek().length);
      left -= used;
      this.#at += used;
      if (this.peek().length === 0) this.#dropChunk();
    }
    this.#unsearched = this.#first;
  }

  #dropChunk(): void {
    this.#first++;
    this.#at = 0;
    // Nothing is left: what was used is not kept from being collected.
    if (this.#first === this.#chunks.length) {
      this.#chunks.length = 0;
      this.#first = 0;
      return;
    }
    // Used chunks go in batches: taking each off an array's front would move all the others.
    if (this.#first < 64 || this.#first * 2 < this.#chunks.length) return;
    this.#chunks = this.#chunks.slice(this.#first);
    this.#first = 0;
  }

  /** How many octets from the front the first LF is away. */
  #lineEnd(): number | undefined {
    for (; this.#unsearched < this.#chunks.length; this.#unsearched++) {
      const from = this.#unsearched === this.#first ? this.#at : 0;
      const found = this.#chunks[this.#unsearched]?.indexOf(LF, from) ?? -1;
      if (found >= 0) return this.#distance(this.#unsearched, found);
    }
    return undefined;
  }

  #distance(chunk: number, offset: number): number {
    let distance = offset - this.#at;
    for (let i = this.#first; i < chunk; i++) distance += this.#chunks[i]?.length ?? 0;
    return distance;
  }

  /** The first `count` octets as one piece. */
  #join(count: number): Uint8Array {
    const first = this.peek();
    if (first.length >= count) return first.subarray(0, count);
    const whole = new Uint8Array(count);
    whole.set(first);
    let filled = first.length;
    for (let i = this.#first + 1; filled < count; i++) {
      const piece = (this.#chunks[i] ?? NOTHING).subarray(0, count - filled);
      whole.set(piece, filled);
      filled += piece.length;
    }
    return whole;
  }
}
