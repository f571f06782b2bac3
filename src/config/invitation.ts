/** An invitation on one line: `odmr-join://relay.example.net:366/TOKEN/PIN`; `odmrs-join:` is TLS from the first octet. */
// The token is a secret for as long as the invitation counts; the pin tells the relay from everybody else.

import { type Place, parsePlace } from "./endpoint.ts";
import { ODMR_PORT } from "./uri.ts";

export interface Invitation {
  readonly tls: "starttls" | "implicit";
  readonly provider: Place;
  /** 128 bits, in the letters of base64url. */
  readonly token: string;
  /** SHA-256 of the relay's certificate, 64 hex digits. */
  readonly pin: string;
}

/** Why a text is no invitation, and what to do. It never repeats the text. */
export class InvitationError extends Error {
  override readonly name = "InvitationError";
}

const LINE = /^(odmrs?)-join:\/\/([^/]+)\/([A-Za-z0-9_-]{22})\/([A-Za-z0-9_-]{43})$/i;

export const isInvitation = (text: string): boolean => /^\s*odmrs?-join:/i.test(text);

/** Blanks and line ends within it are a terminal's, not its own. @throws InvitationError */
export function parseInvitation(text: string): Invitation {
  const line = text.replace(/\s+/g, "");
  if (!isInvitation(line)) return fail("this is no invitation; it begins with odmr-join://");
  const [, scheme = "", at = "", token = "", pin = ""] =
    LINE.exec(line) ?? fail("this invitation is not whole, or more than one; copy all of the line");
  return {
    tls: scheme.toLowerCase() === "odmrs" ? "implicit" : "starttls",
    provider: parsePlace(at, ODMR_PORT) ?? fail(`"${at}" in this invitation names no host`),
    token,
    pin: Buffer.from(pin, "base64url").toString("hex"),
  };
}

export function formatInvitation({ tls, provider: { host, port }, token, pin }: Invitation): string {
  const at = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const print = Buffer.from(pin, "hex").toString("base64url");
  return `${tls === "implicit" ? "odmrs" : "odmr"}-join://${at}/${token}/${print}`;
}

function fail(why: string): never {
  throw new InvitationError(why);
}
