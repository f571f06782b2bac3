/** Hashes: SHA-256 in one go and piece by piece, and PBKDF2 over it. */
// For octets that are ours to name and for stored passwords; comparing secrets is the caller's, in constant time.
import { createHash, pbkdf2Sync } from "node:crypto";

/** A SHA-256 that grows with its octets. */
export interface Hash {
  update(bytes: Uint8Array): void;
  /** The 32 octets; once. */
  digest(): Uint8Array;
}

export function sha256(bytes: Uint8Array): Uint8Array {
  const hash = newSha256();
  hash.update(bytes);
  return hash.digest();
}

export function newSha256(): Hash {
  const hash = createHash("sha256");
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => new Uint8Array(hash.digest()),
  };
}

/** PBKDF2 with HMAC-SHA-256, 32 octets (RFC 8018 §5.2; `Hi` of RFC 5802). Takes its time, by design, and stalls the thread. */
export function pbkdf2Sha256(password: string, salt: Uint8Array, iterations: number): Uint8Array {
  return new Uint8Array(pbkdf2Sync(password, salt, iterations, 32, "sha256"));
}
