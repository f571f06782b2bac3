/** SMTP commands: grammar only; what is allowed when is rules.ts's, what is allowed to whom is relay's. */
// Reading is as liberal as the wild needs; writing is strict, and writes nothing that could be read as something else.

import { type Address, isAscii, type Path, parsePath } from "./address.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { parseDomainList } from "./domain.ts";
import {
  formatMailParameters,
  formatRcptParameters,
  parseMailParameters,
  parseRcptParameters,
} from "./parameters.ts";
import { type Reply, reply } from "./reply.ts";

/** MAIL's parameters (RFC 1870, 6152, 6531, 3461, 4954 and our XODMRID). */
export interface MailParameters {
  readonly size?: number;
  readonly body?: "7BIT" | "8BITMIME";
  readonly smtputf8?: true;
  readonly ret?: "FULL" | "HDRS";
  /** Decoded from xtext. */
  readonly envid?: string;
  /** AUTH= of RFC 4954, decoded from xtext; "<>" is kept as such. */
  readonly auth?: string;
  /** XODMRID=<spool>.<message>. */
  readonly origin?: { readonly spool: string; readonly message: string };
}

/** RCPT's parameters (RFC 3461). */
export interface RcptParameters {
  readonly notify?: readonly ("NEVER" | "SUCCESS" | "FAILURE" | "DELAY")[];
  /** `type;address`, the address decoded from xtext. */
  readonly orcpt?: string;
}

export type Command =
  | { readonly verb: "EHLO" | "HELO" | "LHLO"; readonly name: string }
  | { readonly verb: "MAIL"; readonly from: Address; readonly parameters: MailParameters }
  | { readonly verb: "RCPT"; readonly to: Address; readonly parameters: RcptParameters }
  | { readonly verb: "DATA" | "RSET" | "QUIT" | "STARTTLS" | "XODMRTURN" }
  | { readonly verb: "NOOP" | "HELP" | "VRFY" | "EXPN"; readonly argument: string }
  | { readonly verb: "BDAT"; readonly size: number; readonly last: boolean }
  | { readonly verb: "AUTH"; readonly mechanism: string; readonly initial: Uint8Array | undefined }
  /** Domains in lower case; none: all. */
  | { readonly verb: "ATRN"; readonly domains: readonly string[] }
  /** Domains as for ATRN; with `size`, only mail of at most so many octets is waited for. */
  | { readonly verb: "XODMRWAIT"; readonly domains: readonly string[]; readonly size?: number }
  | { readonly verb: "ETRN"; readonly node: string }
  /** An invitation's token, and the SHA-256 of the certificate that is to count, 64 hex digits. */
  | { readonly verb: "XODMRPAIR"; readonly token: string; readonly certificate: string };

export type Verb = Command["verb"];

/** Why a line is no command, and what to answer. `verb` is there if that much was readable. */
export interface Problem {
  readonly verb: Verb | undefined;
  readonly problem: Reply;
}

/** The longest line of any command, in octets with its CRLF. */
export const LINE_LIMIT = 12_288;
const USUAL_LIMIT = 512;

/** What each extension adds to a line: SIZE 26, BODY 17, SMTPUTF8 10, AUTH 500, RET and ENVID 8 + 107, XODMRID 82; NOTIFY and ORCPT 536. */
const LIMITS: ReadonlyMap<Verb, number> = new Map([
  ["AUTH", LINE_LIMIT],
  ["MAIL", USUAL_LIMIT + 26 + 17 + 10 + 500 + 115 + 82],
  ["RCPT", USUAL_LIMIT + 536],
]);

const say = {
  unknown: reply(500, "5.5.2", "Unknown command"),
  tooLong: reply(500, "5.5.2", "Line too long"),
  unreadable: reply(501, "5.5.2", "Only UTF-8 without control characters is understood"),
  syntax: (form: string) => reply(501, "5.5.4", `Syntax: ${form}`),
  noMechanism: reply(504, "5.5.4", "No such mechanism"),
  noBase64: reply(501, "5.5.2", "The initial response is not base64"),
  noUtf8: reply(553, "5.6.7", "An address with other than ASCII wants SMTPUTF8"),
};

/** Reads the words behind a verb: a command, or why it is none. */
type Parse = (words: string) => Command | Reply;

