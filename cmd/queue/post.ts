/** What `odmr queue add` and `import` have in common: their flags, and how a message of this host is posted. */
import { hostname } from "node:os";
import { type Posted as PostedTo, post as postTo, type Letter as SpoolLetter } from "../../src/spool/post.ts";
import type { MessageId, Spool } from "../../src/spool/spool.ts";
import { type Address, parseAddress } from "../../src/wire/address.ts";
import { Exit, status, UsageError } from "../exit.ts";
import { textFlag } from "../flags.ts";
import { type QueueFlags, queueFlags } from "./open.ts";

/** Who it is from and for whom; what `add` and `import` have in common. */
export interface PostFlags extends QueueFlags {
  readonly to: readonly Address[];
  readonly customer?: string;
}

export const postFlags = {
  ...queueFlags,
  to: {
    kind: "parsed",
    parse: address,
    variadic: true,
    placeholder: "ADDRESS",
    brief: "A recipient; may be given more than once",
  },
  customer: textFlag("NAME", "It waits for this customer's call, whatever its recipients' domains"),
} as const;

/** A letter from a file or a pipe of this host. */
export interface Letter extends Omit<SpoolLetter, "source" | "hostname"> {
  readonly hostname: string | undefined;
}

/** A message that was read; its ids come when it is safe. */
export interface Posted {
  readonly ids: Promise<readonly MessageId[]>;
}

/** Resolves when the message is read. @throws Exit, SpoolError */
export async function post(letter: Letter, spool: Spool): Promise<Posted> {
  const source = { protocol: "file", peer: "localhost" };
  const posted = await postTo({ ...letter, source, hostname: letter.hostname ?? hostname() }, spool);
  if (typeof posted === "string") throw new Exit(status.dataError, `the message is ${posted}`);
  return { ids: stored(posted.ids) };
}

async function stored(ids: PostedTo["ids"]): Promise<readonly MessageId[]> {
  const made = await ids;
  if (made !== "full") return made;
  throw new Exit(status.cannotCreate, "there is no room in the spool");
}

/** @throws UsageError */
export function sender(text: string): Address {
  return text === "" || text === "<>" ? "" : address(text);
}

function address(text: string): Address {
  const found = parseAddress(text.replace(/^<(.*)>$/s, "$1"));
  if (found === undefined)
    throw new UsageError(`${JSON.stringify(text)} is no mail address; write bob@example.org`);
  return found;
}
