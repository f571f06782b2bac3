/** Names in a configuration: hosts, address patterns, fingerprints, networks. */
// Whether a name is well formed is asked here; whether it exists is not.

import { isIP } from "node:net";

const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const HOST = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);

/** A name that a host may call itself, or an address in brackets (RFC 5321 §4.1.3). */
export const isHostname = (text: string): boolean =>
  text.length <= 255 && (HOST.test(text.toLowerCase()) || /^\[[0-9A-Za-z:.]+\]$/.test(text));

/** An address with `*` and `?` for what may vary; `*` alone takes all. */
export const isAddressPattern = (text: string): boolean => text === "*" || /^[^@\s]+@[^@\s]+$/.test(text);

/** A header field's name (RFC 5322 §2.2). */
export const isFieldName = (text: string): boolean => /^[!-9;-~]{1,76}$/.test(text);

/** SHA-256 of a certificate, however it was copied (`sha256:…`, `AB:CD:…`): 64 lower-case hex digits, or undefined. */
export function parseFingerprint(text: string): string | undefined {
  const hex = text
    .replace(/^sha-?256(?: fingerprint)?[:=$]/i, "")
    .replaceAll(":", "")
    .toLowerCase();
  return /^[0-9a-f]{64}$/.test(hex) ? hex : undefined;
}

/** An address, or one with a prefix length: `192.0.2.0/24`. */
export function isNetwork(text: string): boolean {
  const [address = "", length, more] = text.split("/");
  const family = isIP(address);
  if (family === 0 || more !== undefined) return false;
  return length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= (family === 4 ? 32 : 128));
}
