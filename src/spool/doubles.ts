/** Doubles: the same mail by two relays within a day counts once, where its account asks for that. */
// The same: Message-ID, sender, recipient and body, without what hosts put on it on the way. Without an id nothing is a double.
import { Untraced } from "../mail/untraced.ts";
import { newSha256, sha256 } from "../platform/hash.ts";
import type { Database } from "../platform/sqlite.ts";
import type { Address } from "../wire/address.ts";
import type { Acceptation, PostedEntry } from "./store.ts";
import type { Work } from "./work.ts";

const DAY = 86_400_000;

/** Reads a message as it comes, and says in the end by what its doubles are known. */
export class Likeness {
  readonly #hash = newSha256();
  readonly #untraced = new Untraced((piece) => this.#hash.update(piece));

  write(bytes: Uint8Array): void {
    this.#untraced.write(bytes);
  }

  /** undefined: it has no Message-ID. */
  of(from: Address): Uint8Array | undefined {
    this.#untraced.end();
    const { messageId } = this.#untraced;
    if (messageId === undefined) return undefined;
    const body = Array.from(this.#hash.digest(), (octet) => octet.toString(16).padStart(2, "0")).join("");
    return sha256(new TextEncoder().encode(`${messageId}\0${from}\0${body}`));
  }
}

/** The postings less the recipients that have this mail already; that they have it is noted with the mail that they have. */
export function once(
  db: Database,
  { likeness, now, actor, source, origin }: Acceptation,
  postings: readonly PostedEntry[],
  work: Work,
): { readonly postings: readonly PostedEntry[]; readonly doubled: readonly Address[] } {
  const doubled: Address[] = [];
  if (likeness === undefined) return { postings, doubled };
  db.run("DELETE FROM double WHERE at <= ?", now - DAY);
  const by = origin === undefined ? "" : `, as ${origin.message}`;
  const isNew = ({ address }: { readonly address: Address }): boolean => {
    const first = db.get<{ message: number }>(
      "SELECT message FROM double WHERE likeness = ? AND recipient = ?",
      likeness,
      address,
    );
    if (first === undefined) return true;
    doubled.push(address);
    const reason = `it came again by ${source.peer}${by}, and the double was removed`;
    work.note(first.message, address, "doubled", { at: now, actor, reason });
    return false;
  };
  const left = postings.map((posting) => ({ ...posting, recipients: posting.recipients.filter(isNew) }));
  return { postings: left.filter(({ recipients }) => recipients.length > 0), doubled };
}

/** Notes that an entry's recipients have this mail now. */
export function noteLikeness(
  db: Database,
  { likeness, now }: Acceptation,
  seq: number,
  { recipients }: PostedEntry,
): void {
  if (likeness === undefined) return;
  for (const { address } of recipients)
    db.run("INSERT OR REPLACE INTO double VALUES (?, ?, ?, ?)", likeness, address, seq, now);
}
