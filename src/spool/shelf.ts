/** Where large bodies lie: in files beside an embedded spool, in pieces within a shared one. */
// What was finished is durable no later than the commit that names it.
import type { MessageId } from "./spool.ts";

export interface Shelf {
  /**
   * A new body, named after a message; nothing is touched before the first write.
   * @param written told of each piece once it is stored, and needed here no more
   */
  begin(id: MessageId, written?: (piece: Uint8Array) => void): Growing;
  /** Its octets in bounded pieces. Throws on the way if it is not there, or not all of it. */
  read(name: string): AsyncIterable<Uint8Array>;
  unlink(name: string): Promise<void>;
}

/** One body on its way in. Trouble is kept, and told by finish(). */
export interface Growing {
  /** The name for the row. */
  readonly name: string;
  /** undefined: go on at once; else what is written catches up before it resolves. Never rejects. */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** What was written so far. @throws what went wrong */
  content(): AsyncIterable<Uint8Array>;
  /** @throws what went wrong, first trouble first */
  finish(): Promise<void>;
  /** Removes what there is of it. Never rejects: what is left behind is found later. */
  discard(): Promise<void>;
}
