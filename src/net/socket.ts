/** A Connection over a socket of node:net or node:tls, the same on Bun and Deno. */
// The hot path: a read or write that need not wait makes no timer and no copy; the waits of all lines share one timer.
import type { Socket } from "node:net";
import type { Clock } from "../platform/clock.ts";
import { lend } from "../platform/memory.ts";
import { type Connection, ConnectionError, type Peer, type TlsFacts, type TlsRole } from "./connection.ts";
import { connectionError, peerName } from "./fault.ts";
import { handshake } from "./tls.ts";
import { Sleeper, vigilOn } from "./vigil.ts";

/** Octets (and pieces: each costs memory of its own) that may lie unread before the peer is held back. */
const UNREAD_OCTETS = 256 * 1024;
const UNREAD_PIECES = 256;
/**
 * Deno: a paused TLS socket goes on receiving (67 MB of 67 in a trial) and then never tells its end, so it is not paused.
 * The peer is let go when this much lies unread. Plain sockets are paused everywhere, TLS sockets on Bun.
 */
const FLOOD_OCTETS = 128 * 1024 * 1024;
const pausesTls = !("Deno" in globalThis);
/** Milliseconds of silence after which the system asks whether the peer is there. */
const KEEP_ALIVE = 60_000;
const DONE: Promise<void> = Promise.resolve();

/**
 * Takes the socket over; it must have been made with `allowHalfOpen`, so that an answer can follow the peer's end.
 * An end under TLS looks the same with and without close_notify on both runtimes (an "end" event, TLS 1.2 and 1.3),
 * so a line that was cut reads as an end: what SMTP counts as whole (the final dot, BDAT's size) must never rest on it.
 */
export function connectionOver(socket: Socket, clock: Clock): Connection {
  // Lines that wait are silent for minutes: routers forget them, and a peer that is gone says nothing.
  socket.setKeepAlive(true, KEEP_ALIVE);
  return new SocketConnection({
    socket,
    clock,
    peer: peerOf(socket),
    tls: undefined,
  });
}

/** The socket's other end; IPv4 in IPv6's clothes is shown as IPv4. */
export function peerOf({ remoteAddress, remotePort }: Socket): Peer {
  return end(remoteAddress, remotePort);
}

function localOf({ localAddress, localPort }: Socket): Peer {
  return end(localAddress, localPort);
}

function end(address: string | undefined, port: number | undefined): Peer {
  if (!address || port === undefined) return { address: "unix", port: 0 };
  return { address: address.replace(/^::ffff:(?=\d+\.)/i, ""), port };
}

interface Parts {
  readonly socket: Socket;
  readonly clock: Clock;
  readonly peer: Peer;
  /** Where the line was plain before. */
  readonly local?: Peer;
  readonly tls: TlsFacts | undefined;
}

/** Somebody who waits for octets, or for room. */
interface Wait<T> {
  /** By the clock's steady(). */
  readonly due: number;
  resolve(value: T): void;
  reject(error: Error): void;
}

/** Whose events a socket's are. Closures for each would be half a kilobyte of every silent session. */
const connections = new WeakMap<Socket, SocketConnection>();

