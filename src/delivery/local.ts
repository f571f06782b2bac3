/** What the targets at home have in common: places that are named after the recipient, fields on top, replies. */
// A recipient's address is a stranger's word: it becomes one name in one folder, or the mail is refused.
import { withLf } from "../mail/lf.ts";
import { deliveredTo, returnPath } from "../mail/trace.ts";
import { isFull } from "../platform/files.ts";
import { type Address, domainOf, localOf } from "../wire/address.ts";
import { isPositive, isTransient, type Reply, reply } from "../wire/reply.ts";
import type { Outcome, Parcel } from "./delivery.ts";
import { LeadsElsewhere } from "./folder.ts";

/** What a target may be named after. */
const PLACEHOLDER = /\{(domain|local|recipient)\}/g;

/** What a file system takes as one name, in octets. */
const NAME_AT_MOST = 255;

/** A recipient that no file, folder or program can be named after. */
export class BadName extends Error {
  override readonly name = "BadName";
}

/** The path for this recipient. @throws BadName for what would be another place: `..`, `a/b`, controls, 300 characters */
export function pathFor(template: string, recipient: Address): string {
  const words = wordsOf(recipient);
  return template.replace(PLACEHOLDER, (_, key: keyof Words) =>
    safeName(words[key].normalize("NFC").toLowerCase()),
  );
}

/** One argument for this recipient. @throws BadName where the address could be taken for an option, or has controls */
export function argumentFor(template: string, recipient: Address): string {
  const words = wordsOf(recipient);
  return template.replace(PLACEHOLDER, (_, key: keyof Words, at: number) => {
    if (at === 0 && words[key].startsWith("-")) throw new BadName('it begins with "-"');
    return withoutControls(words[key]);
  });
}

/** The folder that no recipient's path may leave: what stands before the first placeholder. */
export function baseOf(template: string): string {
  const brace = template.search(PLACEHOLDER);
  if (brace < 0) return template;
  return template.slice(0, template.lastIndexOf("/", brace)) || "/";
}

/** @throws BadName for what could end a line or move a cursor */
export function withoutControls(word: string): string {
  if (/[\x00-\x1f\x7f]/.test(word)) throw new BadName("it has control characters");
  return word;
}

type Words = Readonly<Record<"local" | "domain" | "recipient", string>>;

function wordsOf(recipient: Address): Words {
  return { local: unquoted(localOf(recipient)), domain: domainOf(recipient) || "localhost", recipient };
}

/** `"a b"` is a quoted way to write `a b` (RFC 5321 §4.1.2). */
function unquoted(local: string): string {
  return /^".*"$/s.test(local) ? local.slice(1, -1).replace(/\\(.)/gs, "$1") : local;
}

function safeName(word: string): string {
  const octets = new TextEncoder().encode(word).length;
  if (octets === 0) throw new BadName("it is empty");
  if (octets > NAME_AT_MOST) throw new BadName(`it has ${octets} octets`);
  if (/^[.-]/.test(word)) throw new BadName(`it begins with "${word[0]}"`);
  if (/[/\\:]/.test(word)) throw new BadName('it has "/", "\\" or ":" in it');
  return withoutControls(word);
}

/** The octets as they are kept at home: Return-Path and Delivered-To on top (RFC 5321 §4.4), LF line ends. */
export function keptForm(parcel: Parcel, recipients: readonly Address[]): AsyncIterable<Uint8Array> {
  const fields = returnPath(parcel.envelope.from) + recipients.map(deliveredTo).join("");
  return withLf(preceded(new TextEncoder().encode(fields), parcel));
}

async function* preceded(top: Uint8Array, parcel: Parcel): AsyncGenerator<Uint8Array> {
  yield top;
  yield* parcel.content();
}

/** Puts one message at one place, for these recipients. */
type Put = (path: string, recipients: readonly Address[]) => Promise<void>;

/** Delivers to the place of each recipient, once for those who share one; what goes wrong becomes outcomes. */
export async function deliverTo(template: string, parcel: Parcel, put: Put): Promise<readonly Outcome[]> {
  const replies = new Map<Address, Reply>();
  const places = new Map<string, Address[]>();
  for (const { address } of parcel.envelope.recipients) {
    const path = attempt(() => pathFor(template, address));
    if (typeof path === "string") places.set(path, [...(places.get(path) ?? []), address]);
    else replies.set(address, path);
  }
  for (const [path, addresses] of places) {
    const said = await put(path, addresses).then(() => IN_THE_MAILBOX, replyTo);
    for (const address of addresses) replies.set(address, said);
  }
  return parcel.envelope.recipients.map(({ address }) =>
    outcome(address, replies.get(address) ?? IN_THE_MAILBOX),
  );
}

const IN_THE_MAILBOX = reply(250, "2.0.0", "in the mailbox");

function attempt(act: () => string): string | Reply {
  try {
    return act();
  } catch (error) {
    return replyTo(error);
  }
}

/** What this reply means for the recipient. */
export function outcome(to: Address, said: Reply): Outcome {
  const result = isPositive(said) ? "delivered" : isTransient(said) ? "deferred" : "refused";
  return { to, result, reply: said };
}

/** The reply that an error at a mailbox stands for; it names the trouble and not the path. @throws what is a bug */
export function replyTo(error: unknown): Reply {
  if (error instanceof BadName) return reply(550, "5.1.3", `the address names no mailbox: ${error.message}`);
  if (error instanceof LeadsElsewhere) return reply(550, "5.2.0", "the mailbox is a link to another place");
  const code = codeOf(error);
  if (isFull(error)) return reply(452, "4.2.2", `no room in the mailbox (${code})`);
  return reply(451, "4.2.0", `the mailbox cannot be written (${code})`);
}

/** The system's code of an error, such as EACCES. @throws the error itself if it has none: then it is a bug */
export function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  throw error;
}
