/** The conservation check: each recipient that was answered 250 is followed from station to station, to where it is now. */
// It proves: once in every spool that keeps a ledger, at least once with those that forget, or still in a queue, or given back to
// its sender, or removed by name; whole, octet by octet; and nothing else is anywhere. It does not prove that mail is quick.
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import type { Entry } from "../../src/spool/spool.ts";
import { damage } from "../../src/spool/verify.ts";
import { domainOf } from "../../src/wire/address.ts";
import { type Counts, type Problem, tally } from "../torture/job.ts";
import { type Arrival, isWhole, type Letter, type Register } from "./register.ts";

/** A spool as it lies there in the end. */
export interface Station {
  readonly name: string;
  readonly spool: EmbeddedSpool;
}

export interface Findings {
  readonly problems: readonly Problem[];
  /** Recipients, by what became of them. */
  readonly counts: Counts;
}

interface Facts {
  readonly register: Register;
  readonly stations: readonly Station[];
  /** The customer (and house) of a domain. */
  readonly ownerOf: (domain: string) => string | undefined;
  /** Of the stations, those that send to the world. */
  readonly relays: readonly string[];
  /** Nothing broke: not even a stranger has anything twice. */
  readonly calm: boolean;
  /** Some disk was ill: what was answered 4xx may be there, and a settlement may have failed. */
  readonly ill: boolean;
}

/** @param stuck mail that did not go on though nothing kept it */
export async function findingsOf(facts: Facts, stuck: readonly string[]): Promise<Findings> {
  const check = new Check(facts, stuck);
  for (const station of facts.stations) await check.read(station);
  for (const letter of facts.register.letters.values()) check.letter(letter);
  check.strangers();
  return { problems: check.problems, counts: check.counts };
}

class Check {
  readonly problems: Problem[] = [];
  readonly #facts: Facts;
  readonly #counts = { accepted: 0, arrived: 0, queued: 0, returned: 0, keptUnasked: 0, repeated: 0 };
  /** By station, sender and recipient. */
  readonly #entries = new Map<string, Entry[]>();
  readonly #arrivals = new Map<string, Arrival[]>();
  /** Senders that were told of a recipient: `sender recipient`. */
  readonly #told = new Set<string>();
  /** Senders of whose notices one was given up in its turn, and its text is gone. */
  readonly #untold = new Set<string>();
  /** The notices of one failure, by their ids. */
  readonly #failures = new Map<string, Set<string>>();

