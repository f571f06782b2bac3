/** Makes a connection: to every address of a name in turn until one answers, or to a socket in the file system. */
// One deadline is over all of it: name, addresses and TLS; each address gets its fair share of what is left.
import { lookup } from "node:dns/promises";
import { isIP, connect as open, type Socket } from "node:net";
import type { Clock } from "../platform/clock.ts";
import { type ClientTls, type Connection, ConnectionError } from "./connection.ts";
import { connectionError, peerName } from "./fault.ts";
import { connectionOver } from "./socket.ts";

export interface DialOptions {
  readonly host: string;
  readonly port: number;
  /** The path of a unix socket; host and port then serve for messages only. */
  readonly socket?: string;
  /** Implicit TLS: the handshake comes first. */
  readonly tls?: ClientTls;
  readonly clock: Clock;
  /** Milliseconds. */
  readonly within: number;
}

/** @throws ConnectionError "name", "refused", "unreachable", "timeout", "reset" or "tls" */
export async function dial(options: DialOptions): Promise<Connection> {
  const { tls, clock, within } = options;
  const until = clock.steady() + within;
  const connection = connectionOver(await reach(options, until), clock);
  if (tls === undefined) return connection;
  return connection.startTls({ as: "client", tls }, Math.max(0, until - clock.steady()));
}

async function reach({ host, port, socket, clock }: DialOptions, until: number): Promise<Socket> {
  const left = () => Math.max(0, until - clock.steady());
  if (socket !== undefined) return attempt({ path: socket }, socket, { clock, within: left() });
  const addresses = isIP(host) ? [host] : await resolve(host, { clock, within: left() });
  const failed: ConnectionError[] = [];
  for (const [i, address] of addresses.entries()) {
    const within = left() / (addresses.length - i);
    try {
      return await attempt({ host: address, port }, peerName({ address, port }), { clock, within });
    } catch (error) {
      failed.push(error as ConnectionError);
    }
  }
  const last = failed.at(-1);
  if (failed.length === 1 && last !== undefined) throw last;
  const why = failed.map(({ message }) => message).join("; ");
  throw new ConnectionError(last?.fault ?? "name", `${host} could not be reached: ${why}`, { cause: last });
}

interface Patience {
  readonly clock: Clock;
  readonly within: number;
}

async function resolve(host: string, { clock, within }: Patience): Promise<readonly string[]> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = clock.after(within, () =>
    reject(new ConnectionError("timeout", `no answer on the addresses of ${host} in time`)),
  );
  try {
    const found = await Promise.race([lookup(host, { all: true, verbatim: true }), promise]);
    return found.map(({ address }) => address);
  } catch (error) {
    if (error instanceof ConnectionError) throw error;
    throw new ConnectionError("name", `${host} has no address that could be found`, { cause: error });
  } finally {
    timer.stop();
  }
}

type Where = { readonly path: string } | { readonly host: string; readonly port: number };

function attempt(where: Where, name: string, { clock, within }: Patience): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = open({ ...where, allowHalfOpen: true, noDelay: true });
    const settle = (error?: Error) => {
      timer.stop();
      socket.off("error", settle);
      if (error === undefined) return resolve(socket);
      socket.on("error", () => {});
      socket.destroy();
      reject(connectionError(`connecting to ${name}`, error));
    };
    const late = new ConnectionError("timeout", `${name} did not answer in time`);
    const timer = clock.after(within, () => settle(late));
    socket.once("error", settle);
    socket.once("connect", () => settle());
  });
}
