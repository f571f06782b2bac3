/** SCRAM-SHA-256 and -PLUS, the client's side (RFC 5802, 7677): proves the password without showing it, and checks the server. */
// Without the server's own proof nothing is believed: 235 alone could come from anybody.

import { decodeBase64, encodeBase64 } from "../../wire/base64.ts";
import type { Answers, ClientContext } from "./client.ts";
import { decode, encode, hash, mac, NOTHING, same, xor } from "./octets.ts";
import { attribute, BINDING, boundTo, encodeName } from "./scram.ts";
import { SaslError } from "./trouble.ts";
import { isReasonable, portablePbkdf2 } from "./verifier.ts";

/** The server's first message, taken apart. */
interface ServerFirst {
  readonly text: string;
  readonly nonce: string;
  readonly salt: Uint8Array;
  readonly iterations: number;
}

export function answerScramPlus(context: ClientContext): Answers {
  return answer(context, `p=${BINDING},,`, context.exporter);
}

/** "y" says that we could bind and the server does not seem to: a server that did offer it then knows of a meddler. */
export function answerScram(context: ClientContext): Answers {
  const couldBind = context.exporter !== undefined && !context.offered.includes("SCRAM-SHA-256-PLUS");
  return answer(context, couldBind ? "y,," : "n,,", undefined);
}

function* answer(
  context: ClientContext,
  gs2Header: string,
  exporter: (() => Uint8Array) | undefined,
): Answers {
  const { pbkdf2 = portablePbkdf2 } = context;
  const ourNonce = encodeBase64(context.nonce);
  const bare = `n=${encodeName(context.user)},r=${ourNonce}`;
  const first = readFirst(decode(yield encode(gs2Header + bare)) ?? "", ourNonce);

  const withoutProof = `c=${boundTo(gs2Header, exporter)},r=${first.nonce}`;
  const signed = `${bare},${first.text},${withoutProof}`;
  const salted = pbkdf2(context.password, first.salt, first.iterations);
  const clientKey = mac(salted, "Client Key");
  const proof = xor(clientKey, mac(hash(clientKey), signed));
  const last = decode(yield encode(`${withoutProof},p=${encodeBase64(proof)}`)) ?? "";

  checkServer(last, mac(mac(salted, "Server Key"), signed));
  yield NOTHING;
}

/** `r=nonce,s=salt,i=iterations[,extensions]` @throws SaslError */
function readFirst(text: string, ourNonce: string): ServerFirst {
  const parts = text.split(",");
  const nonce = attribute(parts, 0, "r") ?? "";
  const salt = decodeBase64(attribute(parts, 1, "s") ?? "");
  const count = attribute(parts, 2, "i") ?? "";
  const iterations = /^[0-9]{1,10}$/.test(count) ? Number(count) : Number.NaN;
  if (!nonce.startsWith(ourNonce) || nonce.length <= ourNonce.length)
    throw new SaslError("SCRAM: the server's nonce does not go on from ours");
  if (salt === "bad" || salt.length === 0 || Number.isNaN(iterations))
    throw new SaslError("SCRAM: the server's first message cannot be read");
  if (!isReasonable(iterations)) throw new SaslError(`SCRAM: the server wants ${iterations} iterations`);
  return { text, nonce, salt, iterations };
}

/** `v=signature`, or `e=why`. @throws SaslError */
function checkServer(text: string, wanted: Uint8Array): void {
  const signature = decodeBase64(attribute(text.split(","), 0, "v") ?? "");
  if (signature === "bad" || !same(signature, wanted))
    throw new SaslError("SCRAM: the server does not prove that it knows the password");
}
