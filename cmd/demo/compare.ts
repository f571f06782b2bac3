/** Compares what lies in the Maildirs with what was sent, octet for octet. */
// Two differences are meant: the trace fields on top, one of each place that the mail came by, and the Maildir's LF.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Letter } from "./letters.ts";

export interface Verdict {
  readonly delivered: number;
  readonly identical: number;
  /** Names of messages that are nowhere. */
  readonly lost: readonly string[];
  /** Names of messages that are not what was sent. */
  readonly changed: readonly string[];
  /** Files beyond the first of a message. */
  readonly doubled: number;
  /** Files that are none of what was sent, or are not topped with the fields that they should have. */
  readonly strange: number;
}

/** @param sent messages by their senders */
export async function compare(folder: string, sent: ReadonlyMap<string, Letter>): Promise<Verdict> {
  const seen = new Map<string, number>();
  const changed: string[] = [];
  let strange = 0;
  for (const file of await messagesIn(folder)) {
    const { sender = "", message } = unfold(await readFile(file));
    const letter = sent.get(sender);
    if (letter === undefined) strange++;
    else {
      seen.set(sender, (seen.get(sender) ?? 0) + 1);
      if (!message.equals(withLf(letter.octets))) changed.push(letter.name);
    }
  }
  const files = [...seen.values()].reduce((sum, count) => sum + count, 0);
  return {
    delivered: seen.size,
    identical: files - changed.length,
    lost: [...sent].filter(([sender]) => !seen.has(sender)).map(([, { name }]) => name),
    changed,
    doubled: files - seen.size,
    strange,
  };
}

/** What has been delivered into any Maildir below a folder. */
export async function messagesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && /\/(new|cur)$/.test(entry.parentPath))
    .map((entry) => join(entry.parentPath, entry.name));
}

const received = [
  String.raw`Received: from \S+ \(\S+\)\n`,
  String.raw`\tby \S+ with \S+(?: \(\S+ \S+\))? id [0-9a-f-]{36}(?:\n\tfor <[^>\n]*>)?;\n`,
  String.raw`\t\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\n`,
].join("");
/** The house's and the relay's, as strictly as they are written: a message may itself begin with a blank. */
const TOP = new RegExp(String.raw`^Return-Path: <([^>\n]*)>\nDelivered-To: [^\n]+\n(?:${received}){2}`);
const TOP_AT_MOST = 4_096;

export interface Unfolded {
  /** Undefined: the fields on top are not what they should be. */
  readonly sender: string | undefined;
  readonly message: Buffer;
}

/** Takes the four trace fields off a delivered message. */
export function unfold(file: Buffer): Unfolded {
  const top = TOP.exec(file.toString("latin1", 0, TOP_AT_MOST));
  return { sender: top?.[1], message: file.subarray(top?.[0].length ?? 0) };
}

function withLf(octets: Uint8Array): Buffer {
  return Buffer.from(Buffer.from(octets).toString("latin1").replaceAll("\r\n", "\n"), "latin1");
}
