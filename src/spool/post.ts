/** Puts a message that did not come by SMTP into the spool, with a Received field that says so. */
// The message is read once, as it comes. Its ids are told when it is safe, and not before.
import { HeaderGlance } from "../mail/glance.ts";
import { received } from "../mail/trace.ts";
import type { Instant } from "../platform/clock.ts";
import { type Address, isAscii } from "../wire/address.ts";
import type { Draft, Lane, MessageId, Posting, Source, Spool } from "./spool.ts";

export interface Letter {
  readonly from: Address;
  readonly postings: readonly Posting[];
  readonly source: Source;
  readonly arrived: Instant;
  /** Our name, for the Received field. */
  readonly hostname: string;
  /** Canonical octets. */
  readonly content: AsyncIterable<Uint8Array>;
  /** Octets that it may have; undefined: as many as there are. */
  readonly most?: number | undefined;
}

/** A message that was read; its ids come when it is safe, one for each posting. */
export interface Posted {
  readonly ids: Promise<readonly MessageId[] | "full">;
}

/** An entry that was made: for one way that recipients go. */
export interface Added extends Lane {
  readonly id: MessageId;
  readonly recipients: readonly Address[];
}

/** @param ids one for each posting */
export function addedOf(ids: readonly MessageId[], postings: readonly Posting[]): readonly Added[] {
  return postings.map(({ lane, recipients }, i) => ({
    id: ids[i]!,
    ...lane,
    recipients: recipients.map(({ address }) => address),
  }));
}

/** Resolves when the message is read. @throws SpoolError, and what reading throws */
export async function post(letter: Letter, spool: Spool): Promise<Posted | "empty" | "too large"> {
  const draft = draftOf(letter, spool);
  const glance = new HeaderGlance();
  let octets = 0;
  try {
    for await (const piece of letter.content) {
      octets += piece.length;
      if (octets > (letter.most ?? octets)) break;
      glance.write(piece);
      await draft.write(piece);
    }
  } catch (error) {
    await draft.discard();
    throw error;
  }
  if (octets > 0 && octets <= (letter.most ?? octets))
    return { ids: stored(draft.commit(glance.subject === undefined ? {} : { subject: glance.subject })) };
  await draft.discard();
  return octets === 0 ? "empty" : "too large";
}

function draftOf({ from, postings, source, arrived, hostname: by }: Letter, spool: Spool): Draft {
  const addresses = [from, ...postings.flatMap(({ recipients }) => recipients.map(({ address }) => address))];
  return spool.begin({
    envelope: { from, smtputf8: !addresses.every(isAscii), body: "8BITMIME" },
    postings,
    source,
    arrived,
    trace: (id, { recipients: [only, ...others] }) =>
      received({
        ...{ by, id, at: arrived, protocol: source.protocol },
        ...(only && others.length === 0 && { for: only.address }),
      }),
  });
}

async function stored(commit: ReturnType<Draft["commit"]>): Promise<readonly MessageId[] | "full"> {
  const committed = await commit;
  return committed.type === "stored" ? committed.ids : "full";
}
