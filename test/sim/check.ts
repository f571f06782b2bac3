/** The conservation check: each recipient that was answered 250 is followed from station to station, to where it is now. */
// It proves: once in every spool that keeps a ledger, at least once with those that forget, or still in a queue, or given back to
// its sender, or removed by name; whole, octet by octet; and nothing else is anywhere. It does not prove that mail is quick.
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import type { Entry } from "../../src/spool/spool.ts";
import { damage } from "../../src/spool/verify.ts";
import { domainOf } from "../../src/wire/address.ts";
import { type Arrival, isWhole, type Letter, type Register } from "./register.ts";

/** A spool as it lies there in the end. */
export interface Station {
  readonly name: string;
  readonly spool: EmbeddedSpool;
}

export interface Findings {
  readonly problems: readonly string[];
  /** How many recipients ended how: to see that a simulation simulates. */
  readonly ends: Readonly<Record<string, number>>;
}

interface Facts {
  readonly register: Register;
  readonly stations: readonly Station[];
  /** The customer (and house) of a domain. */
  readonly ownerOf: (domain: string) => string | undefined;
  /** Nothing broke: not even a stranger has anything twice. */
  readonly calm: boolean;
  /** Some disk was ill: what was answered 4xx may be there, and a settlement may have failed. */
  readonly ill: boolean;
}

export async function findingsOf(facts: Facts): Promise<Findings> {
  const check = new Check(facts);
  for (const station of facts.stations) await check.read(station);
  for (const letter of facts.register.letters.values()) check.letter(letter);
  check.strangers();
  return { problems: check.problems, ends: check.ends };
}

class Check {
  readonly problems: string[] = [];
  readonly ends: Record<string, number> = {};
  readonly #facts: Facts;
  /** By station, sender and recipient. */
  readonly #entries = new Map<string, Entry[]>();
  readonly #arrivals = new Map<string, Arrival[]>();
  /** Senders that were told of a recipient: `sender recipient`. */
  readonly #told = new Set<string>();
  /** Senders of whose notices one was given up in its turn, and its text is gone. */
  readonly #untold = new Set<string>();

  constructor(facts: Facts) {
    this.#facts = facts;
    for (const arrival of facts.register.arrivals) {
      if (arrival.from === "") this.#notice(arrival.to, arrival.content);
      for (const to of arrival.to) push(this.#arrivals, `${arrival.box} ${arrival.from} ${to}`, arrival);
    }
  }

  async read({ name, spool }: Station): Promise<void> {
    for await (const finding of damage(spool))
      this.problems.push(`${name}: verify says ${JSON.stringify(finding)}`);
    for await (const entry of spool.list({ gone: true })) {
      for (const { address } of entry.recipients)
        push(this.#entries, `${name} ${entry.sender} ${address}`, entry);
      await this.#content(name, spool, entry);
    }
    for (const { envelope, recipients } of await spool.owed(10_000))
      for (const { address } of recipients) this.#told.add(`${envelope.from} ${address}`);
  }

  async #content(name: string, spool: EmbeddedSpool, entry: Entry): Promise<void> {
    if (entry.sender === "")
      for (const { address, state } of entry.recipients)
        if (["expired", "refused", "removed"].includes(state)) this.#untold.add(address);
    const pieces: Uint8Array[] = [];
    try {
      for await (const piece of (await spool.content(entry.id)) ?? []) pieces.push(piece);
    } catch (error) {
      this.problems.push(`${name}: ${entry.id} cannot be read: ${error}`);
      return;
    }
    if (pieces.length === 0) return;
    const content = new Uint8Array(Buffer.concat(pieces));
    if (entry.sender === "")
      return this.#notice(
        entry.recipients.map(({ address }) => address),
        content,
      );
    const letter = this.#facts.register.letters.get(entry.sender);
    if (letter !== undefined && !isWhole(content, letter))
      this.problems.push(`${name}: ${entry.sender} is not what was sent`);
  }

