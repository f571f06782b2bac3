/** Octets as SASL handles them: text to and fro, hashes, and comparisons that tell nothing by their time. */
// Pure JavaScript hashes: this folder runs in every runtime, and each exchange hashes only a few hundred octets.

import { hmac } from "@noble/hashes/hmac.js";
import { md5 } from "@noble/hashes/legacy.js";
import { sha256 } from "@noble/hashes/sha2.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const NOTHING = new Uint8Array(0);

export const encode = (text: string): Uint8Array => encoder.encode(text);

/** The text, or undefined if the octets are no UTF-8. */
export function decode(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

export const hash = (bytes: Uint8Array): Uint8Array => sha256(bytes);
export const mac = (key: Uint8Array, text: string): Uint8Array => hmac(sha256, key, encode(text));
export const md5Mac = (key: string, message: Uint8Array): Uint8Array => hmac(md5, encode(key), message);

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

export function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((octet, i) => octet ^ (b[i] ?? 0));
}

export function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

/** Whether all octets are the same, in a time that depends on the length alone. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
