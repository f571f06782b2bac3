/** Questions to DNS by type, for checks at the door. */
// As in dns.ts: that there is nothing is an answer ([]); that nobody answers is a NameTrouble.
import { Resolver } from "node:dns/promises";
import { answersOrNone } from "./dns.ts";

/** What an answer of a type is made of. */
export interface Records {
  readonly A: string;
  readonly AAAA: string;
  readonly PTR: string;
  /** The texts of one record, which belong together. */
  readonly TXT: readonly string[];
  readonly MX: { readonly priority: number; readonly exchange: string };
}

export type RecordType = keyof Records;

export interface Lookup {
  /** Whether "none" can be believed; see Names. */
  readonly certain: boolean;
  /** @throws NameTrouble */
  ask<T extends RecordType>(name: string, type: T): Promise<readonly Records[T][]>;
}

/** Milliseconds and tries for one server: whoever asks has somebody waiting on a line. */
const PATIENCE = { timeout: 3_000, tries: 2 };

/** @param servers `address` or `address:port`; none: the system's */
export function systemLookup(servers: readonly string[] = []): Lookup {
  const resolver = new Resolver(PATIENCE);
  if (servers.length > 0) resolver.setServers(servers);
  const questions: { [T in RecordType]: (name: string) => Promise<readonly Records[T][]> } = {
    A: (name) => resolver.resolve4(name),
    AAAA: (name) => resolver.resolve6(name),
    PTR: (name) => resolver.resolvePtr(name),
    TXT: (name) => resolver.resolveTxt(name),
    MX: (name) => resolver.resolveMx(name),
  };
  return {
    certain: !("Deno" in globalThis),
    ask: (name, type) => answersOrNone(name, questions[type](name)),
  };
}
