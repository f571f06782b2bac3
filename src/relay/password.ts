/** Passwords in the one form that both ends hash: SASLprep (RFC 4013). */
// What SASLprep forbids stays as it is: it was typed in by somebody and has to fit only itself.

import { saslprep } from "@mongodb-js/saslprep";

/** Printable ASCII is its own prepared form. */
const PRINTABLE = /^[ -~]*$/;

export function prepared(password: string): string {
  if (PRINTABLE.test(password)) return password;
  try {
    return saslprep(password, { allowUnassigned: true });
  } catch {
    return password;
  }
}
