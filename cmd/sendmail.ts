/** `odmr sendmail`, or `sendmail`: mail from programs on this host, as they have always handed it in. */
// Straight into the spool: it needs no daemon, and what was taken is safe when it ends with 0.
import { hostname as systemHostname } from "node:os";
import { buildCommand, type StricliProcess } from "@stricli/core";
import type { Config } from "../src/config/config.ts";
import { readConfig } from "../src/config/load.ts";
import { canonical } from "../src/mail/canonical.ts";
import type { Notify } from "../src/mail/envelope.ts";
import {
  addressees,
  addressesIn,
  completed,
  HeaderTooLong,
  NoAddress,
  type Submitted,
  submitted,
  untilDot,
} from "../src/mail/submitted.ts";
import { systemClock } from "../src/platform/clock.ts";
import { systemRandom } from "../src/platform/random.ts";
import { userName } from "../src/platform/whoami.ts";
import { type Address, domainOf } from "../src/wire/address.ts";
import { Exit, status, UsageError } from "./exit.ts";
import { type Context, helpText } from "./flags.ts";
import { withNewSpool } from "./queue/open.ts";
import { post } from "./queue/post.ts";
import { postingsFor } from "./queue/route.ts";

/** Options with a value, in the same word or the next one. */
const VALUED = new Set("ABCFLNORVXbefhopr");
/** Options whose value stands in the same word, if there is one. */
const MAYBE_VALUED = new Set("dq");
/** Known, and of no meaning here. */
const IGNORED = new Set("ABGILORVXUcdehmnopv");

interface Wishes {
  readonly recipients: readonly string[];
  readonly sender?: string;
  readonly name?: string;
  readonly config?: string;
  readonly fromHeader: boolean;
  readonly dotEnds: boolean;
  readonly notify: readonly Notify[];
}

/** @returns the exit status @throws what exit.ts knows */
export async function sendmail(
  words: readonly string[],
  { env }: Pick<StricliProcess, "env">,
): Promise<void> {
  const wishes = wishesOf(words);
  const config = await readConfig(wishes.config ?? env?.ODMR_CONFIG);
  const input = canonical(process.stdin as AsyncIterable<Uint8Array>);
  try {
    await take(wishes, config, await submitted(wishes.dotEnds ? untilDot(input) : input));
  } catch (fault) {
    if (fault instanceof NoAddress || fault instanceof HeaderTooLong)
      throw new Exit(status.dataError, fault.message, { cause: fault });
    throw fault;
  }
}

async function take(wishes: Wishes, config: Config, { fields, body }: Submitted): Promise<void> {
  const domain = domainFor(config);
  const named = await Promise.all(wishes.recipients.map((list) => addressesIn(list, domain)));
  const to = [...named.flat(), ...(wishes.fromHeader ? await addressees(fields, domain) : [])];
  if (to.length === 0)
    throw new UsageError("mail to whom? give recipients, or -t to take them from To, Cc and Bcc");
  const arrived = systemClock.now();
  const from = await senderOf(wishes, domain);
  const header = completed(fields, {
    from,
    name: wishes.name ?? "",
    at: arrived,
    id: Array.from(systemRandom.bytes(12), (octet) => octet.toString(16).padStart(2, "0")).join(""),
    hostname: config.hostname,
  });
  const postings = postingsFor({ from, to, arrived, config }).map((posting) => ({
    ...posting,
    recipients: posting.recipients.map((recipient) => ({ ...recipient, notify: wishes.notify })),
  }));
  const place = { path: config.spool, config };
  const flags = { log: "text", logLevel: "warn" } as const;
  await withNewSpool(flags, place, async (spool) => {
    const letter = { from, postings, arrived, hostname: config.hostname, content: whole(header, body) };
    await (await post(letter, spool)).ids;
  });
}

async function* whole(header: Uint8Array, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield header;
  yield* body;
}

/** Who is not said to be elsewhere is of the first domain whose mail is taken here. */
function domainFor({ pull, serve, hostname }: Config): string {
  const via = pull?.accounts.find(({ name }) => name === pull.outgoing?.via) ?? pull?.accounts[0];
  return via?.domains[0] ?? serve?.customers[0]?.domains[0] ?? hostname;
}

async function senderOf({ sender }: Wishes, domain: string): Promise<Address> {
  if (sender === "" || sender === "<>") return "";
  const [address = ""] = await addressesIn(sender ?? userName() ?? `nobody@${systemHostname()}`, domain);
  return domainOf(address) === "" ? `${address}@${domain}` : address;
}

