/** DNS-01 (RFC 8555 §8.4): programs of the operator's put a record into the zone, and take it out again. */
// Words are given as they are, without a shell. A program that fails while the record is put ends the order.
import { execFile } from "node:child_process";
import { type Clock, pause } from "../platform/clock.ts";
import type { Proof, Showcase } from "./order.ts";

export interface DnsPlan {
  /** Program and words; {name} and {value} in them are the record's. */
  readonly set: readonly string[];
  /** The same, to take it out; undefined: it stays, or `set` replaces it. */
  readonly clear: readonly string[] | undefined;
  /** Until all servers of the zone have it, after the program has ended: milliseconds. */
  readonly wait: number;
}

interface DnsTools {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** A record that could not be taken out. */
  onLeft(why: string): void;
}

const WITHIN = 300_000;
const SAID = 500;

export function dnsShowcase({ set, clear, wait }: DnsPlan, { clock, signal, onLeft }: DnsTools): Showcase {
  return {
    type: "dns-01",
    async show(proofs) {
      // One after the other: two records of one name may be changed by reading and writing the whole.
      for (const proof of proofs) await run(worded(set, proof), signal);
      await pause(clock, wait, signal);
      signal.throwIfAborted();
    },
    async hide(proofs) {
      if (clear === undefined) return;
      for (const proof of proofs)
        await run(worded(clear, proof)).catch((fault: unknown) => onLeft((fault as Error).message));
    },
  };
}

const worded = (words: readonly string[], { name, value }: Proof): readonly string[] =>
  words.map((word) => word.replaceAll("{name}", `_acme-challenge.${name}`).replaceAll("{value}", value));

function run([program = "", ...words]: readonly string[], signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { timeout: WITHIN, killSignal: "SIGKILL" as const, ...(signal && { signal }) };
    execFile(program, words, options, (error, _, stderr) => {
      if (error === null) return resolve();
      const why = error.killed ? `it took longer than ${WITHIN / 60_000} minutes` : ended(error);
      const said = stderr.trim().slice(0, SAID);
      reject(new Error(`${program}: ${why}${said === "" ? "" : `: ${said}`}`, { cause: error }));
    }).stdin?.end();
  });
}

/** Not the error's own message: it repeats the whole command line. */
function ended({ code, message }: { readonly code?: unknown; readonly message: string }): string {
  if (typeof code === "number") return `it ended with status ${code}`;
  return code === "ENOENT" ? "there is no such program" : (message.split("\n")[0] ?? message);
}
