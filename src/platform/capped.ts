/** A server of node:http that keeps to its cap on connections and to its deadlines, on Bun too. */
// Bun takes maxConnections and forgets it; so there the sockets are ours, and what it does to its own falls to us.
import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server, type Socket } from "node:net";

export interface Capped {
  /** This one is to listen. */
  readonly front: Server;
  /** Ends all connections at once. */
  readonly drop: () => void;
}

const forgetsCaps = "Bun" in globalThis;

/** @param most connections at once; who comes then is let go without a word */
export function capped(server: HttpServer, most: number): Capped {
  if (forgetsCaps) return new Front(server, most);
  server.maxConnections = most;
  return { front: server, drop: () => server.closeAllConnections() };
}

class Front implements Capped {
  readonly front: Server;
  readonly #server: HttpServer;
  readonly #most: number;
  /** Who is here, and what ends them if nothing comes. */
  readonly #open = new Map<Socket, NodeJS.Timeout>();

  constructor(server: HttpServer, most: number) {
    this.#server = server;
    this.#most = most;
    this.front = createServer({ noDelay: true }, (socket) => this.#enter(socket));
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request;
      clearTimeout(this.#open.get(socket));
      // Whoever has asked may listen for hours; whoever has more to say says it now.
      if (hasBody(request)) {
        this.#due(socket, server.requestTimeout || 300_000);
        request.once("end", () => clearTimeout(this.#open.get(socket)));
      }
      response.once("close", () => this.#due(socket, server.headersTimeout || 60_000));
    });
  }

  readonly drop = (): void => {
    for (const socket of this.#open.keys()) socket.destroy();
  };

  #enter(socket: Socket): void {
    socket.on("error", () => undefined); // "close" follows
    if (this.#open.size >= this.#most) return void socket.destroy();
    this.#open.set(
      socket,
      setTimeout(() => socket.destroy(), this.#server.headersTimeout || 60_000),
    );
    socket.once("close", () => {
      clearTimeout(this.#open.get(socket));
      this.#open.delete(socket);
    });
    this.#server.emit("connection", socket);
  }

  /** It is to have brought us on by then. */
  #due(socket: Socket, within: number): void {
    const timer = this.#open.get(socket);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#open.set(
      socket,
      setTimeout(() => socket.destroy(), within),
    );
  }
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
