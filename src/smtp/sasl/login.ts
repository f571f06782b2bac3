/** LOGIN: user and password, each to its own prompt; never a standard, still spoken; only under TLS. */
// Some clients send the user with the AUTH command, most wait for the first prompt.

import type { Answers, ClientContext } from "./client.ts";
import { decode, encode } from "./octets.ts";
import { checkPassword } from "./plain.ts";
import type { Exchange, ServerContext } from "./server.ts";

const USERNAME = encode("Username:");
const PASSWORD = encode("Password:");

export function* serveLogin(context: ServerContext, initial: Uint8Array | undefined): Exchange {
  const user = decode(initial ?? (yield USERNAME));
  const password = decode(yield PASSWORD);
  if (!user || !password) return undefined;
  return checkPassword(context, user, password) ? user : undefined;
}

export function* answerLogin({ user, password }: ClientContext): Answers {
  yield undefined;
  yield encode(user);
  yield encode(password);
}
