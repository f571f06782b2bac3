/** A port on which only the CA has something to ask. */
import type { Server } from "node:net";
import type { Peer } from "../net/connection.ts";
import { cannotListen, type ListenAddress } from "../net/listen.ts";

export interface OpenDoor {
  /** Where it listens: with the port that the system chose. */
  readonly address: Peer;
  close(): Promise<void>;
}

/** @param end closes who is there @throws ConnectionError "refused" if it cannot listen there */
export async function openDoor(server: Server, address: ListenAddress, end: () => void): Promise<OpenDoor> {
  await bind(server, address)
    .catch((error: NodeJS.ErrnoException) => {
      // Without IPv6 in the kernel, every address there is is one of IPv4.
      if ("host" in address && address.host === "::" && error.code === "EAFNOSUPPORT")
        return bind(server, { ...address, host: "0.0.0.0" });
      throw error;
    })
    .catch((error: Error) => {
      throw cannotListen(address, error);
    });
  server.on("error", () => {}); // what goes wrong with one who asks is the asker's trouble
  const bound = server.address();
  return {
    address:
      bound === null || typeof bound === "string"
        ? { address: "unix", port: 0 }
        : { address: bound.address, port: bound.port },
    async close() {
      server.close();
      end();
    },
  };
}

function bind(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const { mode: _, ...where } = address as { mode?: number };
    server.listen(where, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
