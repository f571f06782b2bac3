/** The parameters of MAIL and RCPT: one row for each keyword, read and written beside each other. */
// A doubled or malformed one is 501, an unknown one 555 (RFC 5321 §4.1.1.11): nothing is overlooked in silence.

import { isAscii } from "./address.ts";
import type { MailParameters, RcptParameters } from "./command.ts";
import { type Reply, reply } from "./reply.ts";
import { decodeXtext, encodeXtext } from "./xtext.ts";

/** What a value says; undefined: it is malformed. */
type Read<P> = (value: string | undefined) => P | Reply | undefined;
/** The value as it is written; undefined: the parameter is left out; "": it has no value. */
type Write<P> = (parameters: P) => string | undefined;
type Table<P> = ReadonlyMap<string, { readonly read: Read<P>; readonly write: Write<P> }>;

/** BINARYMIME is not announced (RFC 3030 §3): as a parameter that is not implemented it gets 555. */
const noBinary = reply(555, "5.5.4", "BODY=BINARYMIME is not implemented");

const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
const ORIGIN = new RegExp(`^(${UUID})\\.(${UUID})$`, "i");
const TYPED_ADDRESS = /^([A-Za-z0-9-]+);(.+)$/;
const ENVID_LENGTH = 100;
const ADDRESS_LENGTH = 500;

const MAIL: Table<MailParameters> = new Map([
  ["SIZE", { read: size, write: ({ size }) => size?.toString() }],
  ["BODY", { read: body, write: ({ body }) => body }],
  [
    "SMTPUTF8",
    {
      read: (value) => (value === undefined ? { smtputf8: true } : undefined),
      write: (p) => p.smtputf8 && "",
    },
  ],
  ["RET", { read: ret, write: ({ ret }) => ret }],
  ["ENVID", { read: envid, write: ({ envid }) => envid && encodeXtext(envid) }],
  ["AUTH", { read: auth, write: ({ auth }) => auth && encodeXtext(auth) }],
  ["XODMRID", { read: origin, write: ({ origin }) => origin && `${origin.spool}.${origin.message}` }],
]);

const RCPT: Table<RcptParameters> = new Map([
  ["NOTIFY", { read: notify, write: ({ notify }) => notify?.join(",") || undefined }],
  ["ORCPT", { read: orcpt, write: ({ orcpt }) => orcpt && encodeTyped(orcpt) }],
]);

export const parseMailParameters = (words: string): MailParameters | Reply => parse(MAIL, words);
export const parseRcptParameters = (words: string): RcptParameters | Reply => parse(RCPT, words);
export const formatMailParameters = (parameters: MailParameters): readonly string[] =>
  format(MAIL, parameters);
export const formatRcptParameters = (parameters: RcptParameters): readonly string[] =>
  format(RCPT, parameters);

function parse<P extends object>(table: Table<P>, words: string): P | Reply {
  const seen = new Set<string>();
  let parameters = {} as P;
  for (const word of words.split(" ")) {
    if (word === "") continue;
    const [name = "", value] = divided(word);
    const keyword = name.toUpperCase();
    const row = table.get(keyword);
    if (row === undefined) return reply(555, "5.5.4", `Unknown parameter ${keyword.slice(0, 40)}`);
    if (seen.has(keyword)) return reply(501, "5.5.4", `${keyword} is given twice`);
    seen.add(keyword);
    const read = row.read(value);
    if (read === undefined) return reply(501, "5.5.4", `${keyword} has no good value`);
    if ("code" in read) return read;
    parameters = { ...parameters, ...read };
  }
  return parameters;
}

function format<P>(table: Table<P>, parameters: P): readonly string[] {
  const words: string[] = [];
  for (const [keyword, { read, write }] of table) {
    const value = write(parameters);
    if (value === undefined) continue;
    if (/[^!-~]/.test(value) || read(value === "" ? undefined : value) === undefined)
      throw new RangeError(`${JSON.stringify(value)} is no value for ${keyword}`);
    words.push(value === "" ? keyword : `${keyword}=${value}`);
  }
  return words;
}

/** At the first "=": a value may have more of them. */
function divided(word: string): readonly [string, string | undefined] {
  const cut = word.indexOf("=");
  return cut < 0 ? [word, undefined] : [word.slice(0, cut), word.slice(cut + 1)];
}

function size(value = ""): MailParameters | undefined {
  const octets = /^[0-9]{1,20}$/.test(value) ? Number(value) : Number.NaN;
  return Number.isSafeInteger(octets) ? { size: octets } : undefined;
}

function body(value = ""): MailParameters | Reply | undefined {
  const kind = value.toUpperCase();
  if (kind === "BINARYMIME") return noBinary;
  return kind === "7BIT" || kind === "8BITMIME" ? { body: kind } : undefined;
}

function ret(value = ""): MailParameters | undefined {
  const part = value.toUpperCase();
  return part === "FULL" || part === "HDRS" ? { ret: part } : undefined;
}

function envid(value = ""): MailParameters | undefined {
  const id = value.length <= ENVID_LENGTH ? decodeXtext(value) : undefined;
  return id && isAscii(id) ? { envid: id } : undefined;
}

function auth(value = ""): MailParameters | undefined {
  const who = value.length <= ADDRESS_LENGTH ? decodeXtext(value) : undefined;
  return who ? { auth: who } : undefined;
}

function origin(value = ""): MailParameters | undefined {
  const [, spool, message] = ORIGIN.exec(value.toLowerCase()) ?? [];
  return spool !== undefined && message !== undefined ? { origin: { spool, message } } : undefined;
}

const OCCASIONS: ReadonlySet<string> = new Set(["NEVER", "SUCCESS", "FAILURE", "DELAY"]);

function notify(value = ""): RcptParameters | undefined {
  const occasions = value.toUpperCase().split(",") as NonNullable<RcptParameters["notify"]>;
  const good = occasions.every((o) => OCCASIONS.has(o)) && new Set(occasions).size === occasions.length;
  return good && (occasions.length === 1 || !occasions.includes("NEVER")) ? { notify: occasions } : undefined;
}

/** Under SMTPUTF8 an address of the type utf-8 comes as it is (RFC 6533 §3), anything else as xtext. */
function orcpt(value = ""): RcptParameters | undefined {
  const [, type = "", encoded = ""] = (value.length <= ADDRESS_LENGTH && TYPED_ADDRESS.exec(value)) || [];
  const raw = type.toLowerCase() === "utf-8" && !isAscii(encoded);
  const address = raw ? encoded : decodeXtext(encoded);
  return address ? { orcpt: `${type};${address}` } : undefined;
}

/** Other than ASCII is written as \x{…}: that form of RFC 6533 needs no SMTPUTF8 on the way. */
function encodeTyped(orcpt: string): string {
  const [, type = "", address = ""] = TYPED_ADDRESS.exec(orcpt) ?? [];
  const ascii = address.replace(
    /[^\x00-\x7f]/gu,
    (c) => `\\x{${c.codePointAt(0)?.toString(16).toUpperCase()}}`,
  );
  return `${type};${encodeXtext(ascii)}`;
}
