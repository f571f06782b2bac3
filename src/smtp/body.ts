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

/** What BDAT said. */
export interface Announced {
  readonly size: number;
  readonly last: boolean;
}

type Limits = Pick<ServerSettings, "sizeLimit" | "bareLineEnds">;

/** The bodies of a session, one after another: who reads the octets that come next. */
export class Bodies {
  readonly #limits: Limits;
  /** The chunk that was announced last; undefined: the body comes after DATA. */
  #announced: Announced | undefined;
  /** What a body by BDAT has come to; lives from its first chunk to LAST. */
  #chunks: PlainReader | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Octets of the chunk that was announced last. */
  get size(): number {
    return this.#announced?.size ?? 0;
  }

  /** The body that is asked about comes by BDAT. */
  get chunked(): boolean {
    return this.#announced !== undefined;
  }

  data(): void {
    this.#announced = undefined;
  }

  /** BDAT. @returns who reads the chunk; undefined: a body begins, and must be asked about */
  chunk(announced: Announced): BodyReader | undefined {
    this.#announced = announced;
    return this.#chunks && new Chunk(announced, this.#chunks, this.#limits);
  }

  /** The body that was asked about may come. */
  admit(): BodyReader {
    if (this.#announced === undefined) return new DottedBody(this.#limits);
    this.#chunks = new PlainReader(this.#limits.bareLineEnds);
    return new Chunk(this.#announced, this.#chunks, this.#limits);
  }

  /** It may not: a chunk's octets come all the same. @returns who reads them; undefined: none come */
  refuse(refusal: Reply): BodyReader | undefined {
    return this.#announced && this.skip(this.#announced, refusal);
  }

  skip(announced: Announced, refusal: Reply): BodyReader {
    return new Chunk(announced, refusal, this.#limits);
  }

  end(): void {
    this.#chunks = undefined;
  }
}

/** A body after DATA. */
class DottedBody implements BodyReader {
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

/** One chunk of a body. */
class Chunk implements BodyReader {
  readonly refusal: Reply;
  readonly #chunks: PlainReader | undefined;
  readonly #last: boolean;
  readonly #limits: Limits;
  #left: number;
  #refused = false;

  /** @param body what it belongs to; a Reply: its octets are read for nothing, and this is the answer */
  constructor({ size, last }: Announced, body: PlainReader | Reply, limits: Limits) {
    this.#left = size;
    this.#last = last;
    this.#chunks = "code" in body ? undefined : body;
    this.refusal = "code" in body ? body : say.tooBig;
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
