/** The only loop that reads for a server session: octets in, events to whoever answers them, replies out. */
// It reads only when the session can use more: that is the back-pressure from the disk to the peer's network card.
import type { ServerEvent, ServerSession } from "../smtp/session.ts";
import { type Reply, reply } from "../wire/reply.ts";
import { type Connection, ConnectionError } from "./connection.ts";

/**
 * How long a peer may let us wait, in milliseconds (RFC 5321 §4.5.3.2.7: five minutes). A command is whole within `read`,
 * however it drips. A body may take longer: each of its octets buys 1/`rate` seconds, up to `read` in stock.
 */
export interface Patience {
  readonly read: number;
  readonly write: number;
  /** Octets a second. */
  readonly rate: number;
}

export const patience: Patience = { read: 300_000, write: 300_000, rate: 500 };

/** How a driven session ended; `why` is for the log. */
export type Ending = { readonly type: "turned" } | { readonly type: "over"; readonly why: string };

/** Whoever answers what a session tells. */
export interface Answering {
  answer(event: ServerEvent): Promise<void> | void;
}

export class Drive {
  readonly session: ServerSession;
  readonly connection: Connection;
  readonly #patience: Patience;
  #settled: (() => void) | undefined;
  #writing: Promise<void> | undefined;
  #stirring: Promise<void> | undefined;
  #broken: ConnectionError | undefined;
  #stopping = false;
  /** Milliseconds that the peer may still let us wait, before it brings us on. */
  #left: number;

  constructor(session: ServerSession, connection: Connection, limits: Patience = patience) {
    this.session = session;
    this.connection = connection;
    this.#patience = limits;
    this.#left = limits.read;
  }

  /**
   * Runs until the session turns or ends; every event is answered (awaited) before the next is asked for.
   * Afterwards what is owed has been settled or the peer is gone; the connection is left to the caller.
   */
  async run(by: Answering): Promise<Ending> {
    let why = "closed";
    for (;;) {
      for (let event = this.session.next(); event !== undefined; event = this.session.next()) {
        if (event.type !== "octets") this.#left = this.#patience.read;
        if (event.type === "quit") why = "quit";
        if (event.type === "failed") why = event.why;
        const answered = by.answer(event);
        if (answered !== undefined) await answered;
      }
      await this.#flush();
      if (this.session.turned) return { type: "turned" };
      if (this.session.ended && this.session.owed === 0)
        return { type: "over", why: this.#broken?.message ?? why };
      if (this.session.ended || this.session.blocked) await this.#settlement();
      else if (this.#stirring !== undefined) await this.#stirring;
      else {
        // As in #hear(), but in this frame: a silent session waits here, and a frame more is 300 octets for each.
        const began = this.connection.clock.steady();
        try {
          this.#heard(await this.#read(), began);
        } catch (fault) {
          this.#lost(fault);
        }
      }
    }
  }

  /** To be called after session.settle(): replies leave, and a loop that waited goes on. */
  wake(): void {
    void this.#flush();
    this.#settled?.();
    this.#settled = undefined;
    if (this.#stopping) this.#leave();
  }

  /** Ends the session from our side: what is owed is still settled and answered, then the farewell goes out. */
  stop(farewell: Reply): void {
    if (this.session.ended || this.session.turned) return;
    this.#stopping = true;
    this.session.shut(farewell);
    this.#leave();
  }

  /** The loop may be waiting for octets: closing the connection ends that wait. */
  #leave(): void {
    if (this.session.owed === 0) void this.#flush().then(() => this.connection.close());
  }

  /**
   * While an answer takes its time: resolves when the peer says something, or is gone. What it said is the session's,
   * and is read after the answer. @param within milliseconds that it may be silent
   */
  stirring(within: number): Promise<void> {
    this.#left = within;
    this.#stirring ??= this.#hear();
    return this.#stirring;
  }

  #settlement(): Promise<void> {
    return new Promise((resolve) => {
      this.#settled = resolve;
    });
  }

  /** One read at a time: while this one runs, the loop joins it. */
  async #hear(): Promise<void> {
    const began = this.connection.clock.steady();
    try {
      this.#heard(await this.#read(), began);
    } catch (fault) {
      this.#lost(fault);
    } finally {
      this.#stirring = undefined;
    }
  }

  #read(): Promise<Uint8Array | undefined> {
    if (this.#left > 0) return this.connection.read(this.#left);
    return Promise.reject(new ConnectionError("timeout", "it came too slowly"));
  }

  /** @param began when we began to wait for these octets */
  #heard(bytes: Uint8Array | undefined, began: number): void {
    if (bytes === undefined) return this.session.feedEnd();
    this.session.feed(bytes);
    const { read, rate } = this.#patience;
    const waited = this.connection.clock.steady() - began;
    this.#left = Math.min(read, this.#left - waited + (bytes.length * 1_000) / rate);
  }

  /** Writes what is ready. A line that cannot be written to is a line whose peer is gone. */
  async #flush(): Promise<void> {
    const bytes = this.session.flush();
    if (bytes.length === 0) return this.#writing;
    this.#left = this.#patience.read;
    // Who was silent for too long can still hear us say so.
    if (this.#broken !== undefined && this.#broken.fault !== "timeout") return;
    const writing = this.connection.write(bytes, this.#patience.write).catch((fault) => this.#lost(fault));
    this.#writing = writing;
    await writing;
    if (this.#writing === writing) this.#writing = undefined;
  }

  #lost(fault: unknown): void {
    if (!(fault instanceof ConnectionError)) throw fault;
    this.#broken = fault;
    if (fault.fault === "timeout") this.session.shut(reply(421, "4.4.2", "You took too long"));
    this.session.feedEnd();
  }
}
