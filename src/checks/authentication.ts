/** Whether a message is from whom it says: SPF, DKIM, ARC and DMARC (RFC 7208, 6376, 8617, 7489). */
// A header is made by a stranger: its length, its lines and its signatures are bounded before anything reads them.
import { isIP } from "node:net";
import type { Readable } from "node:stream";
import { headerOf, unfolded } from "../mail/fields.ts";
import type { Result } from "../mail/results.ts";
import type { Clock } from "../platform/clock.ts";
import type { Lookup } from "../platform/lookup.ts";
import type { Random } from "../platform/random.ts";
import { type Reply, reply } from "../wire/reply.ts";
import type { Act, Check, Letter, Pieces, Verdict } from "./check.ts";
import { inTime } from "./intime.ts";
import { Questions } from "./questions.ts";
import { addressesOf, bodyAfter, boundedHeader } from "./signatures.ts";

export interface AuthenticationRules {
  /** The sender's domain names who may send for it, and this host is not among them. */
  readonly spfFail: Act;
  /** The domain in From asks that what is not from it be refused, or be treated with suspicion. */
  readonly dmarcReject: Act;
  readonly dmarcQuarantine: Act;
  /** DNS did not answer, and the message would have been acted on. */
  readonly trouble: "mark" | "defer";
  /** Whoever passes a message on breaks signatures: these say truly what they found before (by their ARC seals). */
  readonly arcSealers: readonly string[];
  /** Larger messages have their signatures not read. */
  readonly size: number;
  /** Milliseconds for all of it. */
  readonly timeout: number;
}

export interface AuthenticationTools {
  readonly hostname: string;
  readonly lookup: Lookup;
  readonly clock: Clock;
  readonly random: Random;
}

/** What was found, in mailauth's words. */
interface Findings {
  readonly spf: Result | undefined;
  readonly dkim: readonly Result[];
  readonly arc: Result;
  /** Whose seal was the last of an unbroken chain. */
  readonly sealer: string | undefined;
  readonly dmarc: readonly Policy[];
  /** Of the message, by our bounds: its body was not read, or not all of its header. */
  readonly unread: "body" | "header" | undefined;
}

interface Policy {
  readonly result: Result;
  readonly asks: string;
  readonly percent: number;
}

const answers = {
  spf: reply(550, "5.7.23", "SPF: this host may not send for the sender's domain"),
  dmarc: reply(
    550,
    "5.7.26",
    "DMARC: the domain in From asks that mail that is not proved to be from it be refused",
  ),
  header: reply(552, "5.3.4", "This header is too long to tell whom the message is from"),
  later: reply(451, "4.7.26", "Cannot tell now whether this is from whom it says, try again later"),
} as const;

const tooLarge: Result = { method: "dkim", result: "policy", comment: "too large to be read" };

const late: Verdict = {
  results: [{ method: "dmarc", result: "temperror", comment: "no answer in time" }],
  why: "no answer in time",
};

export class Authentication implements Check {
  readonly #rules: AuthenticationRules;
  readonly #tools: AuthenticationTools;

  constructor(rules: AuthenticationRules, tools: AuthenticationTools) {
    this.#rules = rules;
    this.#tools = tools;
  }

  async examine(letter: Letter): Promise<Verdict> {
    // Whoever has logged in is known by more than his address.
    if (letter.visitor.user !== undefined) return {};
    const questions = new Questions(this.#tools.lookup);
    try {
      const { clock } = this.#tools;
      return await inTime(clock, this.#rules.timeout, this.#examine(letter, questions), () => this.#late());
    } finally {
      questions.end();
    }
  }

  #late(): Verdict {
    return this.#rules.trouble === "defer" ? { ...late, refusal: answers.later } : late;
  }

  async #examine(letter: Letter, questions: Questions): Promise<Verdict> {
    const [findings, { spf: spfResult }] = await this.#find(letter, questions);
    const { spf, dkim, arc, dmarc } = findings;
    const results = [
      ...(spf ? [spf] : []),
      ...dkim,
      ...(arc.result === "none" ? [] : [arc]),
      ...dmarc.map(({ result }) => result),
    ];
    const decided = this.#decide(findings, spfResult);
    return { results, ...(decided && { refusal: decided.reply, why: decided.why }) };
  }

