/** Two Connections joined in memory: what a socket does, without one, the same way every time. */
// Nothing moves but by read, write and the given clock; a line that was cut is a reset for both, after what had arrived.
import {
  type Connection,
  ConnectionError,
  type Peer,
  type TlsFacts,
  type TlsRole,
} from "../../src/net/connection.ts";
import { type Clock, systemClock } from "../../src/platform/clock.ts";

/** What one read gives: all that is there, one octet, or a piece of 1 to 64 octets drawn from a seed. */
export type Split = "whole" | "octets" | { readonly seed: number };

export interface PipeOptions {
  readonly clock?: Clock;
  /** Milliseconds that octets travel, each way. */
  readonly delay?: number;
  readonly split?: Split;
  /** The line breaks when this many octets of the first end's (of the second end's) have arrived. */
  readonly cut?: readonly [first: number | undefined, second: number | undefined];
  /** TLS is up from the start. */
  readonly tls?: TlsFacts;
  /** What startTls finds; both ends must call it, as in a handshake. A ConnectionError is thrown instead. */
  readonly handshake?: (role: TlsRole) => TlsFacts | ConnectionError;
  readonly peers?: readonly [first: Peer, second: Peer];
}

/** Unread octets at which a writer must wait. */
const FULL = 256 * 1024;
const PEERS = [
  { address: "192.0.2.1", port: 40_000 },
  { address: "192.0.2.2", port: 366 },
] as const;
const FACTS: TlsFacts = { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" };

/** What the first writes the second reads, and the other way round. */
export function pipe(options: PipeOptions = {}): [first: Connection, second: Connection] {
  const { clock = systemClock, delay = 0, split = "whole", cut = [] } = options;
  const there = new Lane({ clock, delay, pick: picker(split), cut: cut[0] });
  const back = new Lane({ clock, delay, pick: picker(split), cut: cut[1] });
  const breakBoth = (error: ConnectionError) => {
    there.break(error);
    back.break(error);
    line.ready?.reject(error);
    line.ready = undefined;
  };
  there.onCut = back.onCut = breakBoth;
  const [first, second] = options.peers ?? PEERS;
  const line: Line = { clock, breakBoth, handshake: options.handshake ?? (() => FACTS), ready: undefined };
  return [
    new End({ line, out: there, in: back, local: first, peer: second, tls: options.tls }),
    new End({ line, out: back, in: there, local: second, peer: first, tls: options.tls }),
  ];
}

/** The size of the next piece, given what is there. */
type Pick = (there: number) => number;

function picker(split: Split): Pick {
  if (split === "whole") return (there) => there;
  if (split === "octets") return () => 1;
  let state = split.seed >>> 0;
  return (there) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.min(there, 1 + (state >>> 26));
  };
}

interface LaneOptions {
  readonly clock: Clock;
  readonly delay: number;
  readonly pick: Pick;
  readonly cut: number | undefined;
}

interface Wait<T> {
  resolve(value: T): void;
  reject(error: ConnectionError): void;
}

/** One direction. */
class Lane {
  onCut: (error: ConnectionError) => void = () => {};
  readonly #options: LaneOptions;
  #there: Uint8Array = new Uint8Array();
  #travelling = 0;
  #left: number;
  #ended = false;
  #deaf = false;
  #broken: ConnectionError | undefined;
  #reader: Wait<Uint8Array | undefined> | undefined;
  #writers: Wait<void>[] = [];

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#left = options.cut ?? Number.POSITIVE_INFINITY;
  }

  get pending(): number {
    return this.#there.length;
  }

  /** With those on their way. */
  get unread(): number {
    return this.#there.length + this.#travelling;
  }

  read(within: number): Promise<Uint8Array | undefined> {
    if (this.#there.length > 0) return Promise.resolve(this.#next());
    if (this.#ended) return Promise.resolve(undefined);
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    if (this.#reader !== undefined) return Promise.reject(new Error("another read is waiting already"));
    return this.#waiting(within, (wait) => {
      this.#reader = wait;
      return () => {
        this.#reader = undefined;
        wait.reject(new ConnectionError("timeout", "nothing came in time"));
      };
    });
  }

  write(bytes: Uint8Array, within: number): Promise<void> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    const copy = bytes.slice();
    this.#travelling += copy.length;
    this.#later(() => this.#arrive(copy));
    if (this.unread < FULL || this.#deaf) return Promise.resolve();
    return this.#waiting(within, (wait) => {
      this.#writers.push(wait);
      return () => this.onCut(new ConnectionError("timeout", "the peer did not take octets in time"));
    });
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
    this.#there = new Uint8Array();
    this.#ended = false;
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

  #later(act: () => void): void {
    const { clock, delay } = this.#options;
    if (delay === 0) act();
    else clock.after(delay, act);
  }

  #arrive(bytes: Uint8Array): void {
    this.#travelling -= bytes.length;
    if (this.#broken !== undefined || this.#deaf) return;
    const whole = bytes.length < this.#left;
    const arrived = whole ? bytes : bytes.subarray(0, this.#left);
    this.#left -= arrived.length;
    this.#there = Buffer.concat([this.#there, arrived]);
    if (this.#reader !== undefined && this.#there.length > 0) {
      this.#reader.resolve(this.#next());
      this.#reader = undefined;
    }
    if (!whole) this.onCut(new ConnectionError("reset", "the line was cut"));
  }

  #next(): Uint8Array {
    const size = this.#options.pick(this.#there.length);
    const piece = new Uint8Array(this.#there.subarray(0, size));
    this.#there = this.#there.subarray(size);
    if (this.unread < FULL) this.#letWriters();
    return piece;
  }

  #letWriters(): void {
    for (const writer of this.#writers.splice(0)) writer.resolve();
  }

  #waiting<T>(within: number, begin: (wait: Wait<T>) => () => void): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const timer = this.#options.clock.after(within, begin({ resolve, reject }));
    return promise.finally(() => timer.stop());
  }
}

