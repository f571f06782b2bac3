/** SMTP replies: what they are, how they are written, how they are read back (RFC 5321 §4.2, RFC 2034). */
// A reply may come from the peer or from an operator's text: nothing of it but printable bytes reaches a line.

/** One reply, of one or more lines of text. `enhanced` is the status code of RFC 3463, such as "2.0.0". */
export interface Reply {
  readonly code: number;
  readonly enhanced?: string;
  readonly text: readonly string[];
}

/** A reply of one line or more; `enhanced` is left out for greetings, EHLO replies, 334 and 354. */
export function reply(code: number, enhanced: string | undefined, ...text: readonly string[]): Reply {
  return enhanced === undefined ? { code, text } : { code, enhanced, text };
}

export const isPositive = (r: Reply): boolean => r.code >= 200 && r.code < 300;
export const isTransient = (r: Reply): boolean => r.code >= 400 && r.code < 500;
export const isPermanent = (r: Reply): boolean => r.code >= 500 && r.code < 600;

/** The wire form, lines ended by CRLF; whatever is not printable ASCII in the text becomes "?". */
export function formatReply(r: Reply): string {
  const text = r.text.length > 0 ? r.text : [""];
  const last = text.length - 1;
  const enhanced = r.enhanced === undefined ? "" : `${r.enhanced} `;
  let out = "";
  for (let i = 0; i <= last; i++)
    out += `${r.code}${i < last ? "-" : " "}${enhanced}${printable(text[i] ?? "")}\r\n`;
  return out;
}

/** The whole reply on one line, for logs, tables and events. */
export function replyLine(r: Reply): string {
  return [r.code, r.enhanced, r.text.map(printable).join(" ")]
    .filter((part) => part !== undefined && part !== "")
    .join(" ");
}

/** Text without anything that could end a line or move a cursor. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}

/** Why bytes are no reply: a bad code, a code that changes between lines, a reply without end. */
export class ReplySyntaxError extends Error {
  override readonly name = "ReplySyntaxError";
}

const LINES_AT_MOST = 128;
const CODE = /^([2-5][0-9][0-9])(?:([ -])(.*))?$/;
const ENHANCED = /^([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)/;

/** Collects reply lines (without their line ends) until a reply is whole. Liberal: "250" alone is a line too. */
export class ReplyReader {
  #code = 0;
  #text: string[] = [];

  /** @returns the reply that this line completes, or undefined if more lines follow. @throws ReplySyntaxError */
  line(line: string): Reply | undefined {
    const [, digits, mark, rest = ""] =
      CODE.exec(line) ?? fail(`"${printable(line.slice(0, 80))}" is no reply line`);
    const code = Number(digits);
    if (this.#text.length > 0 && code !== this.#code) fail(`code ${code} within a ${this.#code} reply`);
    if (this.#text.length >= LINES_AT_MOST) fail(`a reply of more than ${LINES_AT_MOST} lines`);
    this.#code = code;
    this.#text.push(rest);
    if (mark === "-") return undefined;
    const text = this.#text;
    this.#text = [];
    return withEnhanced(code, text);
  }

  /** Whether a reply has begun and is not whole. */
  get midway(): boolean {
    return this.#text.length > 0;
  }
}

/** Takes the enhanced code off each line, where the first line has one of the reply's own class. */
function withEnhanced(code: number, text: readonly string[]): Reply {
  const enhanced = ENHANCED.exec(text[0] ?? "")?.[1];
  if (enhanced === undefined || enhanced[0] !== String(code)[0]) return { code, text };
  return {
    code,
    enhanced,
    text: text.map((t) =>
      ENHANCED.test(t) ? t.slice(t.indexOf(" ") < 0 ? t.length : t.indexOf(" ") + 1) : t,
    ),
  };
}

function fail(why: string): never {
  throw new ReplySyntaxError(why);
}
