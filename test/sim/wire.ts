/** A simulated line: octets travel in pieces of any size, as long as chance wills, and it may break at any of them. */
// What is promised is what TCP promises: octets come in order or not at all; whoever lost the line does not know what arrived.
import { type Connection, ConnectionError, type Peer } from "../../src/net/connection.ts";
import type { Chance, Life, World } from "./world.ts";

export interface LineFacts {
  /** Usual milliseconds from end to end. */
  readonly delay: number;
  /** The line breaks when so many octets have arrived at the called end (at the caller's end). */
  readonly cut: readonly [there: number | undefined, back: number | undefined];
}

/** Unread octets at which a writer must wait. */
const FULL = 64 * 1024;
const PIECES = 4;

/** A line between two programs; each waits by its own clock. */
export class Line {
  readonly caller: End;
  readonly called: End;
  /** It broke before both ends had closed it. */
  broken = false;

  constructor(world: World, facts: LineFacts, caller: Life, called: Life) {
    const chance = world.chance.fork();
    const onCut = (): void => {
      world.strike("cut");
      this.break("the line was cut");
    };
    const lane = (life: Life, cut: number | undefined) =>
      new Lane({ world, chance, life, delay: facts.delay, cut, onCut });
    const there = lane(called, facts.cut[0]);
    const back = lane(caller, facts.cut[1]);
    this.caller = new End(this, caller, there, back);
    this.called = new End(this, called, back, there);
  }

  /** Both ends are there still. */
  get open(): boolean {
    return !(this.broken || this.caller.closed || this.called.closed);
  }

  /** Both ends find out: what had arrived can be read still. */
  break(why: string): void {
    if (!(this.caller.closed && this.called.closed)) this.broken = true;
    for (const end of [this.caller, this.called]) end.break(new ConnectionError("reset", why));
  }
}

interface LaneFacts {
  readonly world: World;
  readonly chance: Chance;
  /** Who reads from it. */
  readonly life: Life;
  readonly delay: number;
  readonly cut: number | undefined;
  readonly onCut: () => void;
}

interface Wait<T> {
  resolve(value: T): void;
  reject(error: ConnectionError): void;
}

/** One direction. */
class Lane {
  readonly #facts: LaneFacts;
  readonly #here: Uint8Array[] = [];
  #unread = 0;
  #travelling = 0;
  #left: number;
  /** When the last piece arrives: none overtakes it. */
  #last = 0;
  #ended = false;
  #deaf = false;
  #broken: ConnectionError | undefined;
  #reader: Wait<Uint8Array | undefined> | undefined;
  #writers: Wait<void>[] = [];

  constructor(facts: LaneFacts) {
    this.#facts = facts;
    this.#left = facts.cut ?? Number.POSITIVE_INFINITY;
  }

  get pending(): number {
    return this.#unread;
  }