/** What both ends share. */
interface Line {
  readonly clock: Clock;
  readonly breakBoth: (error: ConnectionError) => void;
  readonly handshake: (role: TlsRole) => TlsFacts | ConnectionError;
  /** The end that called startTls first. */
  ready: Wait<void> | undefined;
}

interface EndParts {
  readonly line: Line;
  readonly out: Lane;
  readonly in: Lane;
  readonly local: Peer;
  readonly peer: Peer;
  readonly tls: TlsFacts | undefined;
}

class End implements Connection {
  readonly peer: Peer;
  readonly local: Peer;
  readonly tls: TlsFacts | undefined;
  readonly #parts: EndParts;
  #closed: ConnectionError | undefined;

  constructor(parts: EndParts) {
    this.peer = parts.peer;
    this.local = parts.local;
    this.tls = parts.tls;
    this.#parts = parts;
  }

  get clock(): Clock {
    return this.#parts.line.clock;
  }

  get pending(): number {
    return this.#closed === undefined ? this.#parts.in.pending : 0;
  }

  read(within: number): Promise<Uint8Array | undefined> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    return this.#parts.in.read(within);
  }

  write(bytes: Uint8Array, within: number): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (bytes.length === 0) return Promise.resolve();
    return this.#parts.out.write(bytes, within);
  }

  writeThrough(bytes: Uint8Array, within: number): Promise<void> {
    return this.write(bytes, within);
  }

  async startTls(role: TlsRole, within: number): Promise<Connection> {
    if (this.#closed !== undefined) throw this.#closed;
    const { line, in: incoming } = this.#parts;
    if (incoming.unread > 0)
      throw this.#broken("injection", `${incoming.unread} octets before the handshake`);
    await meet(line, within);
    this.#closed = new ConnectionError("closed", "this connection went on under TLS");
    const tls = line.handshake(role);
    if (tls instanceof ConnectionError) {
      line.breakBoth(tls);
      throw tls;
    }
    return new End({ ...this.#parts, tls });
  }

  async close(): Promise<void> {
    if (this.#closed !== undefined) return;
    this.#closed = new ConnectionError("closed", "the connection was closed on our side");
    this.#parts.in.deafen(this.#closed);
    this.#parts.out.end();
  }

  destroy(): void {
    this.#closed ??= new ConnectionError("closed", "the connection was closed on our side");
    this.#parts.in.deafen(this.#closed);
    this.#parts.line.breakBoth(new ConnectionError("reset", "the peer broke the connection"));
  }

  #broken(fault: "injection", message: string): ConnectionError {
    const error = new ConnectionError(fault, message);
    this.#closed = error;
    this.#parts.line.breakBoth(new ConnectionError("reset", "the peer broke the connection"));
    return error;
  }
}

/** Resolves for both ends when the second comes. */
function meet(line: Line, within: number): Promise<void> {
  if (line.ready !== undefined) {
    line.ready.resolve();
    line.ready = undefined;
    return Promise.resolve();
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  line.ready = { resolve, reject };
  const timer = line.clock.after(within, () => {
    const error = new ConnectionError("timeout", `no TLS handshake within ${within} ms`);
    line.breakBoth(error);
  });
  return promise.finally(() => timer.stop());
}
