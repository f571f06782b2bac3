/** Names of mail: which hosts take a domain's mail, and where they are (RFC 5321 §5.1). */
// That there is nothing is an answer; that nobody answers is a NameTrouble, and says nothing of the domain.
import { Resolver } from "node:dns/promises";

export interface Exchange {
  readonly preference: number;
  /** In lower case; "." is the null MX (RFC 7505): the domain takes no mail. */
  readonly host: string;
}

export interface Names {
  /** Whether "none" can be believed. Deno says it too where a server failed: then nothing may be refused for good by it. */
  readonly certain: boolean;
  /** A domain's MX records; none: it has none, or does not exist. @throws NameTrouble */
  exchanges(domain: string): Promise<readonly Exchange[]>;
  /** A host's addresses, IPv4 first; none: it has none. @throws NameTrouble */
  addresses(host: string): Promise<readonly string[]>;
  /** The texts of a name's TXT records. @throws NameTrouble */
  texts(name: string): Promise<readonly string[]>;
}

/** The question was not answered: ask again later. */
export class NameTrouble extends Error {
  override readonly name = "NameTrouble";
}

/** Milliseconds and tries for one server. */
const PATIENCE = { timeout: 5_000, tries: 2 };

/** @param servers `address` or `address:port`; none: the system's */
export function systemNames(servers: readonly string[] = []): Names {
  const resolver = new Resolver(PATIENCE);
  if (servers.length > 0) resolver.setServers(servers);
  return {
    certain: !("Deno" in globalThis),
    async exchanges(domain) {
      const records = await answersOrNone(domain, resolver.resolveMx(domain));
      return records.map(({ exchange, priority }) => ({
        preference: priority,
        host: exchange === "" ? "." : exchange.toLowerCase(),
      }));
    },
    async addresses(host) {
      const asked = await Promise.allSettled([
        answersOrNone(host, resolver.resolve4(host)),
        answersOrNone(host, resolver.resolve6(host)),
      ]);
      const found = asked.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
      for (const answer of asked) if (answer.status === "rejected" && found.length === 0) throw answer.reason;
      return found;
    },
    async texts(name) {
      const records = await answersOrNone(name, resolver.resolveTxt(name));
      return records.map((pieces) => pieces.join(""));
    },
  };
}

/** What runtimes say where a name, or a record of it, does not exist: they do not tell the two apart. */
const NONE: readonly string[] = ["ENOTFOUND", "ENODATA", "DNS_ENOTFOUND", "DNS_ENODATA"];

/** @throws NameTrouble if the question was not answered */
export async function answersOrNone<T>(name: string, asked: Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await asked;
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (NONE.includes(code)) return [];
    throw new NameTrouble(`no answer on ${name} (${code || String(error)})`, { cause: error });
  }
}
