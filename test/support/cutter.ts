/** A line between a client and a server of loopback that can be cut at a chosen answer, or all at once. */
// The answer at which it is cut was given, and never arrives: whoever asked cannot know.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface Cutter {
  readonly port: number;
  /** Lets so many more answers through, drops the next one and cuts that line. */
  after(answers: number): void;
  /** Whether the armed cut has happened. */
  readonly cut: boolean;
  /** Cuts all lines now. */
  all(): void;
  close(): Promise<void>;
}

export async function cutterTo(port: number): Promise<Cutter> {
  const sockets = new Set<Socket>();
  let left = Number.POSITIVE_INFINITY;
  let done = false;
  const server = createServer((client) => {
    const inner = connect(port, "127.0.0.1");
    const both = [client, inner];
    const end = () => {
      for (const socket of both) {
        socket.destroy();
        sockets.delete(socket);
      }
    };
    for (const socket of both) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", end);
      socket.on("close", end);
    }
    client.on("data", (octets) => inner.write(octets));
    inner.on("data", (octets) => {
      if (left-- > 0) return client.write(octets);
      left = Number.POSITIVE_INFINITY;
      done = true;
      end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { port: number }).port,
    after(answers) {
      done = false;
      left = answers;
    },
    get cut() {
      return done;
    },
    all() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