  constructor(facts: Facts, stuck: readonly string[]) {
    this.#facts = facts;
    for (const what of stuck) this.#wrong("wrong", what);
    for (const arrival of facts.register.arrivals) {
      if (arrival.from === "") this.#notice(arrival.to, arrival.content);
      for (const to of arrival.to) push(this.#arrivals, `${arrival.box} ${arrival.from} ${to}`, arrival);
    }
  }

  get counts(): Counts {
    return { ...this.#counts, ...tally(this.problems) };
  }

  async read({ name, spool }: Station): Promise<void> {
    for await (const finding of damage(spool))
      this.#wrong("wrong", `${name}: verify says ${JSON.stringify(finding)}`);
    for await (const entry of spool.list({ gone: true })) {
      for (const { address } of entry.recipients)
        push(this.#entries, `${name} ${entry.sender} ${address}`, entry);
      await this.#content(name, spool, entry);
    }
    for (const { id, envelope } of await spool.owed(10_000))
      this.#wrong("wrong", `${name} still owes ${envelope.from} a notice of ${id}`);
  }

  async #content(name: string, spool: EmbeddedSpool, entry: Entry): Promise<void> {
    if (entry.sender === "")
      for (const { address, state } of entry.recipients)
        if (["expired", "refused", "removed"].includes(state)) this.#untold.add(address);
    const pieces: Uint8Array[] = [];
    try {
      for await (const piece of (await spool.content(entry.id)) ?? []) pieces.push(piece);
    } catch (error) {
      return this.#wrong("lost", `${name}: ${entry.id} cannot be read: ${error}`);
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
      this.#wrong("changed", `${name}: ${entry.sender} is not what was sent`);
  }

  #notice(to: readonly string[], content: Uint8Array): void {
    const text = Buffer.from(content).toString("latin1");
    const [, id = ""] = /^Message-ID: (\S+)/im.exec(text) ?? [];
    const [, by = ""] = /^Reporting-MTA: dns; (\S+)/m.exec(text) ?? [];
    for (const [, about, action] of text.matchAll(/^Final-Recipient: rfc822; (\S+)\r\nAction: (\S+)/gm))
      for (const sender of to) {
        this.#told.add(`${sender} ${about}`);
        const failure = `${by} tells ${sender} of ${about}: ${action}`;
        this.#failures.set(failure, (this.#failures.get(failure) ?? new Set()).add(id));
      }
  }

  /** Where it was handed in, as it was answered. */
  letter(letter: Letter): void {
    for (const [at, fates] of letter.fates)
      for (const [to, fate] of fates) {
        const handedIn = this.#at(at, letter.from, to);
        const there = handedIn.length;
        const wrong = {
          accepted: there === 0 ? "lost" : there > 1 ? "doubled" : undefined,
          unknown: there > 1 ? "doubled" : undefined,
          "not stored": there > (this.#facts.ill ? 1 : 0) ? "wrong" : undefined,
          refused: there > 0 ? "wrong" : undefined,
        } as const satisfies Record<typeof fate, Problem["type"] | undefined>;
        const type = wrong[fate];
        if (type !== undefined)
          this.#wrong(type, `${at} has ${letter.from} for ${to} ${there} times: it was ${fate}`);
        if (fate === "accepted") this.#counts.accepted++;
        else if (there > 0) this.#counts.keptUnasked++;
        if (there === 0) continue;
        const end = this.#follow(handedIn[0], at, to);
        if (fate === "accepted" && end !== "lost") this.#counts[end]++;
      }
  }

  /** @param entry where it is now, at this station */
  #follow(entry: Entry | undefined, station: string, to: string): "arrived" | "queued" | "returned" | "lost" {
    const state = entry?.recipients.find(({ address }) => address === to)?.state;
    if (entry === undefined || state === undefined) return "lost";
    const { sender: from } = entry;
    const next = this.#next(station, entry, to);
    const hasLedger = this.#facts.stations.some(({ name }) => name === next);
    const came = hasLedger ? this.#came(next, from, to) : [];
    const count = hasLedger ? came.length : (this.#arrivals.get(`${next} ${from} ${to}`)?.length ?? 0);
    const where = `${from} for ${to} is ${state} at ${station} and`;
    if (hasLedger && count > 1) this.#wrong("doubled", `${where} ${count} times at ${next}`);
    if (state === "delivered" && count === 0) {
      this.#wrong("lost", `${where} not at ${next}`);
      return "lost";
    }
    const isTold = this.#told.has(`${from} ${to}`) || this.#untold.has(from);
    if ((state === "refused" || state === "expired") && !isTold)
      this.#wrong("lost", `${where} its sender was not told`);
    if (state === "removed" && !this.#facts.register.removed.has(`${station} ${entry.id}`))
      this.#wrong("lost", `${where} nobody removed it`);
    if (hasLedger && count > 0) return this.#follow(came[0], next, to);
    if (state === "delivered") return "arrived";
    return state === "waiting" || state === "leased" || state === "held" ? "queued" : "returned";
  }

  /** The station or box that an entry goes to. */
  #next(station: string, { id, direction, customer }: Entry, to: string): string {
    if (direction === "local") return `mailbox of ${station}`;
    const isHis = direction === "turn" && this.#facts.ownerOf(domainOf(to)) === customer;
    if (direction === "turn")
      return isHis || this.#facts.register.moved.has(`${station} ${id}`) ? customer : "nobody";
    return this.#facts.relays.includes(station) ? "world" : "relay";
  }

  /** What is somewhere must have been sent; who forgets has copies only by lines and senders that broke. */
  strangers(): void {
    for (const entries of this.#entries.values())
      for (const { sender, recipients } of entries)
        for (const { address } of recipients)
          if (!this.#facts.register.sent(sender, address))
            this.#wrong("wrong", `nobody sent ${sender} for ${address}`);
    for (const [key, all] of this.#arrivals) {
      const letter = this.#facts.register.letters.get(all[0]!.from);
      if (letter === undefined) continue;
      if (all.some(({ content }) => !isWhole(content, letter)))
        this.#wrong("changed", `${key}: it is not what was sent`);
      // Who was given it twice, by two relays, has it twice, unless he removes doubles.
      for (const arrivals of Map.groupBy(all, ({ by }) => by).values()) this.#copies(key, arrivals);
    }
    for (const [failure, ids] of this.#failures)
      if (ids.size > 1) this.#wrong("doubled", `${failure}, by ${ids.size} notices`);
  }

  #copies(key: string, arrivals: readonly Arrival[]): void {
    const excused = arrivals.filter(({ line, sender }) => line?.broken || sender?.killed !== false).length;
    const isExcused = this.#facts.ill || excused >= arrivals.length - 1;
    if (arrivals.length > 1 && (this.#facts.calm || !isExcused))
      this.#wrong("doubled", `${key}: ${arrivals.length} copies, and only ${excused} have an excuse`);
    else this.#counts.repeated += arrivals.length - 1;
  }

  /**
   * What came to a station from another. What a house sent is there too, and may come back to its door: an operator can move it
   * into that house's own queue. It is not taken again, and whoever followed it there would go round for ever.
   */
  #came(station: string, from: string, to: string): readonly Entry[] {
    const all = this.#at(station, from, to);
    return this.#facts.relays.includes(station) ? all : all.filter(({ direction }) => direction === "local");
  }

  #at(station: string, from: string, to: string): readonly Entry[] {
    return this.#entries.get(`${station} ${from} ${to}`) ?? [];
  }

  #wrong(type: Problem["type"], what: string): void {
    this.problems.push({ type, what });
  }
}

function push<V>(map: Map<string, V[]>, key: string, value: V): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}
