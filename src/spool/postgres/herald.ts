/** Tells other nodes that there is something new, and hears them: a word, no more; what it is, each looks up. */
// The word is sent after the commit and by itself, at most some times a second: all that notify wait for one lock, and none
// is to wait there with a disk to sync. A word that is lost costs a second: all look once a second anyway.
import type { Clock, Timer } from "../../platform/clock.ts";
import type { Connection } from "./connection.ts";
import { Redial } from "./redial.ts";

/** Milliseconds between two words of a node, and between two of its looks. */
const APART = 25;
/** Until a lost connection is made again. */
const AGAIN = 1000;

export class Herald {
  readonly #line: Redial;
  readonly #node: string;
  readonly #channel: string;
  readonly #clock: Clock;
  #heard: (() => void) | undefined;
  #sending: Timer | undefined;
  #looking: Timer | undefined;
  #again: Timer | undefined;
  #closed = false;

  constructor(options: {
    readonly dial: () => Promise<Connection>;
    readonly node: string;
    readonly channel: string;
    readonly clock: Clock;
  }) {
    const { dial, node, channel, clock } = options;
    this.#node = node;
    this.#channel = channel;
    this.#clock = clock;
    this.#line = new Redial(async () => {
      const connection = await dial();
      await connection.listen(channel, (from) => this.#hear(from));
      return connection;
    });
  }

  /** From now on other nodes' words are heard. */
  listen(heard: () => void): void {
    this.#heard = heard;
    this.#keep();
  }

  /** Something was committed that others may wait for. */
  tell(): void {
    if (this.#sending !== undefined || this.#closed) return;
    this.#sending = this.#clock.after(APART, () => {
      this.#sending = undefined;
      this.#line
        .connection()
        .then((connection) => connection.all("SELECT pg_notify($1, $2)", [this.#channel, this.#node]))
        .catch(() => {}); // they look by themselves
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of [this.#sending, this.#looking, this.#again]) timer?.stop();
    await this.#line.close();
  }

  #hear(from: string): void {
    if (from === this.#node || this.#looking !== undefined || this.#closed) return;
    this.#looking = this.#clock.after(APART, () => {
      this.#looking = undefined;
      this.#heard?.();
    });
  }

  /** Whoever listens hears nothing on a connection that is gone, and is not told so. */
  #keep(): void {
    if (this.#closed) return;
    this.#line.connection().catch(() => {});
    this.#again = this.#clock.after(AGAIN, () => this.#keep());
  }
}
