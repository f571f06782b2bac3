/** Takes connections on a port, a unix socket or a socket that systemd opened, within caps. */
// Nothing that a peer does may throw here: a bad handshake, a refused peer and a failed session are all told to onError.
import { chmod, lstat, unlink } from "node:fs/promises";
import { createServer, isIPv6, connect as knock, type Server, type Socket } from "node:net";
import type { Clock } from "../platform/clock.ts";
import { type Connection, ConnectionError, type Peer, type ServerTls } from "./connection.ts";
import { codeOf, peerName } from "./fault.ts";
import type { Hall } from "./hall.ts";
import { connectionOver, peerOf } from "./socket.ts";

export type ListenAddress =
  | { readonly host: string; readonly port: number }
  /** `mode` in octal, such as 0o660; a socket file that nobody answers on any more is replaced. */
  | { readonly path: string; readonly mode?: number }
  | { readonly fd: number };

export interface ListenOptions {
  readonly address: ListenAddress;
  /** Implicit TLS. */
  readonly tls?: ServerTls;
  readonly clock: Clock;
  /** Open connections here at most, in all and from one address (IPv6: from one /64). Unix sockets have no address. */
  readonly maxConnections: number;
  readonly perAddress: number;
  /** Beside that, what is shared with other listeners. */
  readonly hall?: Hall;
  /** The line for those over a cap; under implicit TLS they are dropped without a word. */
  readonly refusal?: string;
  /** Until then who connects is kept waiting; without it nobody is. */
  readonly opened?: Promise<void>;
  /** Milliseconds for the handshake of implicit TLS; 60,000 if not given. */
  readonly handshakeWithin?: number;
  onConnection(connection: Connection): void | Promise<void>;
  /** What went wrong with one peer: a handshake, a cap ("refused"), or whatever onConnection threw. */
  onError(error: unknown, peer: Peer): void;
}

export interface Listener {
  /** Where it listens: with the port that the system chose. */
  readonly address: Peer;
  /** Connections that are open now. */
  readonly connections: number;
  /** For connections from now on; those that are there keep theirs. */
  replaceTls(tls: ServerTls): void;
  /** Stops listening. Sessions that are there go on. */
  close(): Promise<void>;
}

const REFUSAL = "421 4.7.0 Too many connections, try again later\r\n";

/** @throws ConnectionError "refused" if somebody else listens there */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { address } = options;
  if ("path" in address) await removeStale(address.path);
  const door = new Door(options);
  await door.open(address);
  if ("path" in address && address.mode !== undefined) await chmod(address.path, address.mode);
  return door;
}

class Door implements Listener {
  readonly #server: Server;
  readonly #options: ListenOptions;
  /** Who is here, and from which network. */
  readonly #here = new Map<Socket, string>();
  readonly #perAddress = new Map<string, number>();
  /** One listener for all sockets: an event of a socket calls it as the socket's own. */
  readonly #left = ofSocket((socket) => this.#leave(socket));
  #tls: ServerTls | undefined;
  #opened: boolean;

  constructor(options: ListenOptions) {
    this.#options = options;
    this.#tls = options.tls;
    this.#opened = options.opened === undefined;
    options.opened?.then(
      () => {
        this.#opened = true;
      },
      () => {}, // everybody who waits for it is told
    );
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#enter(socket));
  }

  get address(): Peer {
    const address = this.#server.address();
    if (address === null || typeof address === "string") return { address: "unix", port: 0 };
    return { address: address.address, port: address.port };
  }

  get connections(): number {
    return this.#here.size;
  }

  replaceTls(tls: ServerTls): void {
    this.#tls = tls;
  }

