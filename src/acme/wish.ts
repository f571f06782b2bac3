/** When the CA would like a certificate to be renewed (RFC 9773): earlier than usual, where it is about to take it back. */
// It is a wish: without an answer the certificate is renewed by its dates.
import { X509Certificate } from "node:crypto";
import type { Instant } from "../platform/clock.ts";
import { ask, type ExchangeTools } from "./exchange.ts";

export interface Window {
  readonly from: Instant;
  readonly until: Instant;
}

/** undefined: the CA has no wishes. @throws if it cannot be asked, or its answer is none */
export async function wishOf(
  certificate: string,
  directory: string,
  tools: ExchangeTools,
): Promise<Window | undefined> {
  const { renewalInfo } = (await read(directory, tools)) as { readonly renewalInfo?: string };
  if (typeof renewalInfo !== "string") return undefined;
  const id = await idOf(certificate);
  if (id === undefined) return undefined;
  const said = (await read(`${renewalInfo.replace(/\/$/, "")}/${id}`, tools)) as {
    readonly suggestedWindow?: { readonly start?: string; readonly end?: string };
  };
  const [from, until] = [said.suggestedWindow?.start, said.suggestedWindow?.end].map((at) =>
    Date.parse(at ?? ""),
  );
  if (!(from! <= until!)) throw new Error("the CA's wish is no span of time");
  return { from: from!, until: until! };
}

async function read(url: string, tools: ExchangeTools): Promise<unknown> {
  const { status, data } = await ask({ url, headers: { toJSON: () => ({}) } }, tools);
  if (status !== 200) throw new Error(`${url} answers ${status}`);
  return JSON.parse(data);
}

/** RFC 9773 §4.1: whose key signed it, and its serial number as it is in DER; undefined: it does not say whose. */
export async function idOf(certificate: string): Promise<string | undefined> {
  const [asn, x509] = await Promise.all([import("@peculiar/asn1-schema"), import("@peculiar/asn1-x509")]);
  const { tbsCertificate } = asn.AsnConvert.parse(new X509Certificate(certificate).raw, x509.Certificate);
  const found = tbsCertificate.extensions?.find(({ extnID }) => extnID === x509.id_ce_authorityKeyIdentifier);
  if (found === undefined) return undefined;
  const { keyIdentifier } = asn.AsnConvert.parse(found.extnValue.buffer, x509.AuthorityKeyIdentifier);
  if (keyIdentifier === undefined) return undefined;
  return [keyIdentifier.buffer, tbsCertificate.serialNumber]
    .map((octets) => Buffer.from(octets as ArrayBuffer).toString("base64url"))
    .join(".");
}
