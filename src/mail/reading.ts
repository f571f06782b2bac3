/** A message as a person reads it: its fields and its plain text, decoded. */
// For display alone: what is broken is shown as well as it goes, nothing throws, and the work is linear in the octets.
import { fieldText } from "./encodedword.ts";

export interface Field {
  readonly name: string;
  readonly value: string;
}

export interface Part {
  /** "image/png" */
  readonly type: string;
  /** The file's name that the sender gave, or "". */
  readonly name: string;
  /** Encoded, as it travels. */
  readonly octets: number;
}

export interface Contents {
  readonly fields: readonly Field[];
  /** The first plain text; made from HTML where there is no other. */
  readonly text: string;
  readonly fromHtml: boolean;
  /** What else it carries. */
  readonly parts: readonly Part[];
}

const FIELDS_MOST = 500;
const PARTS_MOST = 100;
const DEPTH_MOST = 8;
const TEXT_MOST = 200_000;

/** @param octets of a message, or its beginning */
export function readContents(octets: Uint8Array): Contents {
  const { fields, body } = split(octets);
  const found: Found = { parts: [] };
  look(fields, body, found, 0);
  const text = found.plain ?? (found.html === undefined ? "" : textOfHtml(found.html));
  return {
    fields,
    text: text.slice(0, TEXT_MOST),
    fromHtml: found.plain === undefined && found.html !== undefined,
    parts: found.parts,
  };
}

interface Found {
  plain?: string;
  html?: string;
  readonly parts: Part[];
}

/** Takes a part's text, or notes what it is; goes into what is made of parts (RFC 2046 §5.1). */
function look(fields: readonly Field[], body: Uint8Array, found: Found, depth: number): void {
  const { value: type, parameters } = typed(fieldValue(fields, "content-type") ?? "text/plain");
  const boundary = parameters.get("boundary");
  if (type.startsWith("multipart/") && boundary && depth < DEPTH_MOST) {
    for (const octets of partsOf(body, boundary)) {
      const part = split(octets);
      look(part.fields, part.body, found, depth + 1);
    }
    return;
  }
  const disposition = typed(fieldValue(fields, "content-disposition") ?? "");
  const name = fieldText(encode(disposition.parameters.get("filename") ?? parameters.get("name") ?? ""));
  const isText = disposition.value !== "attachment" && name === "";
  const text = () => decode(body, fieldValue(fields, "content-transfer-encoding"), parameters.get("charset"));
  if (isText && type === "text/plain" && found.plain === undefined) found.plain = text();
  else if (isText && type === "text/html" && found.html === undefined) found.html = text();
  else if (found.parts.length < PARTS_MOST) found.parts.push({ type, name, octets: body.length });
}

/** Header and body, at the first empty line. */
function split(octets: Uint8Array): { readonly fields: readonly Field[]; readonly body: Uint8Array } {
  const fields: Field[] = [];
  let at = 0;
  while (at < octets.length) {
    const end = fieldEnd(octets, at);
    const line = octets.subarray(at, end);
    at = end;
    if (isBlank(line)) break;
    const colon = line.indexOf(58);
    if (fields.length >= FIELDS_MOST) continue;
    if (colon > 0)
      fields.push({
        name: latin1(line.subarray(0, colon)).trim(),
        value: fieldText(line.subarray(colon + 1)),
      });
  }
  return { fields, body: octets.subarray(at) };
}

/** Where a field ends, folded lines with it. */
function fieldEnd(octets: Uint8Array, from: number): number {
  let end = lineEnd(octets, from);
  if (isBlank(octets.subarray(from, end))) return end;
  while (octets[end] === 32 || octets[end] === 9) end = lineEnd(octets, end);
  return end;
}

function lineEnd(octets: Uint8Array, from: number): number {
  const lf = octets.indexOf(10, from);
  return lf < 0 ? octets.length : lf + 1;
}

const isBlank = (line: Uint8Array): boolean => line.length <= 2 && (line[0] === 10 || line[0] === 13);

