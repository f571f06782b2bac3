/** One message under inspection: what of it goes into the draft, and what the checks say of it. */
// Without checks at a door there is none of this on a message's way.
import type { Examined, Inspection, Letter, Visitor } from "../checks/check.ts";
import { Unforged } from "../mail/forged.ts";
import type { Draft } from "../spool/spool.ts";
import type { Address } from "../wire/address.ts";
import { type Reply, reply } from "../wire/reply.ts";

/** What the checks need to know of a message beside its octets. */
export interface Brought {
  readonly from: Address;
  readonly recipients: readonly Address[];
  readonly visitor: Visitor;
}

const trouble = reply(451, "4.3.0", "Cannot look at it now, try again later");

export class Examination {
  readonly #inspection: Inspection;
  readonly #draft: Draft;
  readonly #brought: Brought;
  readonly #unforged: Unforged | undefined;
  #octets = 0;
  #found: Examined | undefined;

  /** @param hostname whose Authentication-Results only we may write */
  constructor(inspection: Inspection, draft: Draft, brought: Brought, hostname: string) {
    this.#inspection = inspection;
    this.#draft = draft;
    this.#brought = brought;
    this.#unforged = inspection.unforged ? new Unforged(hostname) : undefined;
  }

  /** As Draft.write. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    return this.#put(this.#unforged?.write(bytes) ?? [bytes]);
  }

  /** The fields for the top of the message, once the verdict is there. */
  get fields(): string {
    return this.#found?.fields ?? "";
  }

  /** Why the message was refused, for the log. */
  get why(): string | undefined {
    return this.#found?.why;
  }

  /** To be asked for once, when all octets were written; undefined: it may be stored. */
  async verdict(): Promise<Reply | undefined> {
    await this.#put(this.#unforged?.end() ?? []);
    try {
      this.#found = await this.#inspection.message(this.#letter());
    } catch (fault) {
      this.#found = {
        fields: "",
        refusal: trouble,
        why: fault instanceof Error ? fault.message : String(fault),
      };
    }
    return this.#found.refusal;
  }

  #put(pieces: Iterable<Uint8Array>): Promise<void> | undefined {
    let waiting: Promise<void> | undefined;
    for (const piece of pieces) {
      this.#octets += piece.length;
      waiting = this.#draft.write(piece) ?? waiting;
    }
    return waiting;
  }

  #letter(): Letter {
    const unforged = this.#unforged;
    const content = () => this.#draft.content();
    return {
      id: this.#draft.ids[0] ?? "",
      ...this.#brought,
      size: this.#octets,
      content,
      original:
        unforged === undefined || unforged.removed === 0 ? content : () => unforged.original(content()),
    };
  }
}
