/** An account on one line: `odmr://user@host[:port][/domain,domain]`; `odmrs:` is TLS from the first octet. */
// A password never stands on a command line: others can read it there (ps), and shells keep it.

import { isDomain, lowerAscii } from "../wire/domain.ts";
import { type Place, parsePlace } from "./endpoint.ts";

/** The port of On-Demand Mail Relay (RFC 2645 §3). */
export const ODMR_PORT = 366;

export interface AccountUri {
  readonly tls: "starttls" | "implicit";
  readonly user: string;
  readonly provider: Place;
  /** In lower case; none: all that the provider has for this user. */
  readonly domains: readonly string[];
}

/** Why a text is no account, and what to write. */
export class UriError extends Error {
  override readonly name = "UriError";
}

const URI = /^(odmrs?):\/\/(?:([^@/]*)@)?([^@/]*)(?:\/(.*))?$/i;

export const isAccountUri = (text: string): boolean => /^odmrs?:/i.test(text);

/** @throws UriError, whose message never repeats a password */
export function parseAccountUri(text: string): AccountUri {
  const [, scheme, user, at = "", path = ""] = URI.exec(text) ?? fail("this is no odmr:// address");
  if (user === undefined || user === "") return fail("the user is missing");
  if (user.includes(":"))
    throw new UriError(
      "a password in the address is seen by others; take it out and use --password-file FILE",
    );
  return {
    tls: scheme?.toLowerCase() === "odmrs" ? "implicit" : "starttls",
    user: decode(user),
    provider: parsePlace(at, ODMR_PORT) ?? fail(`"${at}" names no host`),
    domains: domainsOf(path),
  };
}

function domainsOf(path: string): readonly string[] {
  if (path === "") return [];
  return path.split(",").map((domain) => {
    const lower = lowerAscii(domain);
    return isDomain(lower) ? lower : fail(`"${domain}" is no domain`);
  });
}

function decode(user: string): string {
  try {
    return decodeURIComponent(user);
  } catch {
    return fail(`"${user}" is not percent-encoded as it should be`);
  }
}

function fail(why: string): never {
  throw new UriError(`${why}; write odmr://user@relay.example.net/example.org`);
}
