/** Encoded words (RFC 2047), read for display. */
// What cannot be decoded is shown as it stands; nothing here throws.

const WORD = /=\?([^?*\s]{1,40})(?:\*[^?\s]*)?\?([bq])\?([^?\s]*)\?=/gi;
const BETWEEN_WORDS = /(=\?[^?\s]{1,40}\?[bq]\?[^?\s]*\?=)\s+(?==\?[^?\s]{1,40}\?[bq]\?)/gi;

/** The text of an unstructured header field: octets as they came, folds and encoded words resolved, controls made blanks. */
export function fieldText(octets: Uint8Array): string {
  const raw = decode("utf-8", octets) ?? decode("windows-1252", octets) ?? "";
  const joined = raw.replace(/\r?\n(?=[ \t])/g, "").replace(BETWEEN_WORDS, "$1");
  return decodeWords(joined)
    .replace(/[\x00-\x20\x7f-\x9f]+/g, " ")
    .trim();
}

/** Neighbours of one charset are decoded together: senders cut characters in two although §5 forbids it. */
function decodeWords(text: string): string {
  let out = "";
  let end = 0;
  let open: { charset: string; octets: number[]; raw: string } | undefined;
  const shut = () => {
    if (open !== undefined) out += decode(open.charset, Uint8Array.from(open.octets)) ?? open.raw;
    open = undefined;
  };
  for (const match of text.matchAll(WORD)) {
    const [raw, charset = "", encoding = "", content = ""] = match;
    if (match.index > end || open?.charset !== charset.toLowerCase()) {
      shut();
      out += text.slice(end, match.index);
      open = { charset: charset.toLowerCase(), octets: [], raw: "" };
    }
    open.raw += raw;
    open.octets.push(...(encoding.toLowerCase() === "b" ? base64(content) : quoted(content)));
    end = match.index + raw.length;
  }
  shut();
  return out + text.slice(end);
}

/** Undefined: no such charset, or not text in it. A charset other than UTF-8 shows U+FFFD for what it lacks. */
function decode(charset: string, octets: Uint8Array): string | undefined {
  try {
    return new TextDecoder(charset, { fatal: charset === "utf-8" }).decode(octets);
  } catch {
    return undefined;
  }
}

function base64(content: string): number[] {
  try {
    return Array.from(atob(content.replace(/[^A-Za-z0-9+/]/g, "")), (c) => c.charCodeAt(0));
  } catch {
    return Array.from(content, (c) => c.charCodeAt(0) & 0xff);
  }
}

function quoted(content: string): number[] {
  const plain = content
    .replace(/_/g, " ")
    .replace(/=([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return [...new Uint8Array(Array.from(plain, (c) => c.charCodeAt(0)))];
}
