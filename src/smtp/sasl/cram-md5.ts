/** CRAM-MD5 (RFC 2195): a keyed digest of the server's challenge. RFC 2645 wants every ODMR server to have it. */
// It needs the password itself on both sides, and proves nothing of the server.

import type { Answers, ClientContext } from "./client.ts";
import { decode, encode, hex, md5Mac, same } from "./octets.ts";
import type { Exchange, ServerContext } from "./server.ts";

export function* serveCramMd5(context: ServerContext, initial: Uint8Array | undefined): Exchange {
  // The server speaks first; a client that does not wait answers a challenge that it has not seen.
  if (initial !== undefined) return undefined;
  const challenge = encode(`<${hex(context.nonce)}.${context.now}@${context.hostname}>`);
  const response = decode(yield challenge) ?? "";
  // A user's name may have blanks in it, a digest has none.
  const cut = response.lastIndexOf(" ");
  if (cut < 1) return undefined;
  const user = response.slice(0, cut);
  const { known, password } = context.secretOf(user);
  const wanted = hex(md5Mac(password ?? "", challenge));
  const good = same(encode(response.slice(cut + 1)), encode(wanted));
  return good && known && password !== undefined ? user : undefined;
}

export function* answerCramMd5({ user, password }: ClientContext): Answers {
  const challenge = yield undefined;
  yield encode(`${user} ${hex(md5Mac(password, challenge))}`);
}
