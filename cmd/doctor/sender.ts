/** Checks of what the world asks DNS about mail that we send: SPF, DKIM and DMARC. */
// They are for domains whose mail leaves here; of a smarthost's addresses only its provider knows.
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { Questions } from "../../src/checks/questions.ts";
import type { Lookup } from "../../src/platform/lookup.ts";
import { status } from "../exit.ts";
import { type Check, fail, ok, row, type Verdict, warn } from "./check.ts";
import { addressesOf, reverseOf } from "./names.ts";
import { accountsOf, customersOf, type Patient } from "./patient.ts";

export const senderChecks: readonly Check[] = [
  row({
    check: "spf",
    group: "dns",
    exit: status.config,
    subjects: sendersOf,
    name: ({ domain }) => domain,
    look: async ({ domain, from }, { lookup }) => {
      const records = (await textsAt(domain, lookup)).filter((text) => /^v=spf1( |$)/i.test(text));
      if (from === undefined || records.length !== 1) return spfVerdict(records, from);
      const addresses = await addressesOf(from, lookup);
      const results = addresses.map(async (ip) => ({
        ip,
        result: await spfOf({ ip, domain, helo: from }, lookup),
      }));
      return spfVerdict(records, from, await Promise.all(results));
    },
  }),
  row({
    check: "dkim",
    group: "dns",
    exit: status.config,
    subjects: keysOf,
    name: ({ domain, selector }) => (selector === undefined ? domain : `${selector}._domainkey.${domain}`),
    look: async ({ domain, selector, file }, { lookup }) => {
      if (selector === undefined || file === undefined)
        return warn("its mail is not signed", `write dkim: { selector: odmr2026, key: … } for its customer`);
      const texts = await textsAt(`${selector}._domainkey.${domain}`, lookup);
      return dkimVerdict(texts, createPublicKey(createPrivateKey(await readFile(file, "utf8"))));
    },
  }),
  row({
    check: "dmarc",
    group: "dns",
    exit: status.config,
    subjects: (patient) => sendersOf(patient),
    name: ({ domain }) => domain,
    look: async ({ domain }, { lookup }) => {
      for (const name of withParents(domain)) {
        const records = (await textsAt(`_dmarc.${name}`, lookup)).filter((text) =>
          /^v=DMARC1\s*(;|$)/i.test(text),
        );
        if (records.length > 0) return dmarcVerdict(records, name);
      }
      return dmarcVerdict([], domain);
    },
  }),
  row({
    check: "blocklist",
    group: "dns",
    exit: status.config,
    subjects: ({ config }) =>
      config.serve?.outbound?.mx === true
        ? (config.serve.checks?.blocklists ?? []).filter(({ weight }) => weight > 0)
        : [],
    name: ({ zone }) => zone,
    look: async ({ zone }, { lookup, config }) => {
      const addresses = await addressesOf(config.hostname, lookup);
      const asked = addresses.map(async (address) => ({
        address,
        answers: await lookup.ask(`${reverseOf(address).replace(/\.(in-addr|ip6)\.arpa$/, "")}.${zone}`, "A"),
      }));
      return listedVerdict(await Promise.all(asked), zone);
    },
  }),
];

export interface Sending {
  readonly domain: string;
  /** The host from which its mail goes out; undefined: a smarthost. */
  readonly from: string | undefined;
}

/** Domains whose mail leaves: our customers', and at home those of the account that takes it along. */
function sendersOf(patient: Patient): readonly Sending[] {
  const { config } = patient;
  const { outbound } = config.serve ?? {};
  const from = outbound?.mx === true ? config.hostname : undefined;
  const ours = outbound === undefined ? [] : customersOf(patient).flatMap(({ domains }) => domains);
  const via = accountsOf(patient).find(({ name }) => name === config.pull?.outgoing?.via);
  // A provider may have a smarthost of its own: what it sends from is not known here.
  const theirs = via?.domains ?? [];
  return [
    ...ours.map((domain) => ({ domain, from })),
    ...theirs.map((domain) => ({
      domain,
      from: via?.smarthost === undefined ? via?.provider.host : undefined,
    })),
  ];
}

interface Signing {
  readonly domain: string;
  readonly selector?: string;
  readonly file?: string;
}

function keysOf(patient: Patient): readonly Signing[] {
  if (patient.config.serve?.outbound === undefined) return [];
  return customersOf(patient).flatMap(({ domains, dkim }) =>
    domains.map((domain) =>
      dkim !== undefined && (dkim.domains ?? domains).includes(domain)
        ? { domain, selector: dkim.selector, file: dkim.key }
        : { domain },
    ),
  );
}

export async function textsAt(name: string, lookup: Lookup): Promise<readonly string[]> {
  return (await lookup.ask(name, "TXT")).map((pieces) => pieces.join(""));
}

/** The domain, and what is above it but for the last label (RFC 9989 walks up the same way). */
function withParents(domain: string): readonly string[] {
  const labels = domain.split(".");
  return labels.slice(0, -1).map((_, i) => labels.slice(i).join("."));
}

export interface SpfResult {
  readonly ip: string;
  readonly result: string;
}

interface Asked {
  readonly ip: string;
  readonly domain: string;
  readonly helo: string;
}

