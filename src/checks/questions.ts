/** The questions that one message may put to DNS, in the form that mailauth asks them. */
// A message chooses the names that are asked for: their number is bounded, and after the end nothing is asked.
import type { Lookup, RecordType } from "../platform/lookup.ts";

/** SPF has ten lookups with their addresses, DKIM and ARC one a key. */
const MOST = 100;

type Resolver = (name: string, type: string) => Promise<string[][] | string[]>;

export class Questions {
  readonly #lookup: Lookup;
  #asked = 0;
  #ended = false;

  constructor(lookup: Lookup) {
    this.#lookup = lookup;
  }

  end(): void {
    this.#ended = true;
  }

  readonly resolver: Resolver = async (name, type) => {
    if (this.#ended || ++this.#asked > MOST) throw coded("ETIMEOUT", "no more questions for this message");
    const found = await this.#lookup.ask(name, type as RecordType).catch((cause: unknown) => {
      throw coded("ETIMEOUT", `no answer on ${name}`, cause);
    });
    if (found.length === 0) throw coded("ENODATA", `nothing at ${name}`);
    return found as string[];
  };
}

function coded(code: string, message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code });
}
