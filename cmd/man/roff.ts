/** A manual page in the language of man(7), from plain texts. */
// Everything that goes in as text is escaped here; lines keep their own ends in examples alone.

export interface Heading {
  /** Such as "odmr-serve". */
  readonly name: string;
  readonly section: 1 | 5;
  readonly brief: string;
}

/** The head of a page: its title, and its NAME section, by which apropos finds it. */
export const heading = ({ name, section, brief }: Heading, version: string): string =>
  `.TH ${name.toUpperCase()} ${section} "" "odmr ${version}" "On-Demand Mail Relay"\n` +
  `.SH NAME\n${escaped(name)} \\- ${escaped(lowerFirst(brief))}\n`;

export const section = (title: string, body: string): string => (body === "" ? "" : `.SH ${title}\n${body}`);
export const subsection = (title: string, body: string): string => `.SS ${quoted(title)}\n${body}`;

/** Paragraphs, which empty lines part. */
export const prose = (text: string): string =>
  text
    .split(/\n{2,}/)
    .map((paragraph) => `.PP\n${escaped(paragraph.trim().replaceAll("\n", " "))}\n`)
    .join("");

/** Lines that stay as they are. */
export const verbatim = (lines: readonly string[]): string =>
  lines.length === 0 ? "" : `.PP\n.nf\n${lines.map((line) => `${escaped(line)}\n`).join("")}.fi\n`;

/** A term, and what is said of it below. */
export const item = (term: string, said: string): string => `.TP\n.B ${escaped(term)}\n${escaped(said)}\n`;

/** Deeper by one step. */
export const indented = (body: string): string => (body === "" ? "" : `.RS\n${body}.RE\n`);

/** man(7) reads backslashes, points and quotes at a line's head; a "-" is to be one that can be pasted. */
const escaped = (text: string): string =>
  text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(?=[.'])/gm, "\\&");

const quoted = (text: string): string => `"${escaped(text).replaceAll('"', "\\(dq")}"`;

const lowerFirst = (text: string): string =>
  /^[A-Z][a-z]/.test(text) ? `${text.charAt(0).toLowerCase()}${text.slice(1)}` : text;
