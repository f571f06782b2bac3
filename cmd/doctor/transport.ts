/** Checks of what senders ask before they bring us mail under TLS: MTA-STS (RFC 8461) and TLSA (RFC 7672). */
// Both are optional; a wrong one keeps mail away, which is worse than none.
import { createHash, type X509Certificate } from "node:crypto";
import type { Records } from "../../src/platform/lookup.ts";
import { status } from "../exit.ts";
import { chainIn, nameVerdict } from "./certificate.ts";
import { type Check, fail, ok, row, skipped, type Verdict, warn } from "./check.ts";
import { customersOf, type Patient } from "./patient.ts";
import { textsAt } from "./sender.ts";

const MINUTE = 60_000;

export const transportChecks: readonly Check[] = [
  row({
    check: "mta-sts",
    group: "dns",
    exit: status.config,
    within: MINUTE,
    subjects: (patient) => customersOf(patient).flatMap(({ domains }) => domains),
    name: (domain) => domain,
    look: async (domain, patient) => {
      const records = (await textsAt(`_mta-sts.${domain}`, patient.lookup)).filter((text) =>
        /^v=STSv1\s*;/.test(text),
      );
      if (records.length !== 1) return recordVerdict(records);
      const read = await policyOf(domain, patient);
      return typeof read === "string"
        ? fail(
            `the record is there, and the policy is not to be had: ${read}`,
            `serve https://mta-sts.${domain}/.well-known/mta-sts.txt`,
          )
        : policyVerdict(read, { hostname: patient.config.hostname, leaf: await leafOf(patient) });
    },
  }),
  row({
    check: "tlsa",
    group: "dns",
    exit: status.config,
    subjects: ({ config }) =>
      (config.serve?.listen ?? []).some(({ service }) => service === "intake")
        ? [`_25._tcp.${config.hostname}`]
        : [],
    name: (name) => name,
    look: async (name, patient) => {
      const { tls } = patient.config;
      return tlsaVerdict(
        await patient.lookup.ask(name, "TLSA"),
        tls === undefined ? [] : await chainIn(tls.certificate),
      );
    },
  }),
];

const leafOf = async ({ config }: Patient): Promise<X509Certificate | undefined> =>
  config.tls === undefined ? undefined : (await chainIn(config.tls.certificate))[0];

export function recordVerdict(records: readonly string[]): Verdict {
  return records.length === 0
    ? skipped("no policy: senders may bring mail in the clear, if somebody makes them")
    : fail(`${records.length} records, and so none that counts`, "make one of them (v=STSv1; id=…)");
}

export interface StsRead {
  readonly mode: string;
  readonly mx?: readonly string[];
}

/** The policy, or why there is none. */
async function policyOf(domain: string, { policy }: Patient): Promise<StsRead | string> {
  const { parsePolicy } = await import("mailauth/lib/mta-sts.js");
  try {
    return parsePolicy(await policy(domain)) as StsRead;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export interface Shown {
  readonly hostname: string;
  /** The certificate that the intake shows; undefined: none. */
  readonly leaf: X509Certificate | undefined;
}

export function policyVerdict({ mode, mx = [] }: StsRead, { hostname, leaf }: Shown): Verdict {
  if (mode === "none") return ok("mode none: it demands nothing");
  const mild = mode !== "enforce";
  const bad = (detail: string, mend: string): Verdict => (mild ? warn(detail, mend) : fail(detail, mend));
  if (!mx.some((pattern) => covers(pattern, hostname.toLowerCase())))
    return bad(
      `its mx (${mx.join(", ")}) leaves ${hostname} out`,
      `add the line mx: ${hostname}, and change the record's id`,
    );
  if (leaf === undefined)
    return bad("it demands TLS, and there is no certificate here", "write tls: with a certificate");
  const named = nameVerdict(leaf, hostname);
  if (named.status !== "ok")
    return bad(`it demands a certificate for ${hostname}; ${named.detail}`, named.mend ?? "");
  return ok(`mode ${mode}: ${mx.join(", ")}`);
}

/** A star stands for one label (RFC 8461 §4.1). */
function covers(pattern: string, host: string): boolean {
  if (!pattern.startsWith("*.")) return pattern.replace(/\.$/, "") === host;
  const dot = host.indexOf(".");
  return dot > 0 && host.slice(dot + 1) === pattern.slice(2).replace(/\.$/, "");
}

type Tlsa = Records["TLSA"];

/** Senders that ask for TLSA bring no mail where no record fits. */
export function tlsaVerdict(records: readonly Tlsa[], chain: readonly X509Certificate[]): Verdict {
  const [leaf] = chain;
  const write =
    leaf &&
    `make the record TLSA 3 1 1 ${hexOf({ selector: 1, matchingType: 1 }, leaf)}, before a new certificate is used`;
  if (records.length === 0) return skipped("no TLSA record: senders do not ask for a certificate of ours");
  if (leaf === undefined)
    return fail("there are TLSA records, and no certificate here", "remove them, or write tls:");
  const usable = records.filter(({ usage }) => usage === 2 || usage === 3);
  if (usable.length === 0)
    return warn("all TLSA records are of usage 0 or 1, which counts for nothing in mail", write ?? "");
  const fits = (record: Tlsa): boolean =>
    (record.usage === 3 ? [leaf] : chain.slice(1)).some(
      (each) => hexOf(record, each) === Buffer.from(record.certificate).toString("hex"),
    );
  const good = usable.filter(fits);
  if (good.length === 0)
    return fail("no TLSA record fits our certificate: senders that ask for it stay away", write ?? "");
  const stale = usable.length - good.length;
  return ok(
    `${good.length} of ${usable.length} ${usable.length === 1 ? "record fits" : "records fit"}${stale > 0 ? " (the others may be for the next certificate)" : ""}; counts with DNSSEC only`,
  );
}

function hexOf(
  { selector, matchingType }: Pick<Tlsa, "selector" | "matchingType">,
  of: X509Certificate,
): string {
  const der = selector === 1 ? of.publicKey.export({ type: "spki", format: "der" }) : of.raw;
  const hash = { 1: "sha256", 2: "sha512" }[matchingType];
  return (hash === undefined ? Buffer.from(der) : createHash(hash).update(der).digest()).toString("hex");
}
