/** Who may log in and by what: passwords, verifiers and certificates of the customers, as SASL asks for them. */
// Somebody unknown looks like a customer with another password: the same salt each time, the same work, the same answer.

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { encode, hex, same } from "../smtp/sasl/octets.ts";
import type { Secret } from "../smtp/sasl/server.ts";
import { ITERATIONS, makeVerifier, type Pbkdf2, type ScramVerifier } from "../smtp/sasl/verifier.ts";
import { lowerAscii } from "../wire/domain.ts";
import { Guesses } from "./guesses.ts";
import { prepared } from "./password.ts";

export interface Person {
  readonly user: string;
  readonly password?: string;
  /** Instead of the password: no CRAM-MD5 then. */
  readonly verifier?: ScramVerifier;
  readonly certificate?: {
    /** SHA-256 of the certificate itself, in hex; then nothing else of it is asked. */
    readonly fingerprint?: string;
    /** A name in a certificate of the CA that we trust. */
    readonly name?: string;
  };
}

/** What TLS tells of the certificate that a client showed. */
export interface ShownCertificate {
  readonly fingerprint: string;
  readonly names: readonly string[];
  readonly trusted: boolean;
}

export interface CredentialTools {
  readonly pbkdf2: Pbkdf2;
  /** Of this server, and the same after a restart: salts are made of it, those of unknown users too. */
  readonly secret: Uint8Array;
  /** Who was wrong lately, as the book before this one knew it. */
  readonly guesses?: Guesses | undefined;
}

/** Secrets kept, the last used ones: a guesser's users pass through here as well. */
const KEPT = 4_096;
const SALT_OCTETS = 16;

export class Credentials {
  /** Who was wrong lately. */
  readonly guesses: Guesses;
  readonly #people: ReadonlyMap<string, Person>;
  readonly #secret: Uint8Array;
  readonly #pbkdf2: Pbkdf2;
  readonly #kept = new Map<string, Secret>();

  constructor(people: readonly Person[], { pbkdf2, secret, guesses }: CredentialTools) {
    this.guesses = guesses ?? new Guesses();
    this.#people = new Map(people.map((person) => [person.user, person]));
    this.#secret = secret;
    this.#pbkdf2 = (password, salt, iterations) => pbkdf2(prepared(password), salt, iterations);
  }

  /** What to check a user's answers against. The first time takes as long as a key derivation, for everybody. */
  secretOf(user: string): Secret {
    const secret = this.#kept.get(user) ?? this.#make(user);
    // A Map goes in the order of insertion: what is put anew is the youngest, and the first key is the oldest.
    this.#kept.delete(user);
    this.#kept.set(user, secret);
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value ?? user);
    return secret;
  }

  /** Whose certificate this is: by its fingerprint, or by a name in it if our CA vouches for it. */
  userOfCertificate({ fingerprint, names, trusted }: ShownCertificate): string | undefined {
    const shown = new Set(trusted ? names.map(lowerAscii) : []);
    for (const { user, certificate } of this.#people.values()) {
      if (
        certificate?.fingerprint !== undefined &&
        same(digits(certificate.fingerprint), digits(fingerprint))
      )
        return user;
      if (certificate?.name !== undefined && shown.has(lowerAscii(certificate.name))) return user;
    }
    return undefined;
  }

  /** Whether what proves who somebody is has stayed the same. */
  agree(others: Credentials, user: string): boolean {
    const [ours, theirs] = [this.#people.get(user), others.#people.get(user)];
    return ours !== undefined && JSON.stringify(ours) === JSON.stringify(theirs);
  }

  #make(user: string): Secret {
    const { password, verifier } = this.#people.get(user) ?? {};
    const salt = this.#derived("salt", user).subarray(0, SALT_OCTETS);
    const stand = hex(this.#derived("password", user));
    const made = makeVerifier(password ?? stand, salt, ITERATIONS, this.#pbkdf2);
    return {
      known: password !== undefined || verifier !== undefined,
      scram: verifier ?? made,
      pbkdf2: this.#pbkdf2,
      ...(password !== undefined && { password: prepared(password) }),
    };
  }

  #derived(what: string, user: string): Uint8Array {
    return hmac(sha256, this.#secret, encode(`${what}\0${user}`));
  }
}

/** Fingerprints come with colons, in capitals and with a "sha256:" in front of them, or plain. */
function digits(fingerprint: string): Uint8Array {
  const hex = fingerprint.toLowerCase().replace(/^sha256:/, "");
  return encode(hex.replaceAll(":", ""));
}
