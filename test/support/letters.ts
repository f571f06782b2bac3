/** Letters: messages with an address each, sent by SMTP, found again in a Maildir, and compared. */
// Each has a recipient of its own, so that it is known again whatever a server did to its text.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { dialled } from "../../src/delivery/dialled.ts";
import { dial } from "../../src/net/dial.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { type CorpusMessage, canonical, corpus, octets, parcelFor } from "./mail.ts";

export interface Letter {
  readonly to: string;
  readonly message: CorpusMessage;
}

/**
 * The corpus, each message to an address of its own, in these domains by turns; at most `most`, taken from all over it.
 * Where it is not at hand, a few that are made here stand in.
 */
export async function letters(
  domains: readonly string[],
  most = Number.POSITIVE_INFINITY,
): Promise<readonly Letter[]> {
  const found = await corpus();
  const messages = found.length > 0 ? found : made;
  const step = Math.max(1, Math.floor(messages.length / most));
  const chosen = messages.filter((_, i) => i % step === 0).slice(0, most);
  return chosen.map((message, i) => ({ to: `m${i}@${domains[i % domains.length]}`, message }));
}

const made: readonly CorpusMessage[] = Object.entries({
  plain: "Subject: plain\n\nhello\n",
  headless: "\nno header at all\n",
  bodiless: "Subject: no body\n",
  dotted: "Subject: dots\n\n.\n..\n.text\n\n.\n",
  traced: "Received: by other.test; Tue, 24 Nov 2026 21:00:00 +0000\nSubject: traced\n\ntext\n",
  eight: "Subject: gr\u00fc\u00dfe\n\n\u00e4\u00f6\u00fc\n",
  long: `Subject: long\n\n${"word ".repeat(180)}\n`,
  large: `Subject: large\n\n${"seventy-one characters of text, give or take, over and over again....\n".repeat(3_000)}`,
}).map(([name, text]) => {
  const raw = octets(text);
  return { name, raw, canonical: canonical(raw) };
});

/** Hands letters to an SMTP server on loopback; all of them must be taken. */
export async function post(
  port: number,
  letters: readonly Letter[],
  { host = "127.0.0.1", from }: { readonly host?: string; readonly from?: string } = {},
): Promise<void> {
  const line = dialled({
    dialect: "SMTP",
    name: `smtp://${host}:${port}`,
    hostname: "sender.test",
    dial: () => dial({ host, port, clock: systemClock, within: 10_000 }),
  });
  try {
    for (const { to, message } of letters) {
      const outcomes = await line.deliver(
        parcelFor([to], { content: message.canonical, ...(from && { from }) }),
      );
      assert.deepEqual(
        outcomes.filter(({ result }) => result !== "delivered"),
        [],
        message.name,
      );
    }
  } finally {
    await line.close();
  }
}

/** What lies in a Maildir, canonical, by the recipients that the server noted on top. */
export async function lettersIn(maildir: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const names = await namesIn(maildir);
  const all = names.map(async (name) =>
    canonical(new Uint8Array(await readFile(join(maildir, "new", name)))),
  );
  return byRecipient(await Promise.all(all), /^Delivered-To: <?([^>\r]+)/m);
}

/** Messages by what `field` finds in each of them first. */
export function byRecipient(messages: readonly Uint8Array[], field: RegExp): ReadonlyMap<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (const content of messages) {
    const to = field.exec(latin1(content))?.[1];
    assert.ok(to !== undefined && !found.has(to), `two for ${to}`);
    found.set(to, content);
  }
  return found;
}

export const countIn = async (maildir: string): Promise<number> => (await namesIn(maildir)).length;

const namesIn = (maildir: string): Promise<readonly string[]> =>
  readdir(join(maildir, "new")).catch(() => []);

/** Those that did not come as they were sent, with trace fields on top and no more. */
export function changed(
  sent: readonly Letter[],
  arrived: ReadonlyMap<string, Uint8Array>,
): readonly Letter[] {
  return sent.filter(({ to, message }) => {
    const came = arrived.get(to) ?? assert.fail(`${message.name} is lost`);
    return !intact(came, message);
  });
}

const TRACE = /^(?:Return-Path|X-Original-To|Delivered-To|Received):(?:[^\n]*\n)(?:[ \t][^\n]*\n)*/i;

/** Whether it is the message with nothing but trace fields on top. */
function intact(arrived: Uint8Array, { canonical }: CorpusMessage): boolean {
  const whole = Buffer.from(arrived);
  const top = whole.length - canonical.length;
  if (top < 0 || !whole.subarray(top).equals(canonical)) return false;
  return withoutTrace(whole.subarray(0, top)) === "";
}

/** The text behind the trace fields on top; `most` of them are taken off. */
export function withoutTrace(arrived: Uint8Array, most = Number.POSITIVE_INFINITY): string {
  let text = latin1(arrived);
  for (let taken = 0; taken < most; taken++) {
    const field = TRACE.exec(text);
    if (field === null) break;
    text = text.slice(field[0].length);
  }
  return text;
}

export const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