async function spfOf({ ip, domain, helo }: Asked, lookup: Lookup): Promise<string> {
  const { spf } = await import("mailauth/lib/spf/index.js");
  const { resolver } = new Questions(lookup);
  const { status: said } = await spf({ sender: `postmaster@${domain}`, ip, helo, mta: helo, resolver });
  return said.result;
}

/** @param from the host that sends; undefined: a smarthost, whose addresses are not known here */
export function spfVerdict(
  records: readonly string[],
  from: string | undefined,
  results: readonly SpfResult[] = [],
): Verdict {
  const [record, ...more] = records;
  const own = from === undefined ? undefined : isIP(from) === 0 ? `a:${from}` : `ip${isIP(from)}:${from}`;
  if (record === undefined)
    return fail(
      "it has no SPF record",
      `make the TXT record ${own === undefined ? "that the smarthost's provider asks for" : `"v=spf1 ${own} -all"`}`,
    );
  if (more.length > 0)
    return fail(`it has ${records.length} SPF records, and so none that counts`, "make one of them");
  if (own === undefined) return ok(`${record}; whether the smarthost is among them cannot be known here`);
  if (results.length === 0) return fail(`${from} has no address that could be in it`, "see hostname");
  const bad = results.filter(({ result }) => result !== "pass");
  if (bad.length === 0) return ok(`${results.map(({ ip }) => ip).join(", ")} may send`);
  const said = bad.map(({ ip, result }) => `${ip}: ${result}`).join(", ");
  const mend = `add ${own} to it: ${record}`;
  return bad.some(({ result }) => result === "fail" || result === "permerror")
    ? fail(said, mend)
    : warn(said, mend);
}

/** Whether one of the records is our key (RFC 6376 §3.6.1). */
export function dkimVerdict(texts: readonly string[], key: KeyObject): Verdict {
  const der = key.export({ type: "spki", format: "der" }).toString("base64");
  const mend = `make the TXT record "v=DKIM1; k=rsa; p=${der}"`;
  const records = texts.map(tagsOf).filter((tags) => tags.has("p"));
  const [tags, ...more] = records;
  if (tags === undefined) return fail("there is no key in DNS", mend);
  if (more.length > 0)
    return fail(`there are ${records.length} keys in DNS, where one belongs`, "remove what is old");
  if (tags.get("p") === "") return fail("the key in DNS is revoked (p is empty)", mend);
  if (!isSameKey(tags.get("p") ?? "", key))
    return fail("the key in DNS is another than the one that signs", mend);
  if ((tags.get("t") ?? "").split(":").includes("y"))
    return warn("the key says that it is only tested (t=y)", "take t=y out");
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  return bits > 0 && bits < 2048
    ? warn(`the key has ${bits} bits only`, "make one of 2048, under a new selector")
    : ok("the key in DNS is ours");
}

function tagsOf(text: string): ReadonlyMap<string, string> {
  const tags = text.split(";").map((tag) => {
    const [name = "", ...value] = tag.split("=");
    return [name.trim(), value.join("=").replace(/\s/g, "")] as const;
  });
  return new Map(tags);
}

/** In DNS stands the key alone, or the key with its kind: both are in use. */
function isSameKey(text: string, key: KeyObject): boolean {
  const wanted = key.export({ format: "jwk" }).n;
  return (["spki", "pkcs1"] as const).some((type) => {
    try {
      const shown = createPublicKey({ key: Buffer.from(text, "base64"), format: "der", type });
      return wanted !== undefined && shown.export({ format: "jwk" }).n === wanted;
    } catch {
      return false;
    }
  });
}

/** @param at where the records stand: the domain, or one above it */
export function dmarcVerdict(records: readonly string[], at: string): Verdict {
  const write = `make the TXT record "v=DMARC1; p=none" at _dmarc.${at}`;
  const [record, ...more] = records;
  if (record === undefined) return warn("it has no DMARC policy; large receivers ask for one", write);
  if (more.length > 0)
    return fail(`${records.length} DMARC policies at ${at}, and so none that counts`, "make one of them");
  const policy = tagsOf(record).get("p")?.toLowerCase();
  if (policy === undefined || !["none", "quarantine", "reject"].includes(policy))
    return fail(`a DMARC policy without a p that is understood: ${record}`, write);
  return ok(`p=${policy}, at ${at}${policy === "none" ? ": it is only watched" : ""}`);
}

export interface Listing {
  readonly address: string;
  readonly answers: readonly string[];
}

/** RFC 5782 §2.1; by 127.255.255.x lists say that they refuse the question. */
export function listedVerdict(asked: readonly Listing[], zone: string): Verdict {
  const answers = asked.flatMap((each) => each.answers);
  const listed = asked.filter((each) => each.answers.some((answer) => /^127\.(?!255\.255\.)/.test(answer)));
  if (listed.length > 0)
    return fail(
      `${listed.map(({ address }) => address).join(", ")} is listed: others refuse its mail`,
      `ask ${zone} why, and what takes it off`,
    );
  return answers.length > 0
    ? warn(
        `it refuses to answer (${answers.join(", ")})`,
        "ask it through a resolver of your own, with --dns",
      )
    : ok("we are not on it");
}
