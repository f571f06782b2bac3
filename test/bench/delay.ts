/** A line that is far away: a proxy on loopback that hands octets on after a while. `bun test/bench/delay.ts PORT MS` */
// It is no limit to how many are under way: half the round trip is added to each octet, and none waits for another.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A proxy to this port of loopback, with so many milliseconds for a round trip. @returns its port, and its end */
export async function delay(
  port: number,
  roundTrip: number,
): Promise<{ readonly port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("data", (piece) => setTimeout(() => to.destroyed || to.write(piece), roundTrip / 2));
      from.on("end", () => setTimeout(() => to.end(), roundTrip / 2));
      from.on("error", () => to.destroy());
      from.on("close", () => sockets.delete(from));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { port: number }).port,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

if (import.meta.main) {
  const [port = 366, roundTrip = 50] = process.argv.slice(2).map(Number);
  console.log(`127.0.0.1:${(await delay(port, roundTrip)).port}`);
}
