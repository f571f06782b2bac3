/** Delivery to the world: each recipient's domain by its MX hosts, under TLS where they have it. */
// TLS is opportunistic (RFC 7435): any certificate will do, and where the handshake fails the line is tried without. Where the
// domain publishes a policy (RFC 8461) it is asked for, with the host's name in the certificate, or nothing is sent.
import { type ClientTls, type Connection, ConnectionError } from "../net/connection.ts";
import { LineError, Talk } from "../net/talk.ts";
import { type Address, domainOf } from "../wire/address.ts";
import { isPositive, type Reply } from "../wire/reply.ts";
import { type Delivery, type Outcome, type Parcel, sameForAll } from "./delivery.ts";
import type { Limits } from "./limits.ts";
import { lines } from "./lines.ts";
import { type RouteTools, routeTo } from "./route.ts";

/** What a domain demands of its exchanges: these patterns, and TLS with a certificate for the host. */
export interface Policy {
  readonly hosts: readonly string[];
}

export interface ExchangeTools extends RouteTools {
  readonly limits: Limits;
  /** A plain connection to a host of the world. @throws ConnectionError */
  connect(address: string): Promise<Connection>;
  /** PEM, by which exchanges are checked where a policy demands it; undefined: the system's. */
  readonly ca?: string;
  /** What the domain demands; undefined: nothing. */
  policyOf(domain: string): Promise<Policy | undefined>;
}

export function exchanges(tools: ExchangeTools): Delivery {
  return new Exchanges(tools);
}

/** Milliseconds for a handshake. */
const HANDSHAKE = 60_000;
/** Addresses that are tried for one message at most: somebody's MX may list hundreds. */
const TRIED = 8;

class Exchanges implements Delivery {
  readonly #tools: ExchangeTools;
  readonly #destinations = new Map<string, Promise<Delivery | Reply>>();

  constructor(tools: ExchangeTools) {
    this.#tools = tools;
  }

  async deliver(parcel: Parcel): Promise<readonly Outcome[]> {
    const domains = Map.groupBy(parcel.envelope.recipients, ({ address }) => domainOf(address));
    const told = await Promise.all(
      [...domains].map(([domain, recipients]) =>
        this.#carry(domain, {
          ...parcel,
          envelope: { ...parcel.envelope, recipients },
          content: () => parcel.content(),
        }),
      ),
    );
    const outcomeOf = new Map<Address, Outcome>(told.flat().map((outcome) => [outcome.to, outcome]));
    return parcel.envelope.recipients.map(({ address }) => outcomeOf.get(address)!);
  }

  async close(): Promise<void> {
    const destinations = await Promise.all(this.#destinations.values());
    await Promise.all(
      destinations.map((destination) => ("deliver" in destination ? destination.close() : undefined)),
    );
  }

  async #carry(domain: string, parcel: Parcel): Promise<readonly Outcome[]> {
    const known = this.#destinations.get(domain) ?? this.#find(domain);
    this.#destinations.set(domain, known);
    const destination = await known;
    if ("deliver" in destination) return destination.deliver(parcel);
    return sameForAll(parcel, destination.code < 500 ? "deferred" : "refused", destination);
  }

  async #find(domain: string): Promise<Delivery | Reply> {
    const hosts = await routeTo(domain, this.#tools);
    if ("code" in hosts) return hosts;
    return lines({ name: domain, open: () => this.#open(domain, hosts) }, this.#tools.limits);
  }

  /** A line to the first of the hosts that takes one. @throws the last trouble */
  async #open(domain: string, hosts: readonly string[]): Promise<Talk> {
    const policy = await this.#tools.policyOf(domain);
    const fit = hosts.filter((host) => policy?.hosts.some((pattern) => fits(pattern, host)) ?? true);
    let trouble: unknown = new LineError("closed", "none of its exchanges is in its MTA-STS policy");
    let tried = 0;
    for (const host of fit) {
      const addresses = await this.#addresses(host);
      if (addresses instanceof LineError) trouble = addresses;
      else
        for (const address of addresses) {
          if (tried++ >= TRIED) throw trouble;
          try {
            return await this.#meet(address, host, policy === undefined ? "any" : "checked");
          } catch (fault) {
            if (!(fault instanceof LineError || fault instanceof ConnectionError)) throw fault;
            trouble = fault;
          }
        }
    }
    throw trouble;
  }

  /** At least one, or why there is none: the next of the exchanges may have some. */
  async #addresses(host: string): Promise<readonly string[] | LineError> {
    try {
      const found = await this.#tools.names.addresses(host);
      return found.length > 0 ? found : new LineError("closed", `${host} has no address`);
    } catch (trouble) {
      if (trouble instanceof Error && trouble.name === "NameTrouble")
        return new LineError("closed", trouble.message, undefined, { cause: trouble });
      throw trouble;
    }
  }

  async #meet(address: string, host: string, tls: "any" | "checked"): Promise<Talk> {
    const { ca } = this.#tools;
    const plain = await greeted(await this.#tools.connect(address), this.#tools.hostname);
    const offered = plain.capabilities.has("STARTTLS");
    if (!offered && tls === "any") return plain;
    if (offered && (await turnsToTls(plain)))
      try {
        return await secured(
          plain,
          { servername: host, ...(tls === "any" ? { anybody: true } : ca !== undefined && { ca }) },
          this.#tools.hostname,
        );
      } catch (fault) {
        if (tls === "checked" || !(fault instanceof ConnectionError || fault instanceof LineError))
          throw fault;
        return greeted(await this.#tools.connect(address), this.#tools.hostname);
      }
    if (tls === "any") return plain;
    await plain.close();
    throw new LineError("closed", `${host} offers no TLS, and the domain's MTA-STS policy demands it`);
  }
}

/** @throws LineError: the line has ended */
async function turnsToTls(plain: Talk): Promise<boolean> {
  try {
    await plain.ask({ verb: "STARTTLS" });
    if (plain.error !== undefined) throw plain.error;
    return plain.turned;
  } catch (fault) {
    plain.connection.destroy();
    throw fault;
  }
}

async function greeted(connection: Connection, hostname: string): Promise<Talk> {
  const talk = new Talk(connection);
  try {
    const greeting = await talk.greeting();
    if (!isPositive(greeting)) throw new LineError("closed", "refuses the call", greeting);
    return await hello(talk, hostname);
  } catch (fault) {
    connection.destroy();
    throw fault;
  }
}

async function secured(plain: Talk, tls: ClientTls, hostname: string): Promise<Talk> {
  const connection = await plain.connection.startTls({ as: "client", tls }, HANDSHAKE);
  try {
    return await hello(new Talk(connection, "SMTP", "renewed"), hostname);
  } catch (fault) {
    connection.destroy();
    throw fault;
  }
}

/** EHLO, or HELO for hosts from before it (RFC 5321 §3.2). */
async function hello(talk: Talk, hostname: string): Promise<Talk> {
  const answer = await talk.ask({ verb: "EHLO", name: hostname });
  if (isPositive(answer)) return talk;
  const plainly = await talk.ask({ verb: "HELO", name: hostname });
  if (isPositive(plainly)) return talk;
  throw new LineError("closed", "refuses our name", plainly);
}

/** `*.example.com` is for one label in its place (RFC 8461 §4.1). */
function fits(pattern: string, host: string): boolean {
  if (!pattern.startsWith("*.")) return pattern.toLowerCase() === host;
  return host.slice(host.indexOf(".")) === pattern.slice(1).toLowerCase();
}
