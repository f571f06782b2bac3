/** xtext: any printable text as one word of a command (RFC 3461 §4). */
// It is how a peer would bring a line end into our headers and commands: nothing that decodes to a control gets through.

const PLAIN = /[!-*,-<>-~]/;
const WHOLE = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/;
const CONTROL = /[\x00-\x1f\x7f]/;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Octets that may not stand for themselves become "+HH"; other than ASCII is encoded as its UTF-8. */
export function encodeXtext(text: string): string {
  let out = "";
  for (const octet of encoder.encode(text)) {
    const character = String.fromCharCode(octet);
    out += PLAIN.test(character) ? character : `+${octet.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}

/** The text, or undefined if it is no xtext, no UTF-8, or holds a control character. */
export function decodeXtext(xtext: string): string | undefined {
  if (!WHOLE.test(xtext)) return undefined;
  if (!xtext.includes("+")) return xtext;
  const octets = xtext.replace(/\+(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  if (CONTROL.test(octets)) return undefined;
  try {
    return decoder.decode(Uint8Array.from(octets, (character) => character.charCodeAt(0)));
  } catch {
    return undefined;
  }
}
