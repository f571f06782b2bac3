/** Base64 as SASL wants it: strict, whole, or not at all (RFC 4954 §4). */

const WHOLE = /^[A-Za-z0-9+/]*={0,2}$/;

export function encodeBase64(bytes: Uint8Array): string {
  let octets = "";
  for (const octet of bytes) octets += String.fromCharCode(octet);
  return btoa(octets);
}

/** "bad" where the text is not canonical base64; "" and "=" are the empty string. */
export function decodeBase64(text: string): Uint8Array | "bad" {
  if (text === "=") return new Uint8Array(0);
  if (text.length % 4 !== 0 || !WHOLE.test(text)) return "bad";
  return Uint8Array.from(atob(text), (octet) => octet.charCodeAt(0));
}
