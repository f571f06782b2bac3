/** What people see on a terminal: text without tricks, columns that fit, colours by state. */
// Every outside word passes `safe` before it is shown: mail is hostile, and a terminal obeys what it is sent.
import type { RecipientState } from "../src/spool/spool.ts";

/** What cannot be seen, or would order text otherwise than it stands: controls, bidi marks, private and unassigned code points. */
const TRICKS = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** The text with whatever is invisible written out: `\x1b`, `\u{202e}`. */
export function safe(text: string): string {
  return text.toWellFormed().replace(TRICKS, escaped);
}

/** The same for text of many lines, which keeps its line ends and tabs. */
export function safeLines(text: string): string {
  return text
    .toWellFormed()
    .replace(TRICKS, (mark) => (mark === "\n" || mark === "\t" ? mark : escaped(mark)));
}

function escaped(mark: string): string {
  const code = mark.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

/** One that is as wide as the terminal; undefined where there is none: then nothing is shortened and lines are plain. */
export interface Screen {
  readonly columns: number | undefined;
  readonly colour: boolean;
}

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** What a stream shows to. COLUMNS makes a table also where there is no terminal. */
export function screenOf(stream: object, env: Readonly<Partial<Record<string, string>>> = {}): Screen {
  const { isTTY = false, columns }: Stream = stream;
  const wished = Number(env.COLUMNS) || undefined;
  return {
    columns: isTTY ? columns || wished || 80 : wished,
    colour: isTTY && !env.NO_COLOR && env.TERM !== "dumb",
  };
}

const paint: Readonly<Record<RecipientState, string>> = {
  waiting: "",
  leased: "36",
  held: "33",
  delivered: "32",
  refused: "31",
  expired: "31",
  removed: "2",
};

/** A text in its state's colour. */
export function coloured(text: string, state: RecipientState, screen: Screen): string {
  return styled(text, paint[state], screen);
}

export const dim = (text: string, screen: Screen): string => styled(text, "2", screen);

function styled(text: string, style: string, { colour }: Screen): string {
  return colour && style !== "" ? `\x1b[${style}m${text}\x1b[0m` : text;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
/** A letter of a flag: two of them make one that is two columns wide. */
const FLAG = /\p{Regional_Indicator}/u;
/** Asks that the symbol before it is shown as an emoji: terminals that obey make it wide. */
const AS_EMOJI = "\ufe0f";
const NARROW = /^[\x20-\x7e]*$/;

/** Columns that a text takes at most: terminals disagree about emoji, and a table must not break on any of them. */
export function widthOf(text: string): number {
  if (NARROW.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += columnsOf(character);
  return width;
}

function columnsOf(character: string): number {
  if (character === AS_EMOJI || FLAG.test(character)) return 1;
  if (/\p{M}/u.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** The text in at most `width` columns, its end replaced by … where it is longer. */
export function shortened(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let out = "";
  let left = width - 1;
  for (const character of text) {
    left -= widthOf(character);
    if (left < 0) break;
    out += character;
  }
  return width > 0 ? `${out}…` : "";
}

/** An address in at most `width` columns; of a long one the beginning of both its parts stays. */
export function shortAddress(address: string, width: number): string {
  if (widthOf(address) <= width) return address;
  const at = address.lastIndexOf("@");
  const room = Math.floor((width - 1) / 2);
  if (at < 0 || room < 3) return shortened(address, width);
  const domain = shortened(address.slice(at + 1), Math.max(room, width - 1 - widthOf(address.slice(0, at))));
  return `${shortened(address.slice(0, at), width - 1 - widthOf(domain))}@${domain}`;
}

export const left = (text: string, width: number): string =>
  text + " ".repeat(Math.max(0, width - widthOf(text)));
export const right = (text: string, width: number): string =>
  " ".repeat(Math.max(0, width - widthOf(text))) + text;

const SIZES = ["", "K", "M", "G", "T"];

/** Octets in five columns: `999`, `4.2K`, `118M`, by powers of 1024. */
export function sizeText(octets: number): string {
  let count = octets;
  let unit = 0;
  for (; count >= 999.5 && unit < SIZES.length - 1; unit++) count /= 1024;
  return `${unit > 0 && count < 9.95 ? count.toFixed(1) : Math.round(count)}${SIZES[unit]}`;
}

const AGES: readonly (readonly [string, number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
];

/** A span in four columns: `3d`, `14h`, `5m`, `12s`; one of the future has its sign. */
export function ageText(ms: number): string {
  const span = Math.abs(ms);
  const [unit, each] = AGES.find(([, size]) => span >= size) ?? ["s", 1000];
  return `${ms < 0 ? "-" : ""}${Math.floor(span / each)}${unit}`;
}
