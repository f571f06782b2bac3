/** MTA-STS policies (RFC 8461): asked for when mail goes to a domain, kept for as long as they say, over restarts too. */
// A domain without a policy, or with one that only tests, demands nothing; what was kept outlives an attacker who hides it.
import type { Clock, Instant } from "./clock.ts";
import type { Names } from "./dns.ts";
import type { Log } from "./log.ts";
import type { FetchPolicy } from "./policyfile.ts";

/** What a domain demands of its exchanges. */
export interface Demand {
  readonly hosts: readonly string[];
}

/** A policy as it was published, and until when it holds. */
export interface StsPolicy {
  readonly domain: string;
  readonly id: string;
  readonly mode: "enforce" | "testing" | "none";
  readonly mx: readonly string[];
  readonly fetched: Instant;
  readonly until: Instant;
}

/** Where policies outlive the process. */
export interface PolicyShelf {
  load(): Promise<readonly StsPolicy[]>;
  store(policies: readonly StsPolicy[]): Promise<void>;
}

export interface StsTools {
  readonly names: Pick<Names, "texts">;
  readonly clock: Clock;
  readonly fetch: FetchPolicy;
  readonly log: Log;
  /** Undefined: in memory only. */
  readonly shelf?: PolicyShelf | undefined;
}

/** Milliseconds between two looks at one domain's record; a policy is read again after a day though it did not change. */
const LOOK = 3_600_000;
const RENEW = 24 * 3_600_000;
const KEPT = 10_000;

/** @returns what a domain demands; undefined: nothing */
export function policies(tools: StsTools): (domain: string) => Promise<Demand | undefined> {
  const known = new Policies(tools);
  return (domain) => known.demandOf(domain);
}

interface Seen {
  readonly policy: StsPolicy | undefined;
  /** When its record is looked at again. */
  readonly again: Instant;
}

class Policies {
  readonly #tools: StsTools;
  readonly #seen = new Map<string, Seen>();
  /** Questions under way: many lines to one domain ask once. */
  readonly #asking = new Map<string, Promise<Seen>>();
  #loaded: Promise<void> | undefined;
  #storing: Promise<void> | undefined;
  #changed = false;

  constructor(tools: StsTools) {
    this.#tools = tools;
  }

  async demandOf(domain: string): Promise<Demand | undefined> {
    this.#loaded ??= this.#load();
    await this.#loaded;
    const seen = this.#seen.get(domain);
    const now = this.#tools.clock.now();
    const { policy } = seen !== undefined && now < seen.again ? seen : await this.#askOnce(domain);
    return policy?.mode === "enforce" ? { hosts: policy.mx } : undefined;
  }

  #askOnce(domain: string): Promise<Seen> {
    const under = this.#asking.get(domain);
    if (under !== undefined) return under;
    const asking = this.#ask(domain).finally(() => this.#asking.delete(domain));
    this.#asking.set(domain, asking);
    return asking;
  }

  async #ask(domain: string): Promise<Seen> {
    const had = this.#seen.get(domain)?.policy;
    const now = this.#tools.clock.now();
    const valid = had !== undefined && now < had.until ? had : undefined;
    const policy = (await this.#live(domain, valid)) ?? valid;
    const seen = { policy, again: now + LOOK };
    this.#seen.delete(domain);
    this.#seen.set(domain, seen);
    for (const oldest of this.#seen.keys()) {
      if (this.#seen.size <= KEPT) break;
      this.#seen.delete(oldest);
    }
    if (policy !== had) this.#store();
    return seen;
  }

  /** What is published now; undefined: nothing that could be had. */
  async #live(domain: string, valid: StsPolicy | undefined): Promise<StsPolicy | undefined> {
    const { names, clock, fetch } = this.#tools;
    const id = idIn(await names.texts(`_mta-sts.${domain}`).catch(() => []));
    if (id === undefined) return undefined;
    const now = clock.now();
    if (valid?.id === id && now < valid.fetched + RENEW) return valid;
    const { parsePolicy } = await import("mailauth/lib/mta-sts.js");
    try {
      const { mode, mx, maxAge } = parsePolicy(await fetch(domain)) as {
        readonly mode: StsPolicy["mode"];
        readonly mx?: readonly string[];
        readonly maxAge: number;
      };
      return { domain, id, mode, mx: mx ?? [], fetched: now, until: now + maxAge * 1_000 };
    } catch (fault) {
      const why = fault instanceof Error ? fault.message : String(fault);
      this.#tools.log.log("warn", "no MTA-STS policy", { domain, why, kept: valid !== undefined });
      return undefined;
    }
  }

  async #load(): Promise<void> {
    const { shelf, clock, log } = this.#tools;
    try {
      const now = clock.now();
      for (const policy of (await shelf?.load()) ?? [])
        if (now < policy.until) this.#seen.set(policy.domain, { policy, again: now });
    } catch (fault) {
      // Without what was kept they are asked for anew: mail goes on.
      log.log("warn", "MTA-STS policies not read", { why: String(fault) });
    }
  }

  /** One writing at a time; what changes meanwhile is written by the next. */
  #store(): void {
    const { shelf, log } = this.#tools;
    if (shelf === undefined) return;
    this.#changed = true;
    this.#storing ??= (async () => {
      while (this.#changed) {
        this.#changed = false;
        await shelf.store([...this.#seen.values()].flatMap(({ policy }) => policy ?? []));
      }
    })()
      .catch((fault: unknown) => log.log("warn", "MTA-STS policies not kept", { why: String(fault) }))
      .finally(() => {
        this.#storing = undefined;
      });
  }
}

/** The id in a domain's record; undefined where there is none, or more than one (RFC 8461 §3.1). */
function idIn(texts: readonly string[]): string | undefined {
  const [record, ...more] = texts.filter((text) => /^v=STSv1\s*;/.test(text));
  if (record === undefined || more.length > 0) return undefined;
  return /;\s*id\s*=\s*([a-z0-9]{1,32})\s*(?:;|$)/i.exec(record)?.[1];
}
