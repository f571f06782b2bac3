/** A message on its way in: hashed as it comes, kept in memory while small, written to a file once it is not. */
// commit() says "stored" only after the group's sync; whatever fails before that leaves nothing behind.
import { isFull } from "../platform/files.ts";
import { type Hash, newSha256, sha256 } from "../platform/hash.ts";
import { giveBack, trickled } from "../platform/memory.ts";
import { copied } from "./bodies.ts";
import type { Committer } from "./committer.ts";
import { Likeness } from "./doubles.ts";
import type { Growing, Shelf } from "./shelf.ts";
import {
  type Acceptance,
  type Committed,
  type Draft,
  type MessageId,
  SpoolError,
  type SpoolFault,
} from "./spool.ts";
import type { Acceptation, MailFacts, PostedEntry, StoredBody } from "./store.ts";

/** Bodies up to here lie in their row: measured, a row beats a file there. A draft keeps no more than this in memory. */
export const SMALL = 128 * 1024;

/** What drafts need of their spool. */
export interface Desk {
  readonly committer: Committer;
  readonly bodies: Shelf;
  readonly actor: string;
  now(): number;
}

/** A body that has outgrown memory. */
interface Large {
  readonly body: Growing;
  readonly hash: Hash;
}

/** Faults after which nothing of the group can be in the database. */
const certain: readonly SpoolFault[] = ["full", "busy"];

export class SpoolDraft implements Draft {
  readonly ids: readonly MessageId[];
  readonly #acceptance: Acceptance;
  readonly #desk: Desk;
  #pieces: Uint8Array[] = [];
  #octets = 0;
  #large: Large | undefined;
  readonly #likeness: Likeness | undefined;
  #ended = false;

  constructor(acceptance: Acceptance, ids: readonly MessageId[], desk: Desk) {
    this.ids = ids;
    this.#acceptance = acceptance;
    this.#desk = desk;
    this.#likeness = acceptance.doubles === "remove" ? new Likeness() : undefined;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#ended) return undefined;
    this.#octets += bytes.length;
    this.#likeness?.write(bytes);
    if (this.#large !== undefined) return this.#spill(this.#large, bytes);
    this.#pieces.push(bytes);
    if (this.#octets <= SMALL) return undefined;
    // A likeness may still hold views of pieces of the header.
    const written = this.#likeness === undefined ? giveBack : undefined;
    const large = { body: this.#desk.bodies.begin(this.ids[0] ?? "draft", written), hash: newSha256() };
    this.#large = large;
    const pieces = this.#pieces;
    this.#pieces = [];
    for (const piece of pieces.slice(0, -1)) void this.#spill(large, piece);
    return this.#spill(large, bytes);
  }

  content(): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
    return this.#large === undefined ? this.#pieces : this.#large.body.content();
  }

  async commit(facts: { readonly subject?: string }): Promise<Committed> {
    if (this.#ended) throw new SpoolError("closed", "this draft was committed or discarded before");
    this.#ended = true;
    let stored = false;
    try {
      const committed = await this.#store(facts.subject ?? "");
      stored = committed.type === "stored";
      return committed;
    } catch (error) {
      if (isFull(error) || (error instanceof SpoolError && error.fault === "full")) return { type: "full" };
      throw error instanceof SpoolError ? error : ioError(error);
    } finally {
      if (!stored) await this.#large?.body.discard();
    }
  }

  async discard(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#pieces = [];
    await this.#large?.body.discard();
  }

  #spill({ body, hash }: Large, bytes: Uint8Array): Promise<void> | undefined {
    hash.update(bytes);
    return body.write(bytes);
  }

  async #store(subject: string): Promise<Committed> {
    const { content, hash } = await this.#content();
    const { source, arrived, origin, pays } = this.#acceptance;
    return await this.#submit({
      mail: mailFacts(this.#acceptance),
      source,
      arrived,
      subject: subject.replaceAll("\0", " "),
      origin,
      content,
      octets: this.#octets,
      sha256: hash,
      likeness: this.#likeness?.of(this.#acceptance.envelope.from),
      postings: this.#entries(),
      pays,
      now: this.#desk.now(),
      actor: this.#desk.actor,
    });
  }

  /** Where a fault leaves it open whether a row names the file by now, the file stays: if not, recovery finds it. */
  async #submit(acceptation: Acceptation): Promise<Committed> {
    try {
      return await this.#desk.committer.submit("accept", acceptation);
    } catch (error) {
      if (!(error instanceof SpoolError && certain.includes(error.fault))) this.#large = undefined;
      throw error;
    }
  }

  async #content(): Promise<{ readonly content: StoredBody; readonly hash: Uint8Array }> {
    if (this.#large === undefined) {
      const pieces = this.#pieces;
      const bytes = copied(pieces, this.#octets);
      this.#pieces = [];
      if (this.#likeness === undefined) trickled(pieces);
      return { content: { bytes }, hash: sha256(bytes) };
    }
    await this.#large.body.finish();
    return { content: { file: this.#large.body.name }, hash: this.#large.hash.digest() };
  }

  #entries(): readonly PostedEntry[] {
    return this.#acceptance.postings.map((posting, i) => {
      const id = this.ids[i] ?? "";
      const trace = this.#acceptance.trace(id, posting);
      return {
        id,
        lane: { direction: posting.lane.direction, customer: posting.lane.customer },
        recipients: onceEach(posting.recipients),
        expires: posting.expires,
        trace,
        size: new TextEncoder().encode(trace).length + this.#octets,
      };
    });
  }
}

function mailFacts({ envelope }: Acceptance): MailFacts {
  return {
    from: envelope.from,
    body: envelope.body ?? null,
    smtputf8: envelope.smtputf8,
    ret: envelope.ret ?? null,
    envid: envelope.envid ?? null,
  };
}

/** A recipient that was named twice gets the message once. */
function onceEach<R extends { readonly address: string }>(recipients: readonly R[]): readonly R[] {
  const known = new Map<string, R>();
  for (const recipient of recipients)
    if (!known.has(recipient.address)) known.set(recipient.address, recipient);
  return known.size === recipients.length ? recipients : [...known.values()];
}

export function ioError(error: unknown): SpoolError {
  return new SpoolError("io", error instanceof Error ? error.message : String(error), { cause: error });
}