class SocketConnection extends Sleeper implements Connection {
  static readonly #ears = Object.entries({
    data(this: Socket, bytes: Uint8Array) {
      connections.get(this)!.#take(bytes);
    },
    drain(this: Socket) {
      connections.get(this)!.#drained();
    },
    end(this: Socket) {
      connections.get(this)!.#end();
    },
    error(this: Socket, error: Error) {
      const connection = connections.get(this)!;
      connection.#break(connectionError(peerName(connection.peer), error));
    },
    close(this: Socket) {
      const connection = connections.get(this)!;
      connection.#break(lost(connection.peer));
    },
  }) as readonly (readonly [event: string, hear: () => void])[];

  readonly peer: Peer;
  readonly tls: TlsFacts | undefined;
  #local: Peer | undefined;
  readonly #socket: Socket;
  readonly #clock: Clock;
  #arrived: Uint8Array[] = [];
  #octets = 0;
  #paused = false;
  #ended = false;
  #broken: ConnectionError | undefined;
  #closing: Promise<void> | undefined;
  #reader: Wait<Uint8Array | undefined> | undefined;
  #writers: Wait<void>[] = [];

  constructor({ socket, clock, peer, local, tls }: Parts) {
    super();
    this.peer = peer;
    this.#local = local;
    this.tls = tls;
    this.#socket = socket;
    this.#clock = clock;
    socket.setNoDelay(true);
    connections.set(socket, this);
    for (const [event, hear] of SocketConnection.#ears) socket.on(event, hear);
    if (socket.destroyed) this.#break(lost(peer));
  }

  get clock(): Clock {
    return this.#clock;
  }

  /** Hardly anybody asks. */
  get local(): Peer {
    this.#local ??= localOf(this.#socket);
    return this.#local;
  }

  get pending(): number {
    return this.#octets + this.#socket.readableLength;
  }

  read(within: number): Promise<Uint8Array | undefined> {
    const first = this.#arrived.shift();
    if (first !== undefined) {
      this.#octets -= first.length;
      if (this.#paused && this.#octets <= UNREAD_OCTETS / 2) this.#resume();
      return Promise.resolve(first);
    }
    if (this.#ended) return Promise.resolve(undefined);
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    if (this.#reader !== undefined) return Promise.reject(new Error("another read is waiting already"));
    return new Promise((resolve, reject) => {
      this.#reader = { due: this.#wake(within), resolve, reject };
    });
  }

  write(bytes: Uint8Array, within: number): Promise<void> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    if (bytes.length === 0 || this.#socket.write(bytes)) return DONE;
    return new Promise((resolve, reject) => {
      this.#writers.push({ due: this.#wake(within), resolve, reject });
    });
  }

  writeThrough(bytes: Uint8Array, within: number): Promise<void> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    if (bytes.length === 0) return DONE;
    return new Promise((resolve, reject) => {
      const writer: Wait<void> = { due: this.#wake(within), resolve, reject };
      this.#writers.push(writer);
      this.#socket.write(bytes, (error) => {
        if (error) return; // it breaks the connection, and so the wait
        this.#writers = this.#writers.filter((other) => other !== writer);
        resolve();
      });
    });
  }

  /**
   * Call it as soon as the 220 was written or read: octets that came by then are taken for an injection.
   * From then on this connection is "closed" for reading and writing; destroy() still ends the line below.
   */
  async startTls(role: TlsRole, within: number): Promise<Connection> {
    if (this.#broken !== undefined) throw this.#broken;
    if (this.pending > 0) {
      const why = `${this.pending} octets came from ${peerName(this.peer)} before the TLS handshake`;
      const injection = new ConnectionError("injection", why);
      this.#break(injection);
      throw injection;
    }
    const { peer, local } = this;
    this.#deafen();
    this.#fail(new ConnectionError("closed", "this connection went on under TLS"));
    const { socket, facts } = await handshake(this.#socket, role, this.#clock, within);
    return new SocketConnection({ socket, clock: this.#clock, peer, local, tls: facts });
  }

  close(within = 5_000): Promise<void> {
    if (this.#closing !== undefined) return this.#closing;
    const socket = this.#socket;
    if (this.#broken !== undefined || socket.destroyed) {
      this.destroy();
      return DONE;
    }
    this.#deafen();
    this.#fail(closed());
    this.#closing = new Promise((resolve) => {
      const timer = this.#clock.after(within, () => socket.destroy());
      socket.on("error", () => {}); // close() never throws: an error ends in "close" too
      socket.once("close", () => {
        timer.stop();
        resolve();
      });
      socket.on("data", () => {}); // what still comes is dropped, or the peer's end would never be seen
      socket.resume();
      socket.end();
    });
    return this.#closing;
  }

  destroy(): void {
    this.#fail(closed());
    this.#socket.destroy();
  }

  #take(bytes: Uint8Array): void {
    lend(bytes);
    const reader = this.#reader;
    if (reader !== undefined) {
      this.#reader = undefined;
      return reader.resolve(bytes);
    }
    this.#arrived.push(bytes);
    this.#octets += bytes.length;
    if (this.#octets >= UNREAD_OCTETS || this.#arrived.length >= UNREAD_PIECES) this.#holdBack();
  }

  #holdBack(): void {
    if (this.tls !== undefined && !pausesTls) {
      if (this.#octets > FLOOD_OCTETS) this.#break(flooded(this.peer));
      return;
    }
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  #resume(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  #end(): void {
    this.#ended = true;
    this.#reader?.resolve(undefined);
    this.#reader = undefined;
  }

  #drained(): void {
    const writers = this.#writers;
    this.#writers = [];
    for (const writer of writers) writer.resolve();
  }

  /** The line is of no more use. What had arrived can still be read. */
  #break(error: ConnectionError): void {
    if (this.#broken !== undefined) return;
    this.#settle(error);
    this.#socket.destroy();
  }

  /** We are done with it ourselves: what had arrived is dropped. */
  #fail(error: ConnectionError): void {
    this.#ended = false;
    this.#arrived = [];
    this.#octets = 0;
    this.#settle(error);
  }

  #settle(error: ConnectionError): void {
    this.#broken ??= error;
    vigilOn(this.#clock).forget(this);
    const waits = [this.#reader, ...this.#writers];
    this.#reader = undefined;
    this.#writers = [];
    for (const wait of waits) wait?.reject(error);
  }

  #deafen(): void {
    for (const [event, hear] of SocketConnection.#ears) this.#socket.off(event, hear);
  }

  /** Sees to it that ring() comes by when `within` is over; a waking that is set for earlier will do. @returns when that is */
  #wake(within: number): number {
    const due = this.#clock.steady() + within;
    if (due < this.due) vigilOn(this.#clock).wake(this, due);
    return due;
  }

  /** A late read may be tried again; a late write leaves the stream cut at no known place, so it breaks the line. */
  ring(): void {
    const now = this.#clock.steady();
    const reader = this.#reader;
    if (this.#writers.some(({ due }) => due <= now)) return this.#break(late(this.peer, "take octets"));
    if (reader !== undefined && reader.due <= now) {
      this.#reader = undefined;
      reader.reject(late(this.peer, "send anything"));
    }
    const next = Math.min(
      ...[this.#reader, ...this.#writers].map((wait) => wait?.due ?? Number.POSITIVE_INFINITY),
    );
    if (next < Number.POSITIVE_INFINITY) this.#wake(next - now);
  }
}

function lost(peer: Peer): ConnectionError {
  return new ConnectionError("reset", `${peerName(peer)} broke the connection`);
}

function flooded(peer: Peer): ConnectionError {
  return new ConnectionError("reset", `${peerName(peer)} sent more than can be kept unread`);
}

function late(peer: Peer, what: string): ConnectionError {
  return new ConnectionError("timeout", `${peerName(peer)} did not ${what} in time`);
}

function closed(): ConnectionError {
  return new ConnectionError("closed", "the connection was closed on our side");
}
