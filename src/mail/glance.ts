/** A glance at the header of a message that streams by: how many hops it took, and what it is about. */
// Nothing of the body is looked at, and of a line only its first octets are kept: memory is bounded for any input.
import { fieldText } from "./encodedword.ts";

const LF = 10;
const CR = 13;
const LINE_AT_MOST = 1024;
const SUBJECT_WITHIN = 64 * 1024;
const SUBJECT_AT_MOST = 8 * 1024;
const HEADER_AT_MOST = 1024 * 1024;

/** Feed it the octets of a message in any pieces; after the header it does nothing. */
export class HeaderGlance {
  /** The first octets of the line that is being read. */
  readonly #line = new Uint8Array(LINE_AT_MOST);
  #length = 0;
  /** Where in the header that line begins. */
  #lineAt = 0;
  #subject: number[] | undefined;
  #inSubject = false;
  #over = false;
  #received = 0;
  #octets = 0;

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.#over; ) {
      const lf = bytes.indexOf(LF, at);
      const end = lf < 0 ? bytes.length : lf;
      this.#keep(bytes, at, end);
      if (lf >= 0) this.#endLine();
      at = end + 1;
    }
  }

  /** Received fields so far: more than a hundred are a loop (RFC 5321 §6.3). */
  get received(): number {
    return this.#received;
  }

  /** The first Subject, decoded for display; undefined if there is none (within the first 64 KiB). */
  get subject(): string | undefined {
    return this.#subject && fieldText(Uint8Array.from(this.#subject));
  }

  /** The header is longer than a mebibyte: nobody writes such mail. */
  get headerTooBig(): boolean {
    return this.#octets > HEADER_AT_MOST;
  }

  #keep(bytes: Uint8Array, from: number, to: number): void {
    this.#octets += to - from;
    const room = Math.min(to - from, LINE_AT_MOST - this.#length);
    if (room <= 0) return;
    this.#line.set(bytes.subarray(from, from + room), this.#length);
    this.#length += room;
  }

  #endLine(): void {
    const length = this.#line[this.#length - 1] === CR ? this.#length - 1 : this.#length;
    const line = this.#line.subarray(0, length);
    if (length === 0) this.#over = true;
    else if (line[0] === 0x20 || line[0] === 0x09) this.#continued(line);
    else this.#field(line);
    this.#length = 0;
    this.#octets += 1;
    this.#lineAt = this.#octets;
  }

  #field(line: Uint8Array): void {
    this.#inSubject = false;
    if (isField(line, RECEIVED)) this.#received++;
    else if (this.#subject === undefined && this.#lineAt < SUBJECT_WITHIN && isField(line, SUBJECT)) {
      this.#inSubject = true;
      this.#subject = [...line.subarray(SUBJECT.length)];
    }
  }

  #continued(line: Uint8Array): void {
    if (!this.#inSubject || this.#subject === undefined) return;
    if (this.#subject.length + line.length <= SUBJECT_AT_MOST) this.#subject.push(...line);
  }
}

const RECEIVED = lowerCase("received:");
const SUBJECT = lowerCase("subject:");

function lowerCase(name: string): Uint8Array {
  return new TextEncoder().encode(name);
}

/** Field names have no case (RFC 5322 §1.2.2); letters differ from their capitals in one bit, and ":" has it set. */
function isField(line: Uint8Array, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++) if (((line[i] ?? 0) | 0x20) !== name[i]) return false;
  return true;
}
