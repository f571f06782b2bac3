/** rspamd, by its HTTP protocol: it sees the message, and says what is to become of it. */
// Its answer is made from a stranger's message: only whole, harmless fields of it go on top, and nothing below is changed.
import { z } from "zod";
import type { Ask, HttpQuestion } from "../platform/ask.ts";
import type { Clock } from "../platform/clock.ts";
import { type Reply, reply } from "../wire/reply.ts";
import type { Check, Letter, Verdict } from "./check.ts";
import { addedField } from "./fields.ts";
import { inTime } from "./intime.ts";

export interface RspamdRules {
  readonly at: HttpQuestion["at"];
  readonly password?: string | undefined;
  /** Milliseconds for one message. */
  readonly timeout: number;
  /** Larger messages are not shown to it. */
  readonly size: number;
  /** What becomes of mail while it does not answer. */
  readonly whenDown: "accept" | "defer";
}

export interface RspamdTools {
  readonly hostname: string;
  readonly clock: Clock;
  readonly ask: Ask;
}

const ANSWER = 1024 * 1024;
const FIELDS = 100;
const TEXT = 200;

const down = reply(451, "4.7.1", "Cannot look at it now, try again later");

const added = z.union([z.string(), z.looseObject({ value: z.string() }).transform(({ value }) => value)]);
const answerSchema = z.looseObject({
  action: z.string(),
  messages: z.looseObject({ smtp_message: z.string().optional() }).optional(),
  milter: z
    .looseObject({ add_headers: z.record(z.string(), z.union([added, z.array(added)])).optional() })
    .optional(),
});
type Answer = z.infer<typeof answerSchema>;

export class Rspamd implements Check {
  readonly #rules: RspamdRules;
  readonly #tools: RspamdTools;

  constructor(rules: RspamdRules, tools: RspamdTools) {
    this.#rules = rules;
    this.#tools = tools;
  }

  async examine(letter: Letter): Promise<Verdict> {
    if (letter.size > this.#rules.size) return {};
    try {
      return verdictOf(await this.#ask(letter));
    } catch (fault) {
      const why = `rspamd: ${fault instanceof Error ? fault.message : String(fault)}`;
      return { why, ...(this.#rules.whenDown === "defer" && { refusal: down }) };
    }
  }

  async #ask(letter: Letter): Promise<Answer> {
    const { at, timeout } = this.#rules;
    const over = new AbortController();
    const asked = this.#tools.ask({
      ...{ at, path: "/checkv2", largest: ANSWER, signal: over.signal },
      headers: this.#headers(letter),
      size: letter.size,
      body: letter.content(),
    });
    try {
      const answer = await inTime(this.#tools.clock, timeout, asked, () => undefined);
      if (answer === undefined) throw new Error("no answer in time");
      if (answer.status !== 200) throw new Error(`it answered ${answer.status}`);
      return answerSchema.parse(JSON.parse(answer.text));
    } finally {
      over.abort();
    }
  }

  #headers({ id, visitor, from, recipients }: Letter): Record<string, string | readonly string[]> {
    const { address, helo, name, user, tls } = visitor;
    const facts: Record<string, string | undefined> = {
      Password: this.#rules.password,
      IP: address === "unix" ? undefined : address,
      Helo: helo,
      Hostname: name,
      User: user,
      From: from,
      "Queue-Id": id,
      "MTA-Name": this.#tools.hostname,
      "TLS-Version": tls?.protocol,
      "TLS-Cipher": tls?.cipher,
    };
    const said = Object.entries(facts).flatMap(([key, value]) =>
      value === undefined || value === "" ? [] : [[key, octets(value)] as const],
    );
    return { ...Object.fromEntries(said), Rcpt: recipients.map(octets) };
  }
}

function verdictOf({ action, messages, milter }: Answer): Verdict {
  const text = printable(messages?.smtp_message ?? "");
  switch (action) {
    case "reject":
    // What was answered 250 is never dropped: whoever sent it is told.
    case "discard":
      return { refusal: said(550, "5.7.1", text || "Refused as spam"), why: `rspamd: ${action}` };
    case "soft reject":
      return { refusal: said(451, "4.7.1", text || "Try again later"), why: `rspamd: ${action}` };
    case "add header":
    case "rewrite subject":
    case "quarantine":
      return { fields: `X-Spam: Yes\r\n${fieldsOf(milter)}` };
    // "greylist" too: where rspamd greylists itself, it says "soft reject".
    default:
      return { fields: fieldsOf(milter) };
  }
}

const said = (code: number, enhanced: string, text: string): Reply => reply(code, enhanced, text);

function fieldsOf(milter: Answer["milter"]): string {
  return Object.entries(milter?.add_headers ?? {})
    .flatMap(([name, values]) => [values].flat().map((value) => addedField(name, value)))
    .slice(0, FIELDS)
    .join("");
}

const printable = (text: string): string =>
  text
    .replace(/[^\x20-\x7e]+/g, " ")
    .trim()
    .slice(0, TEXT);

/** As HTTP carries it: UTF-8, an octet a character, and no line end. */
const octets = (text: string): string =>
  Buffer.from(text.replace(/[\x00-\x1f\x7f]/g, " "), "utf8").toString("latin1");
