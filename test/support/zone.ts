/** Names and records for tests: a Lookup over a table, which remembers what it was asked. */
import { NameTrouble } from "../../src/platform/dns.ts";
import type { Lookup, Records, RecordType } from "../../src/platform/lookup.ts";

/** `name TYPE` → its answers; "trouble": nobody answers; "silence": nobody ever does. */
export type Zone = Readonly<Record<string, readonly unknown[] | "trouble" | "silence">>;

export interface ZoneLookup extends Lookup {
  readonly asked: readonly string[];
}

export function lookupIn(zone: Zone): ZoneLookup {
  const asked: string[] = [];
  return {
    asked,
    async ask<T extends RecordType>(name: string, type: T) {
      const question = `${name} ${type}`;
      asked.push(question);
      const answer = zone[question] ?? [];
      if (answer === "trouble") throw new NameTrouble(`no answer on ${name}`);
      if (answer === "silence") return new Promise<never>(() => {});
      return answer as readonly Records[T][];
    },
  };
}

/** A TXT record. */
export const txt = (text: string): readonly unknown[] => [[text]];
