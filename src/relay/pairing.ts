/** XODMRPAIR: whoever has an invitation names the certificate that it will show, and is a customer (dist/docs/extensions.md). */
// Who asks is nobody yet: wrong tokens wait as wrong passwords do, and the answer never says what is wrong with one.
import { network } from "../net/listen.ts";
import { pause } from "../platform/clock.ts";
import { domainLists } from "../wire/domain.ts";
import { type Reply, reply } from "../wire/reply.ts";
import type { Relay } from "./relay.ts";

/** What is kept of invitations, and how one is used. */
export interface Pairing {
  /**
   * Uses an invitation: once this resolves, the certificate is a customer's, after a restart too. The same token with the
   * same certificate may come again: whoever lost the reply asks once more.
   * @param certificate its SHA-256, 64 hex digits
   * @returns "refused" without a word why, "later" if it cannot be done now and the invitation still counts
   */
  redeem(token: string, certificate: string): Promise<Paired | "refused" | "later">;
}

/** Who somebody is from now on. */
export interface Paired {
  readonly name: string;
  readonly domains: readonly string[];
}

const answers = {
  refused: reply(535, "5.7.8", "This invitation does not count: it was used, is over, or never was"),
  later: reply(451, "4.3.0", "This cannot be done now, try again"),
} as const;

/** What somebody comes with. */
interface Introduction {
  readonly token: string;
  readonly certificate: string;
  readonly address: string;
}

/** The answer, and whether it was a refusal. */
export interface Reception {
  readonly reply: Reply;
  readonly refused: boolean;
}

/** Answers after the wait that earlier guesses from this network have earned, however right this one is. */
export async function receivePair(
  relay: Relay,
  { token, certificate, address }: Introduction,
): Promise<Reception> {
  const { clock, stopping, log, pairing } = relay;
  const { guesses } = relay.book.credentials;
  const attempt = { network: network(address), user: undefined };
  const wait = guesses.wait(attempt, clock.steady());
  const paired = (await pairing?.redeem(token, certificate)) ?? "refused";
  if (paired === "refused") guesses.failed(attempt, clock.steady());
  if (wait > 0) await pause(clock, wait, stopping);
  const fields = { peer: address, certificate };
  if (typeof paired === "object") {
    log.log("info", "paired", { user: paired.name, ...fields });
    return { reply: welcome(paired), refused: false };
  }
  log.log("warn", paired === "refused" ? "invitation refused" : "not paired", fields);
  return { reply: answers[paired], refused: paired === "refused" };
}

/** The name on the first line, and lists of domains on those that follow. */
const welcome = ({ name, domains }: Paired): Reply =>
  reply(250, "2.0.0", name, ...domainLists(domains, LIST_AT_MOST).map((list) => list.join(",")));

/** A line of a reply has 512 octets with its CRLF (RFC 5321 §4.5.3.1.5). */
const LIST_AT_MOST = 512 - "250-2.0.0 \r\n".length;
