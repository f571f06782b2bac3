/** Puts messages that did not come by SMTP into the spool, with a Received field that says so. */
import { hostname } from "node:os";
import { HeaderGlance } from "../../src/mail/glance.ts";
import { received } from "../../src/mail/trace.ts";
import type { Instant } from "../../src/platform/clock.ts";
import type { MessageId, Posting, Spool } from "../../src/spool/spool.ts";
import { type Address, isAscii, parseAddress } from "../../src/wire/address.ts";
import { Exit, status, UsageError } from "../exit.ts";
import { textFlag } from "../flags.ts";
import { type SpoolFlags, spoolFlags } from "./open.ts";

/** Who it is from and for whom; what `add` and `import` have in common. */
export interface PostFlags extends SpoolFlags {
  readonly to: readonly Address[];
  readonly customer?: string;
}

export const postFlags = {
  ...spoolFlags,
  to: {
    kind: "parsed",
    parse: address,
    variadic: true,
    placeholder: "ADDRESS",
    brief: "A recipient; may be given more than once",
  },
  customer: textFlag("NAME", "It waits for this customer's call, whatever its recipients' domains"),
} as const;

export interface Letter {
  readonly from: Address;
  readonly postings: readonly Posting[];
  readonly arrived: Instant;
  /** Our name, for the Received field. */
  readonly hostname: string | undefined;
  /** Canonical octets. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** A message that was read; its ids come when it is safe. */
export interface Posted {
  readonly ids: Promise<readonly MessageId[]>;
}

/** Resolves when the message is read. @throws Exit, SpoolError */
export async function post(letter: Letter, spool: Spool): Promise<Posted> {
  const { from, postings, arrived } = letter;
  const by = letter.hostname ?? hostname();
  const addresses = [from, ...postings.flatMap(({ recipients }) => recipients.map(({ address }) => address))];
  const draft = spool.begin({
    envelope: { from, smtputf8: !addresses.every(isAscii), body: "8BITMIME" },
    postings,
    source: { protocol: "file", peer: "localhost" },
    arrived,
    trace: (id, { recipients: [only, ...others] }) =>
      received({
        by,
        id,
        at: arrived,
        protocol: "file",
        ...(only && others.length === 0 && { for: only.address }),
      }),
  });
  const glance = new HeaderGlance();
  let octets = 0;
  try {
    for await (const piece of letter.content) {
      octets += piece.length;
      glance.write(piece);
      await draft.write(piece);
    }
    if (octets === 0) throw new Exit(status.dataError, "the message is empty");
  } catch (error) {
    await draft.discard();
    throw error;
  }
  return { ids: stored(draft.commit(glance.subject === undefined ? {} : { subject: glance.subject })) };
}

async function stored(
  commit: ReturnType<ReturnType<Spool["begin"]>["commit"]>,
): Promise<readonly MessageId[]> {
  const committed = await commit;
  if (committed.type === "stored") return committed.ids;
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
