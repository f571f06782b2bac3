/** What the tests of connections share: a listener and a caller on loopback, and octets to send. */
import { once } from "node:events";
import { createServer, connect as open, type Socket } from "node:net";
import type { ClientTls, Connection, ServerTls } from "../../src/net/connection.ts";
import { dial } from "../../src/net/dial.ts";
import { type Listener, type ListenOptions, listen } from "../../src/net/listen.ts";
import { connectionOver } from "../../src/net/socket.ts";
import { type Clock, systemClock } from "../../src/platform/clock.ts";

export const SOON = 20_000;

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (octets: Uint8Array | undefined): string | undefined =>
  octets === undefined ? undefined : new TextDecoder().decode(octets);

/** Listens on a free port of loopback, runs `use`, and closes. */
export async function withListener<T>(
  options: Partial<ListenOptions> & Pick<ListenOptions, "onConnection">,
  use: (listener: Listener) => Promise<T>,
): Promise<T> {
  const listener = await listen({
    address: { host: "127.0.0.1", port: 0 },
    clock: systemClock,
    maxConnections: 10_000,
    perAddress: 10_000,
    onError: () => {},
    ...options,
  });
  try {
    return await use(listener);
  } finally {
    await listener.close();
  }
}

export const call = (listener: Listener, tls?: ClientTls, clock: Clock = systemClock): Promise<Connection> =>
  dial({
    host: "127.0.0.1",
    port: listener.address.port,
    clock,
    within: SOON,
    ...(tls === undefined ? {} : { tls }),
  });

export interface Pair {
  readonly server: Connection;
  readonly client: Connection;
}

/** Two joined connections over loopback; both are destroyed in the end. */
export async function withPair(
  { clock = systemClock, tls }: { clock?: Clock; tls?: { server: ServerTls; client: ClientTls } },
  use: (pair: Pair) => Promise<void>,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  promise.catch(() => {}); // when dialling fails first, nobody waits for it
  const asked = {
    clock,
    onConnection: resolve,
    onError: reject,
    ...(tls === undefined ? {} : { tls: tls.server }),
  };
  await withListener(asked, async (listener) => {
    const client = await call(listener, tls?.client, clock);
    const server = await promise;
    try {
      await use({ server, client });
    } finally {
      client.destroy();
      server.destroy();
    }
  });
}

/** One connection of ours and the bare socket at its other end. */
export async function withBare(
  clock: Clock,
  use: (connection: Connection, bare: Socket) => Promise<void>,
): Promise<void> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const bare = open({ host: "127.0.0.1", port, allowHalfOpen: true });
  bare.on("error", () => {});
  const [socket] = (await once(server, "connection")) as [Socket];
  const connection = connectionOver(socket, clock);
  try {
    await use(connection, bare);
  } finally {
    connection.destroy();
    bare.destroy();
    server.close();
  }
}

/** Reads until there are `count` octets. */
export async function readExactly(connection: Connection, count: number): Promise<string> {
  let got = "";
  while (got.length < count) {
    const piece = text(await connection.read(SOON));
    if (piece === undefined) return got;
    got += piece;
  }
  return got;
}

/** Sends back whatever comes, until the end. */
export async function echo(connection: Connection): Promise<void> {
  for (;;) {
    const piece = await connection.read(SOON);
    if (piece === undefined) break;
    await connection.write(piece, SOON);
  }
  await connection.close();
}