const fieldValue = (fields: readonly Field[], name: string): string | undefined =>
  fields.find((field) => field.name.toLowerCase() === name)?.value;

/** `type/subtype; name=value; …` (RFC 2045 §5.1). */
function typed(value: string): { readonly value: string; readonly parameters: ReadonlyMap<string, string> } {
  const [first = "", ...rest] = value.slice(0, 2000).split(";");
  const parameters = rest.flatMap((each) => {
    const [, name, quoted, plain] = /^\s*([^=\s]+)\s*=\s*(?:"([^"]*)"|(\S*))/.exec(each) ?? [];
    return name === undefined ? [] : [[name.toLowerCase(), quoted ?? plain ?? ""] as const];
  });
  return { value: first.trim().toLowerCase(), parameters: new Map(parameters) };
}

/** The parts between the delimiter lines. */
function* partsOf(body: Uint8Array, boundary: string): Generator<Uint8Array> {
  const delimiter = `--${boundary}`;
  let begun: number | undefined;
  for (let at = 0, count = 0; at < body.length && count < PARTS_MOST; ) {
    const end = lineEnd(body, at);
    const line = body[at] === 45 ? latin1(body.subarray(at, Math.min(end, at + 100))).trimEnd() : "";
    if (line === delimiter || line === `${delimiter}--`) {
      if (begun !== undefined) yield body.subarray(begun, at);
      if (line !== delimiter) return;
      begun = end;
      count += 1;
    }
    at = end;
  }
  if (begun !== undefined) yield body.subarray(begun);
}

function decode(body: Uint8Array, encoding = "", charset = "utf-8"): string {
  const decoder = decoders[encoding.trim().toLowerCase()] ?? ((octets) => octets);
  const octets = decoder(body.subarray(0, TEXT_MOST * 3));
  return (charsetText(charset, octets) ?? charsetText("utf-8", octets) ?? "").replace(/\r\n?/g, "\n");
}

const decoders: Readonly<Record<string, (octets: Uint8Array) => Uint8Array>> = {
  base64: (octets) => {
    const text = latin1(octets).replace(/[^A-Za-z0-9+/]/g, "");
    const whole = text.slice(0, text.length % 4 === 1 ? -1 : undefined);
    return Uint8Array.from(atob(whole), (c) => c.charCodeAt(0));
  },
  "quoted-printable": (octets) =>
    Uint8Array.from(
      latin1(octets)
        .replace(/=[ \t]{0,76}\r?\n/g, "")
        .replace(/=([0-9a-fA-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
      (c) => c.charCodeAt(0),
    ),
};

function charsetText(charset: string, octets: Uint8Array): string | undefined {
  try {
    return new TextDecoder(charset).decode(octets);
  } catch {
    return undefined;
  }
}

/** The words between the tags, blocks on lines of their own. Still to be shown as text, never as HTML. */
function textOfHtml(html: string): string {
  let text = "";
  let skip = "";
  for (const piece of html.split("<")) {
    const close = piece.indexOf(">");
    const [, end = "", tag = ""] = /^(\/?)([a-z][a-z0-9]*)/i.exec(piece) ?? [];
    const name = tag.toLowerCase();
    if (skip !== "" && !(end && name === skip)) continue;
    skip = !end && UNSEEN.has(name) ? name : "";
    if (BLOCKS.has(name)) text += "\n";
    if (skip === "") text += name === "" && text === "" ? piece : piece.slice(close + 1);
  }
  return text
    .replace(/&(?:nbsp|#160);/g, " ")
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&amp;/g, "&")
    .replace(/[ \t]*\n\s*/g, "\n")
    .trim();
}

const UNSEEN = new Set(["head", "style", "script", "title"]);
const BLOCKS = new Set(["p", "div", "br", "tr", "li", "h1", "h2", "h3", "table", "ul", "ol", "hr"]);

const latin1 = (octets: Uint8Array): string => new TextDecoder("latin1").decode(octets);
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
