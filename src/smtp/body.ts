/** The octets of a body on their way in: after DATA up to the lone dot, after BDAT as many as were announced. */
// A body that is refused is read to its true end all the same: only behind it is the next command.
import { DotReader, PlainReader } from "../wire/dots.ts";
import type { Inbox } from "../wire/inbox.ts";
import type { Reply } from "../wire/reply.ts";
import { say } from "./rules.ts";
import type { ServerSettings } from "./session.ts";

/**
 * hungry: more octets are needed · going: some were used · too big: said once, the rest is dropped · received: a chunk
 * that is not the last · whole: the body is here · bare: its end is here, but a CR or LF in it stands alone · refused:
 * its end is here, and `refusal` is the answer.
 */
export type Step = "hungry" | "going" | "too big" | "received" | "whole" | "bare" | "refused";

export interface BodyReader {
  /** Uses what is in the inbox; canonical octets go to `put`. */
  step(inbox: Inbox, put: (piece: Uint8Array) => void): Step;
  /** The answer to a body that was refused. */
  readonly refusal: Reply;
}

type Limits = Pick<ServerSettings, "sizeLimit" | "bareLineEnds">;

/** A body after DATA. */
export class DottedBody implements BodyReader {
  readonly refusal = say.tooBig;
  readonly #reader: DotReader;
  readonly #limits: Limits;
  #tooBig = false;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#reader = new DotReader(limits.bareLineEnds);
  }

  step(inbox: Inbox, put: (piece: Uint8Array) => void): Step {
    if (this.#reader.done) return this.#end();
    const bytes = inbox.peek();
    if (bytes.length === 0) return "hungry";
    inbox.skip(this.#reader.read(bytes, (piece) => this.#tooBig || put(piece)));
    if (this.#tooBig || this.#reader.octets <= this.#limits.sizeLimit) return "going";
    this.#tooBig = true;
    return "too big";
  }

  #end(): Step {
    if (this.#reader.bare && this.#limits.bareLineEnds === "refuse") return "bare";
    return this.#tooBig ? "refused" : "whole";
  }
}

/** What a body by BDAT has come to so far; lives from its first chunk to LAST. */
export type Chunks = PlainReader;

export const newChunks = ({ bareLineEnds }: Limits): Chunks => new PlainReader(bareLineEnds);

/** One chunk of a body. */
export class Chunk implements BodyReader {
  refusal = say.tooBig;
  readonly #chunks: Chunks | undefined;
  readonly #last: boolean;
  readonly #limits: Limits;
  #left: number;
  #refused = false;

  /** @param chunks the body that it belongs to; undefined: its octets are read for nothing */
  constructor(
    { size, last }: { readonly size: number; readonly last: boolean },
    chunks: Chunks | undefined,
    limits: Limits,
  ) {
    this.#left = size;
    this.#last = last;
    this.#chunks = chunks;
    this.#limits = limits;
  }

  step(inbox: Inbox, put: (piece: Uint8Array) => void): Step {
    if (this.#left === 0) return this.#end(put);
    const bytes = inbox.take(this.#left);
    if (bytes.length === 0) return "hungry";
    this.#left -= bytes.length;
    if (this.#chunks === undefined || this.#refused) return "going";
    this.#chunks.read(bytes, put);
    if (this.#chunks.octets <= this.#limits.sizeLimit) return "going";
    this.#refused = true;
    return "too big";
  }

  #end(put: (piece: Uint8Array) => void): Step {
    if (this.#chunks === undefined || this.#refused) return "refused";
    if (!this.#last) return "received";
    this.#chunks.finish(put);
    return this.#chunks.bare && this.#limits.bareLineEnds === "refuse" ? "bare" : "whole";
  }
}