  open(address: ListenAddress): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (error: Error) => reject(cannotListen(address, error));
      this.#server.once("error", failed);
      const { mode: _, ...where } = address as { mode?: number };
      this.#server.listen({ ...where, backlog: 511 }, () => {
        this.#server.off("error", failed);
        this.#server.on("error", (error) => this.#options.onError(error, this.address));
        resolve();
      });
    });
  }

  close(): Promise<void> {
    this.#server.close(); // its callback waits for the sessions; we do not
    return Promise.resolve();
  }

  #enter(socket: Socket): void {
    const peer = peerOf(socket);
    const from = network(peer.address);
    const count = this.#perAddress.get(from) ?? 0;
    const { maxConnections, perAddress, hall } = this.#options;
    if (this.#here.size >= maxConnections) return this.#refuse(socket, peer, `${maxConnections} in all`);
    if (hall?.full) return this.#refuse(socket, peer, `${hall.places} over all listeners`);
    if (from !== "unix" && count >= perAddress)
      return this.#refuse(socket, peer, `${perAddress} from one address`);
    hall?.enter();
    this.#here.set(socket, from);
    this.#perAddress.set(from, count + 1);
    socket.on("close", this.#left);
    if (this.#opened && this.#tls === undefined) this.#serve(socket, peer);
    else void this.#prepare(socket, peer);
  }

  #leave(socket: Socket): void {
    const from = this.#here.get(socket);
    if (from === undefined) return;
    this.#here.delete(socket);
    this.#options.hall?.leave();
    const count = (this.#perAddress.get(from) ?? 1) - 1;
    if (count === 0) this.#perAddress.delete(from);
    else this.#perAddress.set(from, count);
  }

  /** Who comes before all is open waits; then the handshake of implicit TLS, where that is what the door wants. */
  async #prepare(socket: Socket, peer: Peer): Promise<void> {
    const { clock, opened, onConnection, handshakeWithin = 60_000 } = this.#options;
    try {
      if (opened !== undefined) await opened;
      const tls = this.#tls;
      if (tls === undefined) return this.#serve(socket, peer);
      const secured = await connectionOver(socket, clock).startTls({ as: "server", tls }, handshakeWithin);
      await onConnection(secured);
    } catch (error) {
      this.#failed(error, socket, peer);
    }
  }

  /** Without a frame of its own: it would stand there as long as the session. */
  #serve(socket: Socket, peer: Peer): void {
    const { clock, onConnection } = this.#options;
    try {
      const served = onConnection(connectionOver(socket, clock));
      served?.catch((error: unknown) => this.#failed(error, socket, peer));
    } catch (error) {
      this.#failed(error, socket, peer);
    }
  }

  #failed(error: unknown, socket: Socket, peer: Peer): void {
    socket.destroy();
    this.#options.onError(error, peer);
  }

  #refuse(socket: Socket, peer: Peer, cap: string): void {
    socket.on("error", () => {}); // it may be gone already
    if (this.#tls === undefined) socket.end(this.#options.refusal ?? REFUSAL, () => socket.destroy());
    else socket.destroy();
    this.#options.onError(
      new ConnectionError("refused", `${peerName(peer)} was refused: ${cap} are the cap`),
      peer,
    );
  }
}

function ofSocket(act: (socket: Socket) => void): (this: Socket) => void {
  return function (this: Socket) {
    act(this);
  };
}

/** What one customer of an internet provider has: an IPv4 address, or an IPv6 /64 with all that is in it. */
export function network(address: string): string {
  if (!isIPv6(address)) return address;
  const [left = "", right] = address.split("%")[0]!.split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right === undefined || right === "" ? [] : right.split(":");
  const zeros = right === undefined ? [] : Array<string>(8 - head.length - tail.length).fill("0");
  return [...head, ...zeros, ...tail].slice(0, 4).join(":");
}

/** Why, in words that say what to do. */
export function cannotListen(address: ListenAddress, error: Error): ConnectionError {
  const where =
    "path" in address
      ? address.path
      : "fd" in address
        ? `descriptor ${address.fd}`
        : peerName(asPeer(address));
  const advice: Readonly<Record<string, string>> = {
    EADDRINUSE: "another program listens there; stop it, or choose another address",
    EACCES: "not allowed; ports under 1024 need root, CAP_NET_BIND_SERVICE or a socket of systemd",
  };
  const why = advice[codeOf(error)] ?? error.message;
  return new ConnectionError("refused", `cannot listen on ${where}: ${why}`, { cause: error });
}

function asPeer({ host, port }: { readonly host: string; readonly port: number }): Peer {
  return { address: host, port };
}

/** A file that is no socket, or a socket on which somebody answers, is left alone: listening then fails by itself. */
async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  const busy = !found.isSocket() || (await answers(path));
  if (busy) throw cannotListen({ path }, Object.assign(new Error("in use"), { code: "EADDRINUSE" }));
  await unlink(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = knock({ path });
    const tell = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => tell(true));
    socket.once("error", () => tell(false));
  });
}
