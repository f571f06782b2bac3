/** MTA-STS policies (RFC 8461): asked for when mail first goes to a domain, kept in memory for as long as they say. */
// A domain without a policy, or with one that only tests, demands nothing; what was kept outlives an attacker who hides it.
import type { Clock } from "./clock.ts";
import type { Names } from "./dns.ts";

interface Demand {
  readonly hosts: readonly string[];
}

interface Kept {
  readonly known: StsPolicy;
  readonly until: number;
  /** When it is looked at again: a new one may have been published. */
  readonly again: number;
}

interface StsPolicy {
  readonly id?: string | false;
  readonly mode: string;
  readonly mx?: readonly string[];
  readonly maxAge?: number;
}

/** Milliseconds between two looks at one domain, and domains kept. */
const LOOK = 3_600_000;
const KEPT = 10_000;

export function policies(names: Names, clock: Clock): (domain: string) => Promise<Demand | undefined> {
  const kept = new Map<string, Kept>();
  return async (domain) => {
    const had = kept.get(domain);
    const now = clock.now();
    if (had !== undefined && now < had.again) return demandOf(had.known);
    const known =
      (await ask(domain, names)) ?? (had !== undefined && now < had.until ? had.known : { mode: "none" });
    kept.delete(domain);
    kept.set(domain, { known, until: now + (known.maxAge ?? 0) * 1_000, again: now + LOOK });
    for (const oldest of kept.keys()) {
      if (kept.size <= KEPT) break;
      kept.delete(oldest);
    }
    return demandOf(known);
  };
}

const demandOf = ({ mode, mx }: StsPolicy): Demand | undefined =>
  mode === "enforce" && mx !== undefined ? { hosts: mx } : undefined;

/** The domain's policy; undefined: there is none to be had now. */
async function ask(domain: string, names: Names): Promise<StsPolicy | undefined> {
  const texts = await names.texts(`_mta-sts.${domain}`).catch(() => []);
  if (!texts.some((text) => /^v=STSv1\b/i.test(text.trim()))) return undefined;
  const { getPolicy } = await import("mailauth/lib/mta-sts.js");
  const resolver = async (name: string, type: string) =>
    type === "TXT"
      ? (await names.texts(name)).map((text) => [text])
      : (await names.addresses(name)).filter((address) => address.includes(":") === (type === "AAAA"));
  const { policy, status } = (await getPolicy(domain, undefined, { resolver } as never)) as {
    readonly policy: StsPolicy;
    readonly status: string;
  };
  return status === "found" ? policy : undefined;
}
