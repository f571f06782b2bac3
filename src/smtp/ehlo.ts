/** What EHLO lists: how a server says it, and how a client reads it (RFC 5321 §4.1.1.1). */
import { type Address, isAscii } from "../wire/address.ts";
import type { MailParameters } from "../wire/command.ts";
import { type Reply, reply } from "../wire/reply.ts";
import { say } from "./rules.ts";
import type { Capabilities, ServerSettings, Service } from "./session.ts";

/** Keywords that a door adds to those that all have. ATRN stands there before STARTTLS and AUTH too (RFC 2645 §5). */
const ofDoor: Readonly<Record<Service, readonly string[]>> = {
  odmr: ["ATRN"],
  intake: [],
  submission: [],
  lmtp: [],
  reversed: [],
};

export function ehloReply(settings: ServerSettings): Reply {
  return reply(
    250,
    undefined,
    settings.hostname,
    "PIPELINING",
    "8BITMIME",
    "SMTPUTF8",
    "CHUNKING",
    "ENHANCEDSTATUSCODES",
    "DSN",
    `SIZE ${settings.sizeLimit}`,
    ...(settings.startTls ? ["STARTTLS"] : []),
    ...(settings.mechanisms.length > 0 ? [`AUTH ${settings.mechanisms.join(" ")}`] : []),
    ...ofDoor[settings.service],
    ...(settings.etrn ? ["ETRN"] : []),
    ...(settings.wait === undefined ? [] : [`XODMRWAIT ${settings.wait}`]),
    ...(settings.ledger ? ["XODMRID"] : []),
    ...(settings.pair && settings.secure && !settings.known ? ["XODMRPAIR"] : []),
    ...(settings.again ? ["XODMRTURN"] : []),
    ...(settings.limit === undefined ? [] : [`XODMRLIMIT ${settings.limit}`]),
  );
}

/** Why a MAIL that is beyond what we listed is refused; undefined: it is not. */
export function beyondEhlo(
  from: Address,
  parameters: MailParameters,
  settings: ServerSettings,
): Reply | undefined {
  if ((parameters.size ?? 0) > settings.sizeLimit) return say.tooBig;
  if (!parameters.smtputf8 && !isAscii(from)) return say.needsUtf8;
  return parameters.origin !== undefined && !settings.ledger ? say.unknownParameter : undefined;
}

/** What the peer's EHLO or LHLO reply lists; of a HELO reply, nothing. */
export function capabilities(of: Reply): Capabilities {
  const keywords = new Map<string, readonly string[]>();
  for (const line of of.text.slice(1)) {
    // "AUTH=LOGIN" is how servers from before RFC 4954 list their mechanisms.
    const [word = "", ...parameters] = line
      .replace(/^AUTH=/i, "AUTH ")
      .trim()
      .split(/ +/);
    if (word !== "")
      keywords.set(word.toUpperCase(), [...(keywords.get(word.toUpperCase()) ?? []), ...parameters]);
  }
  const size = Number(keywords.get("SIZE")?.[0] ?? 0);
  return {
    name: of.text[0]?.split(" ")[0] ?? "",
    keywords,
    has: (keyword) => keywords.has(keyword),
    size: Number.isSafeInteger(size) && size > 0 ? size : undefined,
    mechanisms: (keywords.get("AUTH") ?? []).map((mechanism) => mechanism.toUpperCase()),
  };
}

/** Nothing is known of a peer that only took HELO. */
export const noCapabilities: Capabilities = capabilities(reply(250, undefined, ""));