  async #find(
    letter: Letter,
    questions: Questions,
  ): Promise<readonly [Findings, { readonly spf: string | undefined }]> {
    const [{ spf }, { dkimVerify }, { arc }, { dmarc }] = await Promise.all([
      import("mailauth/lib/spf/index.js"),
      import("mailauth/lib/dkim/verify.js"),
      import("mailauth/lib/arc/index.js"),
      import("mailauth/lib/dmarc/index.js"),
    ]);
    const { hostname: mta, clock } = this.#tools;
    const { address: ip, helo } = letter.visitor;
    const { resolver } = questions;
    const sent = isIP(ip) === 0 ? undefined : spf({ sender: letter.from, ip, helo, mta, resolver });
    sent?.catch(() => {});
    const { stream, unread } = await this.#readable(letter);
    const signed = await dkimVerify(stream, {
      resolver,
      sender: letter.from || "<>",
      curTime: new Date(clock.now()),
    });
    const chain = await arc(signed.arc as never, { resolver });
    const sender = await sent;
    const policies: Policy[] = [];
    for (const from of addressesOf(signed.headerFrom)) {
      const found = await dmarc({
        headerFrom: from,
        spfDomains: sender?.status.result === "pass" ? [sender.domain] : [],
        dkimDomains: signed.results
          .filter(({ status }) => status.result === "pass")
          .map(({ signingDomain: domain }) => ({ domain })),
        arcResult: chain,
        resolver,
      });
      if (found !== false) policies.push(policyOf(found, from));
    }
    return [
      {
        spf: sender && spfResult(sender.status.result, letter),
        dkim: unread === "body" ? [tooLarge] : signed.results.map(dkimResult),
        arc: { method: "arc", result: chain.status.result, comment: commentOf(chain.status) },
        sealer: chain.status.result === "pass" ? sealerOf(chain) : undefined,
        dmarc: policies,
        unread,
      },
      { spf: sender?.status.result },
    ];
  }

  /** The message with as much of it as is read. */
  async #readable(letter: Letter): Promise<{ readonly stream: Readable } & Pick<Findings, "unread">> {
    const { Readable } = await import("node:stream");
    const header = await headerOf(letter.original());
    const { kept, whole } = boundedHeader([...unfolded(header)]);
    const unread = !whole ? "header" : letter.size > this.#rules.size ? "body" : undefined;
    const body = unread === undefined ? bodyAfter(letter.original(), header.length) : [];
    const fields = unread === undefined ? kept : withoutSignatures(kept);
    return { stream: Readable.from(buffers(fields, body), { objectMode: false }), unread };
  }

  #decide(
    { dkim, dmarc, sealer, unread }: Findings,
    spf: string | undefined,
  ): { readonly reply: Reply; readonly why: string } | undefined {
    const { spfFail, dmarcReject, dmarcQuarantine, trouble, arcSealers } = this.#rules;
    // Whoever hides his From behind a mountain of fields is not to go free.
    if (unread === "header" && dmarcReject !== "mark")
      return { reply: said(dmarcReject, answers.header), why: "header too long" };
    const unknown = spf === "temperror" || dkim.some(({ result }) => result === "temperror");
    const vouched = unread === "body" || (sealer !== undefined && arcSealers.includes(sealer));
    const failed = vouched
      ? []
      : dmarc.filter(({ result, percent }) => result.result === "fail" && this.#drawn(percent));
    const asks = (word: string, act: Act) => (failed.some((each) => each.asks === word) ? act : "mark");
    const act = strictest(asks("reject", dmarcReject), asks("quarantine", dmarcQuarantine));
    if (act !== "mark") {
      if (unknown)
        return trouble === "defer" ? { reply: answers.later, why: "DNS did not answer" } : undefined;
      return { reply: said(act, answers.dmarc), why: "DMARC" };
    }
    if (trouble === "defer" && dmarc.some(({ result }) => result.result === "temperror"))
      return { reply: answers.later, why: "DNS did not answer" };
    if (spf === "fail" && spfFail !== "mark") return { reply: said(spfFail, answers.spf), why: "SPF" };
    return undefined;
  }

  /** A policy for a part of the mail meets so many of a hundred (RFC 7489 §6.6.4). */
  #drawn(percent: number): boolean {
    if (percent >= 100) return true;
    const [high = 0, low = 0] = this.#tools.random.bytes(2);
    return ((high * 256 + low) * 100) / 65_536 < percent;
  }
}

const said = (act: Act, refusal: Reply): Reply => (act === "refuse" ? refusal : answers.later);

function strictest(...acts: readonly Act[]): Act {
  return acts.includes("refuse") ? "refuse" : acts.includes("defer") ? "defer" : "mark";
}

type Found<F extends (...args: never[]) => unknown> = Exclude<Awaited<ReturnType<F>>, false>;
type Dkim = typeof import("mailauth/lib/dkim/verify.js")["dkimVerify"];
type Arc = typeof import("mailauth/lib/arc/index.js")["arc"];
type Dmarc = typeof import("mailauth/lib/dmarc/index.js")["dmarc"];
type Status = { readonly comment?: string | boolean };

const commentOf = ({ comment }: Status): string | undefined =>
  typeof comment === "string" ? comment : undefined;

function spfResult(result: string, { from, visitor }: Letter): Result {
  const properties = from === "" ? { "smtp.helo": visitor.helo } : { "smtp.mailfrom": from };
  return { method: "spf", result, properties };
}

function dkimResult({ status, signingDomain, selector }: Found<Dkim>["results"][number]): Result {
  const comment = commentOf(status);
  const { a, b } =
    (status as { readonly header?: { readonly a?: string; readonly b?: string } }).header ?? {};
  // RFC 8601 §2.7.1 has "fail" for it.
  const result = comment === "body hash did not verify" ? "fail" : status.result;
  return {
    method: "dkim",
    result,
    comment,
    properties: {
      "header.d": signingDomain,
      "header.s": selector,
      "header.a": a,
      "header.b": b,
    },
  };
}

function policyOf(found: Found<Dmarc>, from: string): Policy {
  const asks = (found.policy ?? "none").toLowerCase();
  const { result } = found.status;
  return {
    result: {
      method: "dmarc",
      result,
      comment: found.policy === undefined ? undefined : `p=${asks}`,
      properties: { "header.from": from.slice(from.lastIndexOf("@") + 1) },
    },
    asks,
    percent: found.pct ?? 100,
  };
}

const sealerOf = ({ signature }: Found<Arc>): string | undefined =>
  signature ? signature.signingDomain?.toLowerCase() : undefined;

const withoutSignatures = (fields: readonly Uint8Array[]): readonly Uint8Array[] =>
  fields.filter((field) => !/^(dkim-signature|arc-[a-z-]+)[ \t]*:/i.test(latin1(field)));

async function* buffers(header: readonly Uint8Array[], body: Pieces): AsyncGenerator<Buffer> {
  yield Buffer.concat(header);
  for await (const piece of body) yield Buffer.from(piece.buffer, piece.byteOffset, piece.length);
}

const latin1 = (octets: Uint8Array): string => new TextDecoder("latin1").decode(octets.subarray(0, 64));
