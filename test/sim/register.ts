/** What the outside knows: letters that were handed in and how that was answered, and what came out at the other ends. */
import type { Line } from "./wire.ts";
import type { Chance, Life } from "./world.ts";

/** What the sender heard: 250; nothing, for the line broke; or a refusal, of which none may arrive or (doubt) one. */
export type Fate = "accepted" | "unknown" | "refused" | "not stored";

export interface Letter {
  /** Unique: the sender's address. */
  readonly from: string;
  readonly to: readonly string[];
  readonly body: Uint8Array;
  /** By the stations that it was handed to: two relays may have been given the same. */
  readonly fates: Map<string, Map<string, Fate>>;
}

/** A message that came out: at a stranger's, in the world, or in a mailbox at home. */
export interface Arrival {
  readonly box: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly content: Uint8Array;
  /** The station that brought it. */
  readonly by: string;
  /** The line that brought it, and the life of its sender: a copy is excused if either broke. */
  readonly line?: Line | undefined;
  readonly sender?: Life | undefined;
}

export class Register {
  readonly letters = new Map<string, Letter>();
  readonly arrivals: Arrival[] = [];
  /** Entries that an operator removed by name, and those that he gave to another customer: `station id`. */
  readonly removed = new Set<string>();
  readonly moved = new Set<string>();
  readonly #chance: Chance;
  readonly #large: number;
  #next = 1;

  /** @param large the share of letters that become files in a spool */
  constructor(chance: Chance, large: number) {
    this.#chance = chance;
    this.#large = large;
  }

  /** Whether anybody ever handed this in; notices come from nobody. */
  sent(from: string, to: string): boolean {
    return from === "" || this.letters.get(from)?.to.includes(to) === true;
  }

  letter(domain: string, to: readonly string[]): Letter {
    const n = this.#next++;
    const letter: Letter = {
      from: `n${n}@${domain}`,
      to,
      body: new TextEncoder().encode(bodyOf(n, this.#chance, this.#large)),
      fates: new Map(),
    };
    this.letters.set(letter.from, letter);
    return letter;
  }
}

function bodyOf(n: number, chance: Chance, large: number): string {
  const lines = [".", "..dots", `${n} ${"x".repeat(chance.between(0, 200))}`, "", "text"];
  const long = chance.happens(large);
  const count = long ? chance.between(150, 350) : chance.between(0, 12);
  let text = `Subject: ${n}\r\nMessage-ID: <${n}@sender.test>\r\n\r\n`;
  for (let i = 0; i < count; i++) text += `${long ? "y".repeat(900) : chance.one(lines)}\r\n`;
  return text;
}

/** Whether this is the letter with nothing but trace fields on top. */
export function isWhole(content: Uint8Array, { body }: Letter): boolean {
  const at = content.length - body.length;
  if (at < 0 || Buffer.compare(content.subarray(at), body) !== 0) return false;
  const trace = Buffer.from(content.subarray(0, at)).toString("latin1");
  return /^(?:(?:Received|Delivered-To): [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)*$/.test(trace);
}
