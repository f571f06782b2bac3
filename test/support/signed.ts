/** Signed mail for tests, with the zone in which its keys are found. */
import { generateKeyPairSync } from "node:crypto";
import { dkimSignature } from "../../src/mail/dkim.ts";
import { txt, type Zone } from "./zone.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
export const keyPem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const keyText = `v=DKIM1; k=rsa; p=${publicKey.export({ type: "spki", format: "der" }).toString("base64")}`;

/** `domain` has this key under the selector `s1`. */
export const keyOf = (domain: string): Zone => ({ [`s1._domainkey.${domain} TXT`]: txt(keyText) });

/** The message with a DKIM-Signature of the domain in its From on top. */
export async function signed(message: string, domain: string): Promise<string> {
  const key = { selector: "s1", key: keyPem };
  return `${await dkimSignature([Buffer.from(message, "latin1")], new Map([[domain, key]]))}${message}`;
}