  read(life: Life, within: number): Promise<Uint8Array | undefined> {
    const here = this.#here.shift();
    if (here !== undefined) return Promise.resolve(this.#taken(here));
    if (this.#ended) return Promise.resolve(undefined);
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    if (this.#reader !== undefined) return Promise.reject(new Error("another read is waiting already"));
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | undefined>();
    this.#reader = { resolve, reject };
    const timer = life.after(within, () => {
      this.#reader = undefined;
      reject(new ConnectionError("timeout", "nothing came in time"));
    });
    return promise.finally(() => timer.stop());
  }

  write(bytes: Uint8Array, life: Life, within: number): Promise<void> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    for (const part of this.#split(bytes)) {
      // Each piece is its reader's own.
      const piece = part.slice();
      this.#travelling += piece.length;
      this.#later(() => this.#arrive(piece));
    }
    if (this.#unread + this.#travelling < FULL || this.#deaf) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#writers.push({ resolve, reject });
    const timer = life.after(within, () => reject(new ConnectionError("timeout", "the peer takes nothing")));
    return promise.finally(() => timer.stop());
  }

  end(): void {
    this.#later(() => {
      this.#ended = true;
      this.#reader?.resolve(undefined);
      this.#reader = undefined;
    });
  }

  /** Its reader has closed: what comes is dropped. */
  deafen(error: ConnectionError): void {
    this.#deaf = true;
    this.#here.length = 0;
    this.#unread = 0;
    this.#reader?.reject(error);
    this.#reader = undefined;
    this.#letWriters();
  }

  break(error: ConnectionError): void {
    this.#broken ??= error;
    this.#reader?.reject(this.#broken);
    this.#reader = undefined;
    for (const writer of this.#writers.splice(0)) writer.reject(this.#broken);
  }

  #split(bytes: Uint8Array): readonly Uint8Array[] {
    const { chance } = this.#facts;
    const pieces: Uint8Array[] = [];
    let rest = bytes;
    while (rest.length > 1 && pieces.length < PIECES - 1 && chance.happens(0.3)) {
      const size = chance.happens(0.5) ? 1 : chance.between(1, rest.length - 1);
      pieces.push(rest.subarray(0, size));
      rest = rest.subarray(size);
    }
    return [...pieces, rest];
  }

  #later(act: () => void): void {
    const { world, chance, delay } = this.#facts;
    this.#last = Math.max(this.#last + 0.001, world.time + chance.wait(delay, delay * 20));
    world.after(this.#last - world.time, act);
  }

  #arrive(bytes: Uint8Array): void {
    this.#travelling -= bytes.length;
    if (this.#broken !== undefined || this.#deaf || this.#facts.life.dead) return;
    const whole = bytes.length < this.#left;
    const arrived = whole ? bytes : bytes.subarray(0, this.#left);
    this.#left -= arrived.length;
    if (arrived.length > 0) {
      this.#unread += arrived.length;
      if (this.#reader === undefined) this.#here.push(arrived);
      else this.#reader.resolve(this.#taken(arrived));
      this.#reader = undefined;
    }
    if (!whole) this.#facts.onCut();
  }

  #taken(piece: Uint8Array): Uint8Array {
    this.#unread -= piece.length;
    if (this.#unread + this.#travelling < FULL) this.#letWriters();
    return piece;
  }

  #letWriters(): void {
    for (const writer of this.#writers.splice(0)) writer.resolve();
  }
}

/** One end of a line, as the program at it sees it. */
export class End implements Connection {
  readonly peer: Peer = { address: "192.0.2.1", port: 40_000 };
  readonly local: Peer = { address: "192.0.2.2", port: 366 };
  readonly tls = undefined;
  readonly clock: Life;
  readonly #line: Line;
  readonly #life: Life;
  readonly #out: Lane;
  readonly #in: Lane;
  #closed: ConnectionError | undefined;

  constructor(line: Line, life: Life, out: Lane, incoming: Lane) {
    this.#line = line;
    this.#life = life;
    this.clock = life;
    this.#out = out;
    this.#in = incoming;
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  get pending(): number {
    return this.#closed === undefined ? this.#in.pending : 0;
  }

  read(within: number): Promise<Uint8Array | undefined> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    return this.#in.read(this.#life, within);
  }

  write(bytes: Uint8Array, within: number): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (this.#life.dead) return new Promise(() => {});
    if (bytes.length === 0) return Promise.resolve();
    return this.#out.write(bytes, this.#life, within);
  }

  writeThrough(bytes: Uint8Array, within: number): Promise<void> {
    return this.write(bytes, within);
  }

  startTls(): Promise<Connection> {
    return Promise.reject(new ConnectionError("tls", "there is no TLS in the simulation"));
  }

  async close(): Promise<void> {
    if (this.#closed !== undefined || this.#life.dead) return;
    this.#closed = new ConnectionError("closed", "the connection was closed on our side");
    this.#in.deafen(this.#closed);
    this.#out.end();
  }

  destroy(): void {
    if (this.#life.dead) return;
    this.#line.break("the peer broke the connection");
    this.#closed ??= new ConnectionError("closed", "the connection was closed on our side");
    this.#in.deafen(this.#closed);
  }

  break(error: ConnectionError): void {
    this.#in.break(error);
    this.#out.break(error);
  }
}