const GRAMMAR: ReadonlyMap<string, Parse> = new Map<Verb, Parse>([
  ["EHLO", greeting("EHLO")],
  ["HELO", greeting("HELO")],
  ["LHLO", greeting("LHLO")],
  ["MAIL", mail],
  ["RCPT", rcpt],
  ["DATA", alone("DATA")],
  ["RSET", alone("RSET")],
  ["QUIT", alone("QUIT")],
  ["STARTTLS", alone("STARTTLS")],
  ["NOOP", (argument) => ({ verb: "NOOP", argument })],
  ["HELP", (argument) => ({ verb: "HELP", argument })],
  ["VRFY", (argument) => (argument === "" ? say.syntax("VRFY user") : { verb: "VRFY", argument })],
  ["EXPN", (argument) => (argument === "" ? say.syntax("EXPN list") : { verb: "EXPN", argument })],
  ["BDAT", bdat],
  ["AUTH", auth],
  ["ATRN", atrn],
  ["XODMRWAIT", wait],
  ["XODMRTURN", alone("XODMRTURN")],
  ["ETRN", etrn],
  ["XODMRPAIR", pair],
]);

const CONTROL = /[\x00-\x1f\x7f]/;
const WORD = /^[!-~]+$/;
const MECHANISM = /^[A-Z0-9_-]{1,20}$/;
const WAIT_SIZE = /^SIZE=([0-9]{1,20})$/i;
const PAIR = /^([A-Za-z0-9_-]{22,128}) +sha256:([0-9a-f]{64})$/i;
const CHUNK = /^([0-9]{1,20})(?: +(LAST))?$/i;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Reads one line, given without its line end. */
export function parseCommand(line: Uint8Array): Command | Problem {
  const [word = ""] = /^[A-Za-z0-9]+(?=[ \t]|$)/.exec(String.fromCharCode(...line.subarray(0, 10))) ?? [];
  const parse = GRAMMAR.get(word.toUpperCase());
  if (parse === undefined) return { verb: undefined, problem: say.unknown };
  const verb = word.toUpperCase() as Verb;
  const problem = (why: Reply): Problem => ({ verb, problem: why });
  if (line.length + 2 > (LIMITS.get(verb) ?? USUAL_LIMIT)) return problem(say.tooLong);
  const words = decoded(withoutBlanks(line.subarray(word.length)));
  if (words === undefined) return problem(say.unreadable);
  const command = parse(words);
  return "verb" in command ? command : problem(command);
}

/** The line to send, CRLF-ended. @throws RangeError for anything that would not be read back as this one command */
export function formatCommand(command: Command): Uint8Array {
  const line = wordsOf(command).join(" ");
  if (CONTROL.test(line)) throw new RangeError(`${command.verb} with a control character in it`);
  return encoder.encode(`${line}\r\n`);
}

function wordsOf(command: Command): readonly string[] {
  const { verb } = command;
  switch (verb) {
    case "EHLO":
    case "HELO":
    case "LHLO":
      return [verb, oneWord(command.name)];
    case "MAIL":
      return [verb, `FROM:${path(command.from)}`, ...formatMailParameters(command.parameters)];
    case "RCPT":
      return [verb, `TO:${path(command.to)}`, ...formatRcptParameters(command.parameters)];
    case "DATA":
    case "RSET":
    case "QUIT":
    case "STARTTLS":
    case "XODMRTURN":
      return [verb];
    case "NOOP":
    case "HELP":
    case "VRFY":
    case "EXPN":
      return command.argument === "" ? [verb] : [verb, command.argument];
    case "BDAT":
      return [verb, octets(command.size), ...(command.last ? ["LAST"] : [])];
    case "AUTH":
      return [verb, oneWord(command.mechanism), ...initialResponse(command.initial)];
    case "ATRN":
      return [verb, ...domainList(command.domains)];
    case "XODMRWAIT":
      return [
        verb,
        ...domainList(command.domains),
        ...(command.size === undefined ? [] : [`SIZE=${octets(command.size)}`]),
      ];
    case "ETRN":
      return [verb, oneWord(command.node)];
    case "XODMRPAIR":
      return [verb, oneWord(command.token), `sha256:${oneWord(command.certificate)}`];
  }
}

function oneWord(text: string): string {
  if (!WORD.test(text)) throw new RangeError(`${JSON.stringify(text)} is not one word of printable ASCII`);
  return text;
}

function octets(count: number): string {
  if (!Number.isSafeInteger(count) || count < 0) throw new RangeError(`${count} is no count of octets`);
  return String(count);
}

function path(address: Address): string {
  const text = `<${address}>`;
  const read = parsePath(text);
  if (read?.address !== address || read.rest !== "")
    throw new RangeError(`${JSON.stringify(address)} is no address`);
  return text;
}

function domainList(list: readonly string[]): readonly string[] {
  if (list.length === 0) return [];
  const text = list.join(",");
  if (parseDomainList(text) === undefined)
    throw new RangeError(`${JSON.stringify(text)} is no list of domains`);
  return [text];
}

