/** Mail addresses as SMTP has them (RFC 5321 §4.1.2, RFC 6531): parsed at the border, trusted inside. */
// One address, one spelling: quotes that are not needed go, source routes go, the domain is in lower case.

import { lowerAscii } from "./domain.ts";

/** `local@domain`, the domain in lower case; "" is the null sender, "postmaster" may stand alone. */
export type Address = string;

/** A path `<…>` at the front of a text, and what follows it. */
export interface Path {
  readonly address: Address;
  readonly rest: string;
}

const LOCAL_OCTETS = 64;
const DOMAIN_OCTETS = 255;

/** RFC 5321's atext and dots, and what is not ASCII. Dots in odd places are forgiven: whole countries have such addresses. */
const PLAIN_LOCAL = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u{80}-\u{10ffff}-]+$/u;
const CONTROL = /[\x00-\x1f\x7f]/;
/** Blanks, line ends, invisible and unassigned things, and the dots that IDNA would take for dots. */
const TREACHEROUS = /[\p{C}\p{Z}\u3002\uff0e\uff61]/u;
/** A label; underscores exist in the wild. */
const LABEL =
  /^[A-Za-z0-9_\u{80}-\u{10ffff}](?:[A-Za-z0-9_\u{80}-\u{10ffff}-]*[A-Za-z0-9_\u{80}-\u{10ffff}])?$/u;
const LITERAL = /^\[[A-Za-z0-9.:-]+\]$/;
const encoder = new TextEncoder();

/** Reads `<address>`, `<@a,@b:address>` (the route is dropped, RFC 5321 §C), `<>` and `<postmaster>`; undefined: a syntax fault. */
export function parsePath(text: string): Path | undefined {
  if (text[0] !== "<") return undefined;
  const end = closing(text);
  if (end < 0) return undefined;
  const rest = text.slice(end + 1);
  const inside = withoutRoute(text.slice(1, end));
  if (inside === "") return end === 1 ? { address: "", rest } : undefined;
  if (lowerAscii(inside) === "postmaster") return { address: "postmaster", rest };
  const address = parseAddress(inside);
  return address === undefined ? undefined : { address, rest };
}

/** `local@domain` in its one spelling, or undefined if it is none. Neither "" nor a lone "postmaster" is one here. */
export function parseAddress(text: string): Address | undefined {
  // No domain has an @ in it, so the last one divides: what stands before another @ must be in quotes.
  const at = text.lastIndexOf("@");
  if (at < 0 || CONTROL.test(text)) return undefined;
  const local = parseLocal(text.slice(0, at));
  const domain = lowerAscii(text.slice(at + 1));
  if (local === undefined || !isMailDomain(domain)) return undefined;
  if (octets(local) > LOCAL_OCTETS || octets(domain) > DOMAIN_OCTETS) return undefined;
  return `${local}@${domain}`;
}

/** The part before the @, quoted where it needs to be. All of "postmaster". */
export function localOf(address: Address): string {
  const at = address.lastIndexOf("@");
  return at < 0 ? address : address.slice(0, at);
}

/** The part behind the @, in lower case; "" for the null sender and for "postmaster". */
export function domainOf(address: Address): string {
  const at = address.lastIndexOf("@");
  return at < 0 ? "" : lowerAscii(address.slice(at + 1));
}

/** Whether it can travel without SMTPUTF8. */
export function isAscii(address: Address): boolean {
  return !/[^\x00-\x7f]/.test(address);
}

/**
 * Whether a pattern fits the whole of an address; `*` is any text, `?` one character, case does not matter.
 * Only the last `*` is ever tried anew, so the cost is at most the product of the two lengths.
 */
export function matchesGlob(pattern: string, address: string): boolean {
  const want = lowerAscii(pattern);
  const text = lowerAscii(address);
  let star = -1;
  let tried = 0;
  let w = 0;
  for (let t = 0; t < text.length; ) {
    if (want[w] === "*") {
      star = w++;
      tried = t;
    } else if (want[w] === "?" || want[w] === text[t]) {
      w++;
      t++;
    } else if (star >= 0) {
      w = star + 1;
      t = ++tried;
    } else return false;
  }
  while (want[w] === "*") w++;
  return w === want.length;
}

/** Where the path that begins with "<" ends: the first ">" outside quotes. */
function closing(text: string): number {
  let quoted = false;
  for (let i = 1; i < text.length; i++) {
    const character = text[i];
    if (character === '"') quoted = !quoted;
    else if (character === "\\" && quoted) i++;
    else if (character === ">" && !quoted) return i;
  }
  return -1;
}

/** Takes off `@a,@b:`. A route that is none stays, and is no address then. */
function withoutRoute(path: string): string {
  if (path[0] !== "@") return path;
  const colon = path.indexOf(":");
  const hosts = colon < 0 ? [] : path.slice(0, colon).split(",");
  const isRoute = hosts.length > 0 && hosts.every((host) => host[0] === "@" && isMailDomain(host.slice(1)));
  return isRoute ? path.slice(colon + 1) : path;
}

function parseLocal(text: string): string | undefined {
  if (text[0] !== '"') return PLAIN_LOCAL.test(text) && !isTreacherous(text) ? text : undefined;
  const content = unquoted(text);
  if (content === undefined || isTreacherous(content.replaceAll(" ", ""))) return undefined;
  return PLAIN_LOCAL.test(content) ? content : `"${content.replace(/["\\]/g, "\\$&")}"`;
}

/** What is between the quotes, backslashes taken off; undefined if the last character is not the closing quote. */
function unquoted(text: string): string | undefined {
  let content = "";
  for (let i = 1; i < text.length; i++) {
    if (text[i] === '"') return i === text.length - 1 ? content : undefined;
    if (text[i] === "\\") i++;
    content += text[i] ?? "";
  }
  return undefined;
}

function isMailDomain(domain: string): boolean {
  if (domain[0] === "[") return LITERAL.test(domain);
  return domain.split(".").every((label) => LABEL.test(label)) && !isTreacherous(domain);
}

const isTreacherous = (text: string): boolean => !isAscii(text) && TREACHEROUS.test(text);
const octets = (text: string): number => (isAscii(text) ? text.length : encoder.encode(text).length);