  #notice(to: readonly string[], content: Uint8Array): void {
    const text = Buffer.from(content).toString("latin1");
    for (const [, about] of text.matchAll(/^Final-Recipient: rfc822; (\S+)/gm))
      for (const sender of to) this.#told.add(`${sender} ${about}`);
  }

  /** Where it was handed in, as it was answered. */
  letter(letter: Letter): void {
    for (const [to, fate] of letter.fates) {
      const there = this.#at(letter.at, letter.from, to).length;
      const right = {
        accepted: there === 1,
        unknown: there <= 1,
        "not stored": there === 0 || (this.#facts.ill && there === 1),
        refused: there === 0,
      }[fate];
      if (!right)
        this.problems.push(`${letter.at} has ${letter.from} for ${to} ${there} times: it was ${fate}`);
      if (there === 0) this.#count(fate);
      else this.#follow(letter.at, letter, to);
    }
  }

  #follow(station: string, letter: Letter, to: string): void {
    const [entry] = this.#at(station, letter.from, to);
    const state = entry?.recipients.find(({ address }) => address === to)?.state;
    if (entry === undefined || state === undefined) return;
    const next = this.#next(station, entry, to);
    const hasLedger = this.#facts.stations.some(({ name }) => name === next);
    const count = hasLedger
      ? this.#at(next, letter.from, to).length
      : (this.#arrivals.get(`${next} ${letter.from} ${to}`)?.length ?? 0);
    const where = `${letter.from} for ${to} is ${state} at ${station} and`;
    if (hasLedger && count > 1) this.problems.push(`${where} ${count} times at ${next}`);
    if (state === "delivered" && count === 0) this.problems.push(`${where} not at ${next}: lost`);
    const isTold = this.#told.has(`${letter.from} ${to}`) || this.#untold.has(letter.from);
    if ((state === "refused" || state === "expired") && !isTold)
      this.problems.push(`${where} its sender was not told`);
    if (state === "removed" && !this.#facts.register.removed.has(`${station} ${entry.id}`))
      this.problems.push(`${where} nobody removed it`);
    if (hasLedger && count > 0) this.#follow(next, letter, to);
    else this.#count(state === "delivered" ? `delivered to ${next}` : `${state} at ${station}`);
  }

  /** The station or box that an entry goes to. */
  #next(station: string, { direction, customer }: Entry, to: string): string {
    if (direction === "local") return `mailbox of ${customer}`;
    if (direction === "turn") return this.#facts.ownerOf(domainOf(to)) === customer ? customer : "nobody";
    return station === "relay" ? "world" : "relay";
  }

  /** What is somewhere must have been sent; who forgets has copies only by lines and senders that broke. */
  strangers(): void {
    const known = (from: string, to: string): boolean =>
      from === "" || this.#facts.register.letters.get(from)?.fates.has(to) === true;
    for (const entries of this.#entries.values())
      for (const { sender, recipients } of entries)
        for (const { address } of recipients)
          if (!known(sender, address)) this.problems.push(`nobody sent ${sender} for ${address}`);
    for (const [key, arrivals] of this.#arrivals) {
      const [first] = arrivals;
      const letter = this.#facts.register.letters.get(first!.from);
      if (letter === undefined) continue;
      if (arrivals.some(({ content }) => !isWhole(content, letter)))
        this.problems.push(`${key}: it is not what was sent`);
      const excused = arrivals.filter(({ line, sender }) => line?.broken || sender?.killed !== false).length;
      const isExcused = this.#facts.ill || excused >= arrivals.length - 1;
      if (arrivals.length > 1 && (this.#facts.calm || !isExcused))
        this.problems.push(`${key}: ${arrivals.length} copies, and only ${excused} have an excuse`);
    }
  }

  #at(station: string, from: string, to: string): readonly Entry[] {
    return this.#entries.get(`${station} ${from} ${to}`) ?? [];
  }

  #count(end: string): void {
    this.ends[end] = (this.ends[end] ?? 0) + 1;
  }
}

function push<V>(map: Map<string, V[]>, key: string, value: V): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}
