/** A connection that is made when it is asked for, and made again after it was lost. */
// Who asks while one is being made shares it. Whether what was under way may be done again is not decided here.
import type { Connection } from "./connection.ts";
import { PostgresFault } from "./fault.ts";

export class Redial {
  readonly #dial: () => Promise<Connection>;
  #current: Promise<Connection> | undefined;
  #closed = false;

  constructor(dial: () => Promise<Connection>) {
    this.#dial = dial;
  }

  /** @throws PostgresFault */
  async connection(): Promise<Connection> {
    if (this.#closed) throw new PostgresFault("io", "the spool is closed");
    const asked = this.#current ?? this.#begin();
    const connection = await asked;
    if (!connection.gone) return connection;
    if (this.#current === asked) this.#current = undefined;
    return await this.connection();
  }

  async close(): Promise<void> {
    this.#closed = true;
    (await this.#current?.catch(() => undefined))?.end();
  }

  #begin(): Promise<Connection> {
    const dialled = this.#dial();
    this.#current = dialled;
    dialled.catch(() => {
      if (this.#current === dialled) this.#current = undefined;
    });
    return dialled;
  }
}
