/** Checks of names in DNS: ours, what leads back to it, and where the world brings our domains' mail. */
// Only what DNS says here and now is seen: the world's resolvers keep old answers for as long as their TTL.
import { isIP } from "node:net";
import type { Lookup, Records } from "../../src/platform/lookup.ts";
import { status } from "../exit.ts";
import { type Check, fail, ok, row, type Verdict, warn } from "./check.ts";
import { accountsOf, customersOf, type Patient } from "./patient.ts";

export const nameChecks: readonly Check[] = [
  row({
    check: "hostname",
    group: "dns",
    exit: status.config,
    subjects: ({ config }) => (config.serve === undefined ? [] : [config.hostname]),
    name: (host) => host,
    look: async (host, { lookup, interfaces }) => hostVerdict(await addressesOf(host, lookup), interfaces),
  }),
  row({
    check: "reverse-name",
    group: "dns",
    exit: status.config,
    subjects: ({ config }) => (config.serve === undefined ? [] : [config.hostname]),
    name: (host) => host,
    look: async (host, { lookup }) => {
      const addresses = await addressesOf(host, lookup);
      if (addresses.length === 0) return fail("it has no address that could lead back", "see hostname");
      return Promise.all(
        addresses.map(async (address) => {
          const names = (await lookup.ask(reverseOf(address), "PTR")).map(bare);
          const leading = await Promise.all(
            names.map(async (name) => ((await addressesOf(name, lookup)).includes(address) ? [name] : [])),
          );
          return reverseVerdict(address, { names, leading: leading.flat(), host });
        }),
      );
    },
  }),
  row({
    check: "mx",
    group: "dns",
    exit: status.config,
    subjects: domainsOf,
    name: ({ domain }) => domain,
    look: async ({ domain, at }, { lookup }) => {
      const [ours, exchanges] = await Promise.all([addressesOf(at, lookup), lookup.ask(domain, "MX")]);
      const known = exchanges.map(async ({ priority, exchange }) => {
        const host = bare(exchange);
        return { priority, host, addresses: host === "" ? [] : await addressesOf(host, lookup) };
      });
      const own = exchanges.length > 0 ? [] : await addressesOf(domain, lookup);
      return mxVerdict(await Promise.all(known), { at: at.toLowerCase(), ours, own });
    },
  }),
];

export interface Homed {
  readonly domain: string;
  /** The host that takes its mail: the relay. */
  readonly at: string;
}

/** Our customers' domains; at home, those of the accounts. */
export function domainsOf(patient: Patient): readonly Homed[] {
  const { hostname } = patient.config;
  const here = customersOf(patient).flatMap(({ domains }) =>
    domains.map((domain) => ({ domain, at: hostname })),
  );
  const there = accountsOf(patient).flatMap(({ domains, provider }) =>
    domains.map((domain) => ({ domain, at: provider.host })),
  );
  return [...here, ...there];
}

/** IPv4 first; of an address, itself. @throws NameTrouble */
export async function addressesOf(host: string, lookup: Lookup): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  const [four, six] = await Promise.all([lookup.ask(host, "A"), lookup.ask(host, "AAAA")]);
  return [...four, ...six.map(shortest)];
}

/** One form for each IPv6 address: that of a URL (RFC 5952). */
const shortest = (address: string): string =>
  isIP(address) === 6 ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;

const bare = (name: string): string => name.toLowerCase().replace(/\.$/, "");

/** The name under which DNS keeps an address's name (RFC 1035 §3.5, RFC 3596 §2.5). */
export function reverseOf(address: string): string {
  if (isIP(address) !== 6) return `${address.split(".").reverse().join(".")}.in-addr.arpa`;
  const [head = "", tail] = shortest(address).split("::");
  const groups = (text: string): readonly string[] => text.split(":").filter((group) => group !== "");
  const behind = groups(tail ?? "");
  const before = groups(head);
  const zeros = Array.from({ length: 8 - before.length - behind.length }, () => "0");
  const digits = [...before, ...zeros, ...behind].map((group) => group.padStart(4, "0")).join("");
  return `${[...digits].reverse().join(".")}.ip6.arpa`;
}

const PRIVATE =
  /^(10\.|127\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|::1$|f[cd]|fe[89ab])/i;

export function hostVerdict(addresses: readonly string[], interfaces: readonly string[]): Verdict {
  const said = addresses.join(", ");
  if (addresses.length === 0)
    return fail("it has no address in DNS", "make an A (and AAAA) record for hostname:, or change hostname:");
  const own = interfaces.map(shortest);
  if (addresses.every((address) => own.includes(address))) return ok(`${said}: of this machine`);
  const behindNat = own.every((address) => PRIVATE.test(address));
  if (behindNat) return ok(`${said}; this machine is behind another address, so that cannot be compared`);
  const others = addresses.filter((address) => !own.includes(address));
  return warn(
    `${others.join(", ")} is not this machine's (${own.filter((each) => !PRIVATE.test(each)).join(", ")})`,
    "mend the A and AAAA records of hostname:, if no other machine or NAT is meant",
  );
}

export interface Reverse {
  readonly names: readonly string[];
  /** Those that lead to the address again. */
  readonly leading: readonly string[];
  readonly host: string;
}

/** Big receivers refuse mail of addresses without a name that leads back. */
export function reverseVerdict(address: string, { names, leading, host }: Reverse): Verdict {
  const ask = `ask whoever gave you ${address} for the reverse name ${host}`;
  if (names.length === 0) return fail(`${address} has no reverse name`, ask);
  if (leading.includes(host.toLowerCase())) return ok(`${address} leads back to ${host}`);
  if (leading.length > 0) return warn(`${address} is called ${leading.join(", ")}, and not ${host}`, ask);
  return fail(`${address} is called ${names.join(", ")}, which does not lead to it`, ask);
}

export interface Exchanger {
  readonly priority: Records["MX"]["priority"];
  /** "": the null MX. */
  readonly host: string;
  readonly addresses: readonly string[];
}

export interface Ours {
  readonly at: string;
  readonly ours: readonly string[];
  /** The domain's own addresses, where it has no MX. */
  readonly own: readonly string[];
}

export function mxVerdict(exchanges: readonly Exchanger[], { at, ours, own }: Ours): Verdict {
  const mend =
    isIP(at) === 0 ? `make the record: MX 10 ${at}.` : `make an MX record with a name whose address is ${at}`;
  const isOurs = ({ host, addresses }: Exchanger): boolean =>
    host === at || addresses.some((address) => ours.includes(address));
  if (exchanges.length === 0)
    return own.some((address) => ours.includes(address))
      ? warn(`it has no MX, and its own address leads to ${at}`, mend)
      : fail(`it has no MX: no mail comes to ${at}`, mend);
  if (exchanges.every(({ host }) => host === ""))
    return fail("it says that it takes no mail (null MX)", mend);
  const said = exchanges.map(({ priority, host }) => `${priority} ${host}`).join(", ");
  const lost = exchanges.filter(({ host, addresses }) => host !== "" && addresses.length === 0);
  if (!exchanges.some(isOurs)) return fail(`its mail goes to ${said}, and not to ${at}`, mend);
  if (lost.length > 0)
    return warn(`${lost.map(({ host }) => host).join(", ")} has no address`, "mend or remove that MX");
  const others = exchanges.filter((each) => !isOurs(each));
  return ok(
    others.length === 0
      ? said
      : `${said}; of these ${others.map(({ host }) => host).join(", ")} is another machine`,
  );
}
