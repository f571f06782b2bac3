/** How far the lives are, for whoever waits at a terminal: one line that is written over, and in the end which were slow. */
import type { Lived } from "./lives.ts";

const SLOWEST = 3;

export class Progress {
  #lives = 0;
  #failed = 0;
  #slowest: readonly Lived[] = [];
  readonly #shown: ((text: string) => void) | undefined;

  /** @param shown writes over the line; undefined: nobody looks */
  constructor(shown: ((text: string) => void) | undefined) {
    this.#shown = shown;
  }

  ended(lived: Lived): void {
    this.#lives++;
    if (lived.outcome.problems.length > 0) this.#failed++;
    this.#slowest = [...this.#slowest, lived].sort((a, b) => b.took - a.took).slice(0, SLOWEST);
    const [slowest] = this.#slowest;
    const slow = slowest && `, slowest: ${told(slowest)}`;
    this.#shown?.(`${this.#lives} lives, ${this.#failed} failed, seed ${lived.outcome.seed}${slow}`);
  }

  /** To be called before anything else is written. */
  clear(): void {
    this.#shown?.("");
  }

  get slowest(): string {
    return `the slowest lives: ${this.#slowest.map(told).join(", ") || "none"}`;
  }
}

const told = ({ outcome, took }: Lived): string =>
  `seed ${outcome.seed} ${(took / 1_000).toFixed(1)} s (${outcome.happenings} happenings)`;

/** A terminal's line; undefined without one. */
export const lineOf = (stream: NodeJS.WriteStream): ((text: string) => void) | undefined =>
  stream.isTTY ? (text) => void stream.write(`\r\x1b[K${text}`) : undefined;
