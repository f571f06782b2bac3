/** Certificate revocation lists (RFC 5280 §5): which certificates of tls.clientCa count no more. */
// The runtimes differ (Bun reads a list, Deno does not ask it), so what is revoked is judged here, the same on both.

import { type KeyObject, verify, X509Certificate } from "node:crypto";
import type { CertificateList } from "@peculiar/asn1-x509";

export type Standing = "good" | "revoked" | "unknown";

/** What the authorities say of their certificates. */
export interface Revocations {
  /** "unknown": there is no list of its issuer, or that list is out of date. @param certificate in DER form */
  standing(certificate: Uint8Array, now: number): Standing;
  /** When the first of the lists is out of date, in ms; Infinity: never. */
  readonly nextUpdate: number;
}

export class CrlError extends Error {
  override readonly name = "CrlError";
}

interface List {
  readonly serials: ReadonlySet<string>;
  readonly nextUpdate: number;
}

/**
 * @param crl one list or more, in PEM form; each must be signed by one of the authorities
 * @param ca the authorities, in PEM form
 * @throws CrlError that says what is wrong and what to do
 */
export async function readCrl(crl: string, ca: string): Promise<Revocations> {
  const [{ AsnConvert }, { CertificateList: form }] = await Promise.all([
    import("@peculiar/asn1-schema"),
    import("@peculiar/asn1-x509"),
  ]);
  const authorities = blocks(ca, "CERTIFICATE").map((der) => new X509Certificate(der));
  const ders = blocks(crl, "X509 CRL");
  if (ders.length === 0)
    throw new CrlError(
      'it has no revocation list in PEM form ("-----BEGIN X509 CRL-----"); openssl crl -inform der makes one',
    );
  const lists = new Map<string, List>();
  for (const der of ders) {
    const list = parsed(() => AsnConvert.parse(der, form));
    const issuer = issuerOf(list, new Uint8Array(list.tbsCertListRaw ?? []), authorities);
    lists.set(issuer.subject, listOf(list));
  }
  return {
    standing(certificate, now) {
      const shown = new X509Certificate(certificate);
      const list = lists.get(shown.issuer);
      if (list?.serials.has(plain(shown.serialNumber))) return "revoked";
      return list === undefined || list.nextUpdate <= now ? "unknown" : "good";
    },
    nextUpdate: Math.min(...[...lists.values()].map(({ nextUpdate }) => nextUpdate)),
  };
}

function parsed(parse: () => CertificateList): CertificateList {
  try {
    return parse();
  } catch (cause) {
    throw new CrlError("it cannot be read as a revocation list; fetch it again from your CA", { cause });
  }
}

function listOf({ tbsCertList }: CertificateList): List {
  const { crlExtensions = [], revokedCertificates = [], nextUpdate } = tbsCertList;
  const strange = crlExtensions.find(({ critical }) => critical);
  if (strange !== undefined)
    throw new CrlError(
      `it is no complete list: it has the critical extension ${strange.extnID}; use the full one (no delta, no part)`,
    );
  return {
    serials: new Set(
      revokedCertificates.map(({ userCertificate }) => plain(Buffer.from(userCertificate).toString("hex"))),
    ),
    nextUpdate: nextUpdate?.getTime().getTime() ?? Number.POSITIVE_INFINITY,
  };
}

/** Serial numbers come with and without zeros before them, in small letters and capitals. */
const plain = (hex: string): string => hex.toLowerCase().replace(/^0+(?=.)/, "");

/** What the signature algorithms hash with; null: the algorithm says it itself. */
const hashes: Readonly<Record<string, string | null>> = {
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
  "1.3.101.112": null,
};

function issuerOf(
  { signatureAlgorithm, signature }: CertificateList,
  signed: Uint8Array,
  authorities: readonly X509Certificate[],
): X509Certificate {
  const hash = hashes[signatureAlgorithm.algorithm];
  if (hash === undefined)
    throw new CrlError(
      `its signature (${signatureAlgorithm.algorithm}) is none that we check; use SHA-256 with RSA or ECDSA`,
    );
  const octets = new Uint8Array(signature);
  const issuer = authorities.find(({ publicKey }) => fits(hash, signed, publicKey, octets));
  if (issuer === undefined)
    throw new CrlError(
      "it is signed by no certificate in tls.clientCa; name the list and the CA that belong together",
    );
  return issuer;
}

/** A key of another kind than the signature is a "no" too, and not for each runtime to throw. */
function fits(hash: string | null, signed: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  try {
    return verify(hash, signed, key, signature);
  } catch {
    return false;
  }
}

const blocks = (pem: string, name: string): readonly Buffer[] =>
  [...pem.matchAll(new RegExp(`-----BEGIN ${name}-----([A-Za-z0-9+/=\\s]+)-----END ${name}-----`, "g"))].map(
    ([, text = ""]) => Buffer.from(text, "base64"),
  );
