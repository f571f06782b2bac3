/** What a server keeps of a password (RFC 5802 §3): enough to check it, not enough to log in elsewhere. */
// The text form is PostgreSQL's: SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>.

import { pbkdf2 } from "@noble/hashes/pbkdf2.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { decodeBase64, encodeBase64 } from "../../wire/base64.ts";
import { hash, mac, same } from "./octets.ts";

export interface ScramVerifier {
  readonly iterations: number;
  readonly salt: Uint8Array;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** SaltedPassword: PBKDF2 with HMAC-SHA-256, 32 octets. One that also prepares the password (RFC 4013) is welcome. */
export type Pbkdf2 = (password: string, salt: Uint8Array, iterations: number) => Uint8Array;

/** What a server asks for (RFC 7677 §4 wants 4,096 at least). */
export const ITERATIONS = 10_000;
const FEWEST = 4_096;
const MOST = 1_000_000;

/** Fewer would make a stolen verifier cheap, more would stall whoever computes them. */
export const isReasonable = (iterations: number): boolean =>
  Number.isInteger(iterations) && iterations >= FEWEST && iterations <= MOST;

/** In pure JavaScript, for any runtime; the platform's own is some ten times faster. */
export const portablePbkdf2: Pbkdf2 = (password, salt, iterations) =>
  pbkdf2(sha256, password, salt, { c: iterations, dkLen: 32 });

export function makeVerifier(
  password: string,
  salt: Uint8Array,
  iterations: number,
  pbkdf2: Pbkdf2,
): ScramVerifier {
  const salted = pbkdf2(password, salt, iterations);
  return {
    iterations,
    salt,
    storedKey: hash(mac(salted, "Client Key")),
    serverKey: mac(salted, "Server Key"),
  };
}

/** Whether this is the password, for mechanisms that send it. It takes as long for a wrong one. */
export function fits(password: string, verifier: ScramVerifier, pbkdf2: Pbkdf2): boolean {
  const made = makeVerifier(password, verifier.salt, verifier.iterations, pbkdf2);
  return same(made.storedKey, verifier.storedKey);
}

export function formatVerifier({ iterations, salt, storedKey, serverKey }: ScramVerifier): string {
  const [s, stored, server] = [salt, storedKey, serverKey].map(encodeBase64);
  return `SCRAM-SHA-256$${iterations}:${s}$${stored}:${server}`;
}

const FORM = /^SCRAM-SHA-256\$([0-9]{1,7}):([^$:]+)\$([^$:]+):([^$:]+)$/;

/** Undefined if the text is no verifier, or one of an unreasonable count of iterations. */
export function parseVerifier(text: string): ScramVerifier | undefined {
  const [, count, ...parts] = FORM.exec(text) ?? [];
  const iterations = Number(count);
  const [salt, storedKey, serverKey] = parts.map(decodeBase64);
  if (!isReasonable(iterations) || !isOctets(salt) || salt.length === 0) return undefined;
  if (!isOctets(storedKey) || !isOctets(serverKey)) return undefined;
  if (storedKey.length !== 32 || serverKey.length !== 32) return undefined;
  return { iterations, salt, storedKey, serverKey };
}

const isOctets = (part: Uint8Array | "bad" | undefined): part is Uint8Array => part instanceof Uint8Array;
