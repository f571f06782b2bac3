/** PLAIN (RFC 4616): `[authzid] NUL authcid NUL password`, as it is; only under TLS. */
// Acting for somebody else is not offered: an authzid that is not the user himself is refused.

import type { Answers, ClientContext } from "./client.ts";
import { decode, encode, NOTHING } from "./octets.ts";
import type { Exchange, ServerContext } from "./server.ts";
import { fits, portablePbkdf2 } from "./verifier.ts";

export function* servePlain(context: ServerContext, initial: Uint8Array | undefined): Exchange {
  const message = decode(initial ?? (yield NOTHING));
  const [authzid, user, password, ...more] = message?.split("\0") ?? [];
  if (!user || !password || more.length > 0) return undefined;
  const good = checkPassword(context, user, password);
  return good && (authzid === "" || authzid === user) ? user : undefined;
}

export function* answerPlain({ user, password }: ClientContext): Answers {
  yield encode(`\0${user}\0${password}`);
}

/** For mechanisms that send the password. An unknown user costs as much time as a wrong password. */
export function checkPassword(context: ServerContext, user: string, password: string): boolean {
  const { known, scram, pbkdf2 = portablePbkdf2 } = context.secretOf(user);
  return fits(password, scram, pbkdf2) && known;
}