/** Reads the command line as getopt does: options may share a word, and `--` ends them. */
export function wishesOf(words: readonly string[]): Wishes {
  const recipients: string[] = [];
  const values = new Map<string, string[]>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    if (word === "--") {
      recipients.push(...words.slice(i + 1));
      break;
    }
    if (!/^-./.test(word)) {
      recipients.push(word);
      continue;
    }
    for (let at = 1; at < word.length; at++) {
      const option = word[at] ?? "";
      const rest = word.slice(at + 1);
      const valued = VALUED.has(option) || (MAYBE_VALUED.has(option) && rest !== "");
      const value = valued && rest === "" ? words[++i] : rest;
      if (valued && value === undefined) throw new UsageError(`-${option} wants a value`);
      values.set(option, [...(values.get(option) ?? []), valued ? (value ?? "") : ""]);
      if (valued) break;
    }
  }
  return meaningOf(values, recipients);
}

function meaningOf(values: ReadonlyMap<string, readonly string[]>, recipients: readonly string[]): Wishes {
  const last = (option: string) => values.get(option)?.at(-1);
  const mode = last("b") ?? "m";
  if (mode !== "m")
    throw new UsageError(`-b${mode} is not for odmr: it takes mail on stdin (-bm); see odmr --help`);
  if (values.has("q")) throw new UsageError("-q: odmr pull --now sends what waits");
  for (const option of values.keys())
    if (!IGNORED.has(option) && !"CFNbfirt".includes(option))
      throw new UsageError(`there is no option -${option}`);
  const [sender, name, config] = [last("f") ?? last("r"), last("F"), last("C")];
  return {
    recipients,
    ...(sender !== undefined && { sender }),
    ...(name !== undefined && { name }),
    ...(config !== undefined && { config }),
    fromHeader: values.has("t"),
    dotEnds: !values.has("i") && !values.get("o")?.includes("i"),
    notify: notifyOf(last("N")),
  };
}

const NOTIFY = ["NEVER", "SUCCESS", "FAILURE", "DELAY"] as const;

function notifyOf(text: string | undefined): readonly Notify[] {
  const words = text?.toUpperCase().split(",") ?? [];
  return words.map(
    (word) =>
      NOTIFY.find((known) => known === word) ??
      fail(`-N ${text}: write never, or some of success,failure,delay`),
  );
}

function fail(message: string): never {
  throw new UsageError(message);
}

/** What `odmr sendmail --help` shows; the command line itself is sendmail's, and is read above. */
export const sendmailCommand = buildCommand<Record<never, never>, string[], Context>({
  func: () => {},
  parameters: {
    positional: {
      kind: "array",
      parameter: { parse: String, placeholder: "RECIPIENT", brief: "Who gets it" },
    },
  },
  docs: {
    brief: "Take a message on stdin from a program on this host, as sendmail does",
    customUsage: ["[OPTIONS] [RECIPIENT...] < MESSAGE"],
    fullDescription: helpText(
      "Options are sendmail's: -t takes the recipients from To, Cc and Bcc; -f ADDRESS is the sender, -F NAME its name;\n" +
        "-i (or -oi): a line with a lone dot does not end the message; -N failure,delay: what the sender wants to hear;\n" +
        "-C FILE is the configuration (else ODMR_CONFIG, or the usual places); -- ends the options. Bcc is taken out;\n" +
        "Date, Message-ID and From are added where they are missing. Linked as sendmail it is sendmail.\n\n" +
        "At home: mail for the house's own domains is delivered there, everything else goes with the next call. On a relay:\n" +
        "mail for a customer waits for its call, everything else leaves in the name of the customer whose sender it has.\n" +
        "odmr serve and odmr pull --daemon take it up within a second; without them it waits in the spool.\n\n" +
        "Exit status: 0 taken, and safe · 64 usage · 65 bad address or message · 73-75 it cannot be stored now · 78\n" +
        "configuration.",
      {
        "odmr sendmail -t -oi < letter.eml": "recipients from the header",
        'printf "Subject: hello\\n\\nHi\\n" | odmr sendmail bob@example.net': "to one recipient",
        "ln -s /usr/local/bin/odmr /usr/sbin/sendmail": "for programs that call sendmail",
      },
    ),
  },
});
