/** The Authentication-Results field: what was found out about a message at the door (RFC 8601). */
// Domains, addresses and comments come from strangers: nothing of them may end a line, a comment or a quoted string.

/** What one method found. */
export interface Result {
  /** As registered: spf, dkim, dmarc, arc, iprev; our own begin with x- (RFC 8601 §2.7.7). */
  readonly method: string;
  readonly result: string;
  readonly comment?: string | undefined;
  /** `ptype.property` and its value, such as `smtp.mailfrom`; those without a value are left out. */
  readonly properties?: Readonly<Record<string, string | undefined>>;
}

const LINE = 76;
const VALUE = 255;
const COMMENT = 160;

/** One field, folded, ended by CRLF. @param by our authserv-id */
export function authenticationResults(by: string, results: readonly Result[]): string {
  const clauses = results.length === 0 ? ["none"] : results.map(clause);
  return `Authentication-Results: ${[by, ...clauses].join(";\r\n\t")}\r\n`;
}

function clause({ method, result, comment, properties = {} }: Result): string {
  const words = [
    `${word(method)}=${word(result)}`,
    ...(comment === undefined || comment === "" ? [] : [`(${commented(comment)})`]),
    ...Object.entries(properties).flatMap(([name, value]) =>
      value === undefined || value === "" ? [] : [`${name}=${pvalue(value)}`],
    ),
  ];
  return folded(words);
}

function folded(words: readonly string[]): string {
  const lines: string[] = [];
  for (const each of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + each.length < LINE) lines[lines.length - 1] = `${last} ${each}`;
    else lines.push(each);
  }
  return lines.join("\r\n\t  ");
}

/** A keyword (RFC 8601 §2.2). */
const word = (text: string): string => text.toLowerCase().replace(/[^a-z0-9-]/g, "") || "none";

/** An address or a domain stands as it is, whatever else is quoted. */
function pvalue(text: string): string {
  const value = printable(text).slice(0, VALUE);
  if (/^(?:[A-Za-z0-9!#$%&'*+^_`{|}~.-]*@)?[A-Za-z0-9_.-]+$/.test(value)) return value;
  return `"${value.replace(/["\\]/g, "\\$&")}"`;
}

const commented = (text: string): string =>
  printable(text)
    .slice(0, COMMENT)
    .replace(/[()\\]/g, " ")
    .trim();

/** One question mark for what cannot stand in a header line. */
const printable = (text: string): string => text.replace(/[^\x20-\x7e]+/g, "?");
