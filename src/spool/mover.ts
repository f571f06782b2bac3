/** The embedded spool's side of moving house: pages of whole entries out of the store, and into it. */
// A body is hashed while it is stowed: what is not what was accepted is not taken over, but told.
import { newSha256 } from "../platform/hash.ts";
import { joined } from "./bodies.ts";
import type { Committer } from "./committer.ts";
import { SMALL } from "./draft.ts";
import type { Adopted, Books, KeptBody, KeptMail, LedgerRow, Movable } from "./movable.ts";
import { needsBody } from "./moving.ts";
import type { Shelf } from "./shelf.ts";
import { type MessageId, SpoolError } from "./spool.ts";
import type { AdoptedMail, KeptRow, StoredBody } from "./store.ts";

/** Bodies with their entries that go in one commit. */
const PAGE = 64;
const LEDGER_PAGE = 1000;

/** What the mover needs of its spool. */
export interface MoverOptions {
  readonly id: string;
  readonly committer: Committer;
  readonly bodies: Shelf;
  readonly reader: () => Promise<Committer>;
  readonly now: () => number;
  readonly newId: () => MessageId;
}

export class SpoolMover implements Movable {
  readonly id: string;
  readonly #options: MoverOptions;

  constructor(options: MoverOptions) {
    this.id = options.id;
    this.#options = options;
  }

  async *kept(): AsyncGenerator<readonly KeptMail[]> {
    const reader = await this.#options.reader();
    for (const part of ["here", "gone"] as const)
      for (let after: number | undefined = 0; after !== undefined; ) {
        const page: { mail: readonly KeptRow[]; next: number | undefined } = await reader.submit("kept", {
          ...{ part, after, limit: PAGE },
        });
        if (page.mail.length > 0) yield page.mail.map((row) => this.#mailOf(row));
        after = page.next;
      }
  }

  async lacking(ids: readonly MessageId[]): Promise<ReadonlySet<MessageId>> {
    const reader = await this.#options.reader();
    return new Set(await reader.submit("lacking", { ids }));
  }

  async adopt(page: readonly KeptMail[]): Promise<Adopted> {
    const fresh = await this.lacking(page.flatMap(({ entries }) => entries.map(({ id }) => id)));
    const mail: AdoptedMail[] = [];
    const damaged: MessageId[] = [];
    for (const { body, entries } of page) {
      const arriving = entries.filter((entry) => fresh.has(entry.id) && needsBody(entry));
      if (body === undefined || arriving.length === 0) {
        mail.push({ body: undefined, entries });
        continue;
      }
      const content = await this.#stow(body);
      if (content === "damaged") damaged.push(...arriving.map(({ id }) => id));
      else if (content !== "left") mail.push({ body: { ...body, content }, entries });
    }
    const { committer, now } = this.#options;
    return { ...(await committer.submit("adopt", { mail, now: now() })), damaged };
  }

  async *books(): AsyncGenerator<Books> {
    const reader = await this.#options.reader();
    yield { ledger: [], rules: await reader.submit("holdRules", {}) };
    for (let after: LedgerRow | undefined; ; ) {
      const ledger: readonly LedgerRow[] = await reader.submit("ledger", { after, limit: LEDGER_PAGE });
      if (ledger.length > 0) yield { ledger, rules: [] };
      if (ledger.length < LEDGER_PAGE) return;
      after = ledger.at(-1);
    }
  }

  async keepBooks(books: Books): Promise<void> {
    await this.#options.committer.submit("keepBooks", books);
  }

  #mailOf({ seq, body, entries }: KeptRow): KeptMail {
    return { body: body && { ...body, pieces: () => this.#pieces(seq) }, entries };
  }

  async #pieces(seq: number): Promise<AsyncIterable<Uint8Array> | undefined> {
    const reader = await this.#options.reader();
    const content = await reader.submit("bodyOf", { seq });
    if (content === undefined) return undefined;
    return "file" in content ? this.#options.bodies.read(content.file) : one(content.bytes);
  }

  /** Takes a body in: small ones to memory, large ones to a file that is synced. "left": it is not there any more. */
  async #stow(body: KeptBody): Promise<StoredBody | "damaged" | "left"> {
    const pieces = await body.pieces();
    if (pieces === undefined) return "left";
    const hash = newSha256();
    const { bodies, newId } = this.#options;
    // Not named after its message: what has an old name and no row yet may be swept.
    const file = body.octets > SMALL ? bodies.begin(newId()) : undefined;
    const small: Uint8Array[] = [];
    let octets = 0;
    try {
      for await (const piece of pieces) {
        hash.update(piece);
        octets += piece.length;
        if (file === undefined) small.push(piece);
        else await file.write(piece);
      }
    } catch (error) {
      if (error instanceof SpoolError && error.fault !== "io") {
        await file?.discard();
        throw error;
      }
      octets = -1;
    }
    if (octets !== body.octets || !same(hash.digest(), body.sha256)) {
      await file?.discard();
      return "damaged";
    }
    if (file === undefined) return { bytes: new Uint8Array(joined(small, octets)) };
    await file.finish();
    return { file: file.name };
  }
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
