/** HTTP: a fetch handler on a port or a unix socket. */
// It is plain HTTP: for this host, or for a proxy with TLS before it.
import { chmod, unlink } from "node:fs/promises";
import type { Server as NodeServer } from "node:http";
import { connect, type Server } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { capped } from "./capped.ts";

export type HttpAddress = { readonly host: string; readonly port: number } | { readonly path: string };

export interface HttpServer {
  /** Where it listens: with the port that the system chose. */
  readonly address: HttpAddress;
  /** Ends at once, with the streams that are open. */
  close(): Promise<void>;
}

/** `env` is for peerOf(). */
export type FetchHandler = (request: Request, env: unknown) => Response | Promise<Response>;

/** Requests of this interface are few; more are somebody's mistake. */
const CONNECTIONS = 256;
const SOCKET_MODE = 0o660;

/** @throws the system's error, EADDRINUSE if somebody listens there */
export async function serveHttp(fetch: FetchHandler, address: HttpAddress): Promise<HttpServer> {
  // The global Request and Response stay as they are: the rest of the program has its own use for them.
  const server = createAdaptorServer({ fetch, overrideGlobalObjects: false }) as NodeServer;
  const { front, drop } = capped(server, CONNECTIONS);
  if ("path" in address) await removeStale(address.path);
  await listening(front, address);
  if ("path" in address) await chmod(address.path, SOCKET_MODE);
  return {
    address: addressOf(front, address),
    close: () =>
      new Promise((resolve) => {
        front.close(() => resolve());
        drop();
      }),
  };
}

/** The address at the other end of a request, from its `env`; "unix" for a unix socket, "" for none. */
export function peerOf(env: unknown): string {
  const { incoming } = (env ?? {}) as {
    readonly incoming?: { readonly socket: { readonly remoteAddress?: string } };
  };
  return incoming === undefined ? "" : (incoming.socket.remoteAddress ?? "unix");
}

function listening(server: Server, address: HttpAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const done = () => {
      server.off("error", reject);
      resolve();
    };
    if ("path" in address) server.listen(address.path, done);
    else server.listen(address.port, address.host, done);
  });
}

function addressOf(server: Server, address: HttpAddress): HttpAddress {
  const bound = server.address();
  if ("path" in address || bound === null || typeof bound === "string") return address;
  return { host: bound.address, port: bound.port };
}

/** A socket file that nobody answers on was left by a process that died. */
function removeStale(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const knock = connect(path);
    knock.once("connect", () => {
      knock.destroy();
      resolve();
    });
    knock.once("error", ({ code }: NodeJS.ErrnoException) => {
      if (code !== "ECONNREFUSED") return resolve();
      unlink(path).then(resolve, reject);
    });
  });
}
