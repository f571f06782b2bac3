/** What both sides of SCRAM share (RFC 5802 §5, §7): attributes, names, and the keys of one exchange. */
// Both sides sign the same text: the first two messages as they went over the wire, and the last without its proof.

import { encodeBase64 } from "../../wire/base64.ts";
import { concat, encode, NOTHING } from "./octets.ts";

export const BINDING = "tls-exporter";

/** The value of `key=value` at this place of a message; undefined: it is not there, or another is. */
export function attribute(message: readonly string[], place: number, key: string): string | undefined {
  const part = message[place];
  return part?.startsWith(`${key}=`) ? part.slice(key.length + 1) : undefined;
}

/** "," and "=" within names (RFC 5802 §5.1). */
export const encodeName = (name: string): string => name.replaceAll("=", "=3D").replaceAll(",", "=2C");

/** Undefined: a "=" that is neither =2C nor =3D, or an empty name. */
export function decodeName(name: string | undefined): string | undefined {
  if (!name || /=(?!2C|3D)/.test(name)) return undefined;
  return name.replaceAll("=2C", ",").replaceAll("=3D", "=");
}

/** The `c=` attribute: what the first message said of binding, and the channel itself where it is bound. */
export function boundTo(gs2Header: string, exporter: (() => Uint8Array) | undefined): string {
  return encodeBase64(concat(encode(gs2Header), exporter?.() ?? NOTHING));
}
