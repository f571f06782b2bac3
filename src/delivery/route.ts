/** Which hosts take a domain's mail, best first (RFC 5321 §5.1, RFC 7505). */
// A reply instead of hosts is what every recipient of the domain gets: 5xx where there is no way, 4xx where nobody knows yet.
import type { Exchange, Names } from "../platform/dns.ts";
import type { Random } from "../platform/random.ts";
import { type Reply, reply } from "../wire/reply.ts";

export interface RouteTools {
  readonly names: Names;
  readonly random: Random;
  /** Our own name: a domain whose best exchange we are would come back to us for ever (RFC 5321 §5.1). */
  readonly hostname: string;
}

const answers = {
  nullMx: reply(556, "5.1.10", "The domain takes no mail (null MX)"),
  nowhere: reply(550, "5.1.2", "The domain does not exist, or has neither MX nor address"),
  perhapsNowhere: reply(450, "4.4.3", "The domain cannot be found now"),
  literal: reply(550, "5.1.2", "Address literals are not sent to"),
  ourselves: reply(554, "5.4.6", "The domain's MX points to us, and it is not ours: a loop"),
  silent: (why: string) => reply(451, "4.4.3", why),
} as const;

export async function routeTo(
  domain: string,
  { names, random, hostname }: RouteTools,
): Promise<readonly string[] | Reply> {
  if (domain === "" || domain.startsWith("[")) return answers.literal;
  const nothing = names.certain ? answers.nowhere : answers.perhapsNowhere;
  try {
    const exchanges = await names.exchanges(domain);
    if (exchanges.length === 0) return (await names.addresses(domain)).length === 0 ? nothing : [domain];
    if (exchanges.every(({ host }) => host === ".")) return answers.nullMx;
    return betterThan(hostname.toLowerCase(), inOrder(exchanges, random));
  } catch (trouble) {
    if (trouble instanceof Error && trouble.name === "NameTrouble") return answers.silent(trouble.message);
    throw trouble;
  }
}

/** By preference; equal ones by chance, which spreads the load. */
function inOrder(exchanges: readonly Exchange[], random: Random): readonly Exchange[] {
  return exchanges
    .filter(({ host }) => host !== ".")
    .map((exchange) => ({ exchange, lot: random.fraction() }))
    .sort((a, b) => a.exchange.preference - b.exchange.preference || a.lot - b.lot)
    .map(({ exchange }) => exchange);
}

/** Where we are among the exchanges, only those before us are asked. */
function betterThan(us: string, exchanges: readonly Exchange[]): readonly string[] | Reply {
  const ours = exchanges.find(({ host }) => host === us);
  const hosts = exchanges
    .filter(({ preference }) => ours === undefined || preference < ours.preference)
    .map(({ host }) => host);
  return hosts.length === 0 ? answers.ourselves : hosts;
}
