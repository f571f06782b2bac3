/** A key with a certificate that vouches for itself: whoever knows its fingerprint needs nobody else's word. */
// It is known by its fingerprint alone, so it does not run out: a new one would want every pin to be changed.
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  X509Certificate,
} from "node:crypto";
import type { Random } from "./random.ts";

/** RFC 5280 §4.1.2.5: for what has no known end. */
const NEVER = new Date("9999-12-31T23:59:59Z");
const SERIAL_OCTETS = 16;
const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
const COMMON_NAME = "2.5.4.3";
const ACME_IDENTIFIER = "1.3.6.1.5.5.7.1.31";

/** A private key, P-256. PEM. */
export function newKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  return privateKey.export({ type: "pkcs8", format: "pem" }) as string;
}

/**
 * The certificate of a key for a host of this name. PEM.
 * @param key PEM @param since when it begins to count, in milliseconds of the clock
 */
export async function selfSigned(key: string, wanted: Wanted): Promise<string> {
  return pem("CERTIFICATE", await certificateOf(createPrivateKey(key), wanted));
}

/** How a certificate is pinned: the SHA-256 of it, 64 hex digits. @param certificate PEM; the first one in it counts */
export function fingerprintOf(certificate: string): string {
  return createHash("sha256").update(new X509Certificate(certificate).raw).digest("hex");
}

interface Wanted {
  readonly name: string;
  readonly since: number;
  readonly random: Random;
  /** RFC 8737 §3: what the certificate proves beside; 32 octets. */
  readonly acmeIdentifier?: Uint8Array;
}

/** DER. The packages for it are loaded here: a certificate is made once in the life of a relay, or of a house. */
async function certificateOf(
  key: KeyObject,
  { name, since, random, acmeIdentifier }: Wanted,
): Promise<Uint8Array> {
  const [asn, x509] = await Promise.all([import("@peculiar/asn1-schema"), import("@peculiar/asn1-x509")]);
  const algorithm = new x509.AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  const itself = new x509.Name([
    new x509.RelativeDistinguishedName([
      new x509.AttributeTypeAndValue({
        type: COMMON_NAME,
        value: new x509.AttributeValue({ utf8String: name.slice(0, COMMON_NAME_AT_MOST) }),
      }),
    ]),
  ]);
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  const tbsCertificate = new x509.TBSCertificate({
    version: x509.Version.v3,
    serialNumber: serial(random),
    signature: algorithm,
    issuer: itself,
    subject: itself,
    validity: new x509.Validity({ notBefore: new Date(since), notAfter: NEVER }),
    subjectPublicKeyInfo: asn.AsnConvert.parse(spki, x509.SubjectPublicKeyInfo),
    extensions: new x509.Extensions([
      new x509.Extension({
        extnID: x509.id_ce_subjectAltName,
        extnValue: new asn.OctetString(
          asn.AsnConvert.serialize(
            new x509.SubjectAlternativeName([new x509.GeneralName({ dNSName: name })]),
          ),
        ),
      }),
      ...(acmeIdentifier === undefined
        ? []
        : [
            new x509.Extension({
              extnID: ACME_IDENTIFIER,
              critical: true,
              extnValue: new asn.OctetString(
                asn.AsnConvert.serialize(new asn.OctetString(arrayBufferOf(acmeIdentifier))),
              ),
            }),
          ]),
    ]),
  });
  const signatureValue = sign("sha256", new Uint8Array(asn.AsnConvert.serialize(tbsCertificate)), key);
  return new Uint8Array(
    asn.AsnConvert.serialize(
      new x509.Certificate({
        tbsCertificate,
        signatureAlgorithm: algorithm,
        signatureValue: arrayBufferOf(signatureValue),
      }),
    ),
  );
}

/** RFC 5280, appendix A: ub-common-name. */
const COMMON_NAME_AT_MOST = 64;

/** Positive, and without an octet that DER would leave out. */
function serial(random: Random): ArrayBuffer {
  const octets = Uint8Array.from(random.bytes(SERIAL_OCTETS));
  octets[0] = 0x40 | (octets[0]! & 0x3f);
  return arrayBufferOf(octets);
}

const arrayBufferOf = (octets: Uint8Array): ArrayBuffer => Uint8Array.from(octets).buffer;

function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
