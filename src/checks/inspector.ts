/** All checks of a relay, in their order: who is looked at, and what comes of it together. */
// A refusal of one check ends it; the fields of the others go on top as one Authentication-Results and what they add.

import { headerOf, unfolded } from "../mail/fields.ts";
import { authenticationResults, type Result } from "../mail/results.ts";
import type { Address } from "../wire/address.ts";
import type { Reply } from "../wire/reply.ts";
import type { Check, Examined, Inspection, Inspector, Letter, Visitor } from "./check.ts";
import { frontVisitor } from "./front.ts";

export interface InspectorPlan {
  readonly hostname: string;
  /** The services whose visitors are looked at. */
  readonly at: readonly string[];
  /** Whether this address is one of our own. */
  readonly trusts: (address: string) => boolean;
  readonly greetingDelay: number;
  /** One of the checks writes into Authentication-Results whom a message is from. */
  readonly authenticates: boolean;
  /** What is found out about an address, once a connection. */
  readonly connection?: (address: string) => Promise<ConnectionFindings>;
  readonly checks: readonly Check[];
}

export interface ConnectionFindings {
  readonly results: readonly Result[];
  /** The name that leads back to the address. */
  readonly name?: string | undefined;
  readonly refusal?: Reply | undefined;
}

/** Who can be written to by everybody (RFC 5321 §4.5.1): whom a mistaken refusal is told to. */
const isPostmaster = (to: Address): boolean => /^postmaster(@|$)/i.test(to);

export function inspectorOf(plan: InspectorPlan): Inspector {
  return {
    meet: (service, address) =>
      plan.at.includes(service) && !plan.trusts(address) ? new Meeting(plan, service, address) : undefined,
  };
}

class Meeting implements Inspection {
  readonly greetingDelay: number;
  readonly unforged: boolean;
  readonly #plan: InspectorPlan;
  readonly #service: string;
  /** Begun at once, asked for later: the peer talks meanwhile. */
  readonly #found: Promise<ConnectionFindings> | undefined;

  constructor(plan: InspectorPlan, service: string, address: string) {
    this.#plan = plan;
    this.#service = service;
    // The mail server in front may have our name, and have asked already: its word stays, unless we ask anew.
    this.unforged = service !== "lmtp" || plan.authenticates;
    const outside = service === "intake" && !/^(unix$|::1$|127\.|::ffff:127\.)/i.test(address);
    this.greetingDelay = outside ? plan.greetingDelay : 0;
    this.#found = outside ? plan.connection?.(address) : undefined;
    // Whoever asks for it hears of a fault; nobody may ask before it is there.
    this.#found?.catch(() => {});
  }

  async recipient(to: Address, { user }: Visitor): Promise<Reply | undefined> {
    if (user !== undefined || isPostmaster(to)) return undefined;
    return (await this.#found)?.refusal;
  }

  async message(letter: Letter): Promise<Examined> {
    const found = await this.#found;
    const results: Result[] = [...(found?.results ?? [])];
    const visitor = await this.#visitor(letter, found?.name);
    const whys: string[] = [];
    let fields = "";
    for (const check of this.#plan.checks) {
      const verdict = await check.examine({ ...letter, visitor });
      results.push(...(verdict.results ?? []));
      fields = (verdict.fields ?? "") + fields;
      if (verdict.why !== undefined) whys.push(verdict.why);
      if (verdict.refusal !== undefined) return { fields, refusal: verdict.refusal, ...because(whys) };
    }
    const told = results.length === 0 ? "" : authenticationResults(this.#plan.hostname, results);
    return { fields: told + fields, ...because(whys) };
  }

  /** Through LMTP the mail server beside us speaks for whoever spoke to it: it says so in its Received. */
  async #visitor({ visitor, content }: Letter, name: string | undefined): Promise<Visitor> {
    if (this.#service !== "lmtp") return name === undefined ? visitor : { ...visitor, name };
    const [first] = unfolded(await headerOf(content()));
    return frontVisitor(first) ?? visitor;
  }
}

const because = (whys: readonly string[]): { readonly why?: string } =>
  whys.length === 0 ? {} : { why: whys.join("; ") };
