/** SCRAM-SHA-256 and -PLUS, the server's side (RFC 5802, 7677): the client proves that it knows the password, so do we. */
// The last proof goes in a 334 of its own, which the client answers with nothing (RFC 4954 §4: 235 carries no data).

import { decodeBase64, encodeBase64 } from "../../wire/base64.ts";
import { decode, encode, hash, mac, NOTHING, same, xor } from "./octets.ts";
import { attribute, BINDING, boundTo, decodeName } from "./scram.ts";
import type { Exchange, ServerContext } from "./server.ts";

/** The client's first message, taken apart. */
interface First {
  /** `p=…,,` or `n,,` with the authzid: the last message has to repeat it. */
  readonly gs2Header: string;
  readonly bare: string;
  readonly user: string;
  readonly nonce: string;
}

/** What the client may say of binding: without -PLUS, "y" would mean that somebody took our -PLUS off the list. */
type AcceptsFlag = (flag: string) => boolean;

export function serveScram(context: ServerContext, initial: Uint8Array | undefined): Exchange {
  const accepts: AcceptsFlag = (flag) => flag === "n" || (flag === "y" && context.exporter === undefined);
  return serve(context, initial, accepts, undefined);
}

export function* serveScramPlus(context: ServerContext, initial: Uint8Array | undefined): Exchange {
  if (context.exporter === undefined) return undefined;
  return yield* serve(context, initial, (flag) => flag === `p=${BINDING}`, context.exporter);
}

function* serve(
  context: ServerContext,
  initial: Uint8Array | undefined,
  accepts: AcceptsFlag,
  exporter: (() => Uint8Array) | undefined,
): Exchange {
  const first = readFirst(decode(initial ?? (yield NOTHING)), accepts);
  if (first === undefined) return undefined;
  const { known, scram } = context.secretOf(first.user);
  const nonce = first.nonce + encodeBase64(context.nonce);
  const serverFirst = `r=${nonce},s=${encodeBase64(scram.salt)},i=${scram.iterations}`;

  const last = decode(yield encode(serverFirst)) ?? "";
  const withoutProof = last.slice(0, last.lastIndexOf(",p="));
  const parts = withoutProof.split(",");
  const proof = decodeBase64(last.slice(withoutProof.length + ",p=".length));
  if (attribute(parts, 0, "c") !== boundTo(first.gs2Header, exporter)) return undefined;
  if (attribute(parts, 1, "r") !== nonce || proof === "bad") return undefined;

  const signed = `${first.bare},${serverFirst},${withoutProof}`;
  const clientKey = xor(proof, mac(scram.storedKey, signed));
  if (!same(hash(clientKey), scram.storedKey) || !known) return undefined;
  const answer = yield encode(`v=${encodeBase64(mac(scram.serverKey, signed))}`);
  return answer.length === 0 ? first.user : undefined;
}

/** `flag,[a=authzid],n=user,r=nonce[,extensions]`; a mandatory extension ("m=" in the user's place) is none that we know. */
function readFirst(message: string | undefined, accepts: AcceptsFlag): First | undefined {
  const parts = message?.split(",") ?? [];
  const [flag = "", authzid = ""] = parts;
  const user = decodeName(attribute(parts, 2, "n"));
  const nonce = attribute(parts, 3, "r");
  if (user === undefined || !nonce || !/^[!-~]+$/.test(nonce) || !accepts(flag)) return undefined;
  if (authzid !== "" && decodeName(attribute(parts, 1, "a")) !== user) return undefined;
  return { gs2Header: `${flag},${authzid},`, bare: parts.slice(2).join(","), user, nonce };
}
