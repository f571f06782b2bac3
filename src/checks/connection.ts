/** What an address says before it speaks: the name that leads back to it, and the lists that it is on (RFC 8601 §3, RFC 5782). */
// A list that does not answer says nothing; one that says "error" (127.255.255.x) says nothing either.
import { BlockList, isIPv6 } from "node:net";
import type { Result } from "../mail/results.ts";
import type { Clock } from "../platform/clock.ts";
import type { Lookup } from "../platform/lookup.ts";
import { type Reply, reply } from "../wire/reply.ts";
import type { Act } from "./check.ts";
import type { ConnectionFindings } from "./inspector.ts";
import { inTime } from "./intime.ts";

export interface Blocklist {
  readonly zone: string;
  /** Answers that count, as networks. */
  readonly answers: readonly string[];
  /** What it adds where the address is on it; less than 0 for lists of the good. */
  readonly weight: number;
}

export interface ConnectionRules {
  readonly reverseName: "no" | Act;
  readonly blocklists: readonly Blocklist[];
  readonly listed: Act;
  /** The sum of weights from which on an address counts as listed. */
  readonly listedFrom: number;
  /** Milliseconds for one answer. */
  readonly timeout: number;
}

export interface ConnectionTools {
  readonly lookup: Lookup;
  readonly clock: Clock;
}

/** Names of one address that are looked up; who has more is not to make us ask for all. */
const NAMES = 5;
/** What makes an IPv4 address one of IPv6 (RFC 4291 §2.5.5.2). */
const MAPPED = /^::ffff:(?=\d+\.)/i;
const REASON = 200;

const answers = {
  nameless: reply(550, "5.7.25", "No name in DNS leads back to your address"),
  namelessNow: reply(450, "4.7.25", "No name in DNS leads back to your address, try again later"),
} as const;

/** Looks at addresses by these rules. */
export function connectionCheck(
  rules: ConnectionRules,
  tools: ConnectionTools,
): (address: string) => Promise<ConnectionFindings> {
  const lists = rules.blocklists.map((list) => ({ ...list, counts: networksOf(list.answers) }));
  return async (from) => {
    const address = from.replace(MAPPED, "");
    const [named, listed] = await Promise.all([
      rules.reverseName === "no" ? undefined : reverseName(address, rules, tools),
      Promise.all(lists.map((list) => listing(address, list, rules, tools))),
    ]);
    const found = listed.filter((each) => each !== undefined);
    const weight = found.reduce((sum, each) => sum + each.weight, 0);
    const refusal =
      named?.refusal ??
      (found.length > 0 && weight >= rules.listedFrom && rules.listed !== "mark"
        ? await refusalFor(address, found, rules, tools)
        : undefined);
    return {
      results: [...(named ? [named.result] : []), ...found.map(({ result }) => result)],
      name: named?.name,
      refusal,
    };
  };
}

interface Named {
  readonly result: Result;
  readonly name?: string;
  readonly refusal?: Reply;
}

/** "permerror": it has no name; "fail": its names lead elsewhere (RFC 8601 §2.7.3). */
type Found = { readonly name: string } | "fail" | "permerror" | "temperror";

async function reverseName(
  address: string,
  { reverseName: act, timeout }: ConnectionRules,
  { lookup, clock }: ConnectionTools,
): Promise<Named> {
  const found = await inTime<Found>(
    clock,
    timeout,
    nameOf(address, lookup),
    () => "temperror" as const,
  ).catch(() => "temperror" as const);
  const properties = { "policy.iprev": address };
  if (typeof found === "object")
    return { result: { method: "iprev", result: "pass", comment: found.name, properties }, name: found.name };
  const result = { method: "iprev", result: found, properties };
  if (found === "temperror" || act === "mark" || act === "no") return { result };
  return { result, refusal: act === "refuse" ? answers.nameless : answers.namelessNow };
}

/** @throws NameTrouble */
async function nameOf(address: string, lookup: Lookup): Promise<Found> {
  const v6 = isIPv6(address);
  const names = await lookup.ask(`${reversed(address)}.${v6 ? "ip6" : "in-addr"}.arpa`, "PTR");
  if (names.length === 0) return "permerror";
  const self = networksOf([address]);
  for (const name of names.slice(0, NAMES)) {
    const back = await lookup.ask(name, v6 ? "AAAA" : "A");
    if (back.some((each) => isIn(self, each))) return { name: name.toLowerCase() };
  }
  return "fail";
}

interface Listing {
  readonly zone: string;
  readonly weight: number;
  readonly result: Result;
}

interface CountedList extends Blocklist {
  readonly counts: BlockList;
}

async function listing(
  address: string,
  { zone, weight, counts }: CountedList,
  { timeout }: ConnectionRules,
  { lookup, clock }: ConnectionTools,
): Promise<Listing | undefined> {
  const asked = lookup.ask(`${reversed(address)}.${zone}`, "A");
  const found = await inTime(clock, timeout, asked, () => []).catch(() => []);
  const answer = found.find((each) => isIn(counts, each) && !isIn(errors, each));
  if (answer === undefined) return undefined;
  const result = weight < 0 ? "pass" : "fail";
  return {
    ...{ zone, weight },
    result: { method: "x-dnsbl", result, properties: { "dns.zone": zone, "policy.answer": answer } },
  };
}

/** With what the list itself says of it, if it does. */
async function refusalFor(
  address: string,
  found: readonly Listing[],
  { listed, timeout }: ConnectionRules,
  { lookup, clock }: ConnectionTools,
): Promise<Reply> {
  const { zone } = found.find(({ weight }) => weight > 0) ?? found[0]!;
  const asked = lookup.ask(`${reversed(address)}.${zone}`, "TXT");
  const [texts = []] = await inTime(clock, timeout, asked, () => []).catch(() => []);
  const reason = texts
    .join("")
    .replace(/[^\x20-\x7e]+/g, "?")
    .slice(0, REASON);
  const text = `${address} is on the list ${zone}${reason === "" ? "" : `: ${reason}`}`;
  return listed === "refuse" ? reply(554, "5.7.1", text) : reply(450, "4.7.1", text);
}

/** An address as it is asked for: its octets, or hexadecimal digits, last first (RFC 5782 §2.1, §2.4). */
export function reversed(address: string): string {
  const plain = address.replace(MAPPED, "").split("%")[0]!;
  if (!isIPv6(plain)) return plain.split(".").reverse().join(".");
  const v4 = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(plain);
  const hex = (high = "0", low = "0") => ((Number(high) << 8) | Number(low)).toString(16);
  const words = v4 === null ? plain : `${plain.slice(0, v4.index)}${hex(v4[1], v4[2])}:${hex(v4[3], v4[4])}`;
  const [left = "", right] = words.split("::");
  const [head, tail] = [left, right ?? ""].map((part) => part.split(":").filter((word) => word !== ""));
  const zeros = Array<string>(right === undefined ? 0 : 8 - head!.length - tail!.length).fill("0");
  const digits = [...head!, ...zeros, ...tail!].map((word) => word.padStart(4, "0")).join("");
  return [...digits.toLowerCase()].reverse().join(".");
}

function networksOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", bits] = network.split("/");
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

const isIn = (list: BlockList, address: string): boolean =>
  list.check(address, isIPv6(address) ? "ipv6" : "ipv4");

const errors = networksOf(["127.255.255.0/24"]);