/** "=" is the empty response, and none is none (RFC 4954 §4). */
function initialResponse(bytes: Uint8Array | undefined): readonly string[] {
  if (bytes === undefined) return [];
  return [bytes.length === 0 ? "=" : encodeBase64(bytes)];
}

function greeting(verb: "EHLO" | "HELO" | "LHLO"): Parse {
  return (name) => (WORD.test(name) && name.length <= 255 ? { verb, name } : say.syntax(`${verb} name`));
}

function alone(verb: "DATA" | "RSET" | "QUIT" | "STARTTLS" | "XODMRTURN"): Parse {
  return (words) => (words === "" ? { verb } : say.syntax(verb));
}

function atrn(words: string): Command | Reply {
  const domains = listed(words);
  return domains === undefined ? say.syntax("ATRN [domain,domain]") : { verb: "ATRN", domains };
}

function wait(words: string): Command | Reply {
  const cut = words.lastIndexOf(" ");
  const [, digits] = WAIT_SIZE.exec(words.slice(cut + 1)) ?? [];
  const domains = listed(digits === undefined ? words : words.slice(0, Math.max(cut, 0)).trimEnd());
  const size = Number(digits ?? 0);
  if (domains === undefined || !Number.isSafeInteger(size))
    return say.syntax("XODMRWAIT [domain,domain] [SIZE=octets]");
  return digits === undefined ? { verb: "XODMRWAIT", domains } : { verb: "XODMRWAIT", domains, size };
}

const listed = (words: string) => (words === "" ? [] : parseDomainList(words));

function mail(words: string): Command | Reply {
  const path = pathBehind("FROM:", words);
  if (path === undefined || path.address === "postmaster") return say.syntax("MAIL FROM:<address>");
  const parameters = parseMailParameters(path.rest);
  if ("code" in parameters) return parameters;
  if (!parameters.smtputf8 && !isAscii(path.address)) return say.noUtf8;
  return { verb: "MAIL", from: path.address, parameters };
}

function rcpt(words: string): Command | Reply {
  const path = pathBehind("TO:", words);
  if (path === undefined || path.address === "") return say.syntax("RCPT TO:<address>");
  const parameters = parseRcptParameters(path.rest);
  return "code" in parameters ? parameters : { verb: "RCPT", to: path.address, parameters };
}

/** RFC 2645's own example has a blank behind the colon; it is read and never written. */
function pathBehind(keyword: string, words: string): Path | undefined {
  if (words.slice(0, keyword.length).toUpperCase() !== keyword) return undefined;
  const path = parsePath(words.slice(keyword.length).trimStart());
  return path?.rest === "" || path?.rest[0] === " " ? path : undefined;
}

function bdat(words: string): Command | Reply {
  const [, digits, last] = CHUNK.exec(words) ?? [];
  const size = Number(digits);
  return Number.isSafeInteger(size)
    ? { verb: "BDAT", size, last: last !== undefined }
    : say.syntax("BDAT octets [LAST]");
}

function auth(words: string): Command | Reply {
  const [name = "", response, ...more] = words.split(/ +/);
  if (name === "" || more.length > 0) return say.syntax("AUTH mechanism [initial-response]");
  const mechanism = name.toUpperCase();
  if (!MECHANISM.test(mechanism)) return say.noMechanism;
  const initial = response === undefined ? undefined : decodeBase64(response);
  return initial === "bad" ? say.noBase64 : { verb: "AUTH", mechanism, initial };
}

function etrn(node: string): Command | Reply {
  return WORD.test(node) ? { verb: "ETRN", node } : say.syntax("ETRN node");
}

function pair(words: string): Command | Reply {
  const [, token, certificate] = PAIR.exec(words) ?? [];
  return token === undefined || certificate === undefined
    ? say.syntax("XODMRPAIR token sha256:certificate")
    : { verb: "XODMRPAIR", token, certificate: certificate.toLowerCase() };
}

/** Blanks at both ends are forgiven. No regular expression: one for the far end would be tried at each blank on the way. */
function withoutBlanks(bytes: Uint8Array): Uint8Array {
  let from = 0;
  let to = bytes.length;
  while (from < to && isBlank(bytes[from])) from++;
  while (to > from && isBlank(bytes[to - 1])) to--;
  return bytes.subarray(from, to);
}

function isBlank(octet: number | undefined): boolean {
  return octet === 0x20 || octet === 0x09;
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    const text = decoder.decode(bytes);
    return CONTROL.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}
