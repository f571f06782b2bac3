/** EXTERNAL (RFC 4422 §A): the TLS client certificate has already said who it is. */
// The client may name whom it wants to act for; it may only be the certificate's own user.

import type { Answers } from "./client.ts";
import { decode, NOTHING } from "./octets.ts";
import type { Exchange, ServerContext } from "./server.ts";

export function* serveExternal(
  { certificateUser }: ServerContext,
  initial: Uint8Array | undefined,
): Exchange {
  const authzid = decode(initial ?? (yield NOTHING));
  return authzid === "" || authzid === certificateUser ? certificateUser : undefined;
}

export function* answerExternal(): Answers {
  yield NOTHING;
}
