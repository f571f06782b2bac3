/** STARTTLS with octets behind it, at each door that offers it; and lines under TLS that are torn within a body. */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { play, type Talk } from "../../support/provider.ts";
import { type Entrance, helloAt, isReal, isSecure } from "../doors.ts";
import { arrive, type Family, isKept, type Row } from "../rows.ts";

const offers = ({ service, line }: Entrance): boolean => line === "starttls" && service !== "reversed";

const injected = (name: string, behind: string): Row => ({
  ...{ name, at: offers },
  async holds(doors, entrance) {
    const { peer, over } = await doors.knock(entrance);
    await play(peer, "C", [
      "P: 220 *",
      ...helloAt(entrance),
      `C: STARTTLS\r\n${behind}\\`,
      "P: 421 4.7.0 *",
      "end",
    ]);
    await over();
    await isKept(doors, entrance);
  },
});

/** How a line of TLS may end on its way: what the peer says last comes out of it as is, and then this. */
type Tear = "FIN" | "RST" | "an octet in the clear";

/** Leads to a port, and does not hand on that the peer has ended: instead it tears the line. */
async function torn(port: number, tear: Tear): Promise<{ readonly port: number; close(): void }> {
  const server = createServer({ allowHalfOpen: true }, (peer) => {
    const inner = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    for (const socket of [peer, inner]) socket.on("error", () => peer.destroy());
    inner.pipe(peer);
    peer.on("data", (octets) => inner.write(octets));
    peer.on("end", () => {
      if (tear === "RST") return void inner.resetAndDestroy();
      inner.end(tear === "FIN" ? "" : "x");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as { port: number }).port, close: () => void server.close() };
}

const within: Readonly<Record<"DATA" | "BDAT", Talk>> = {
  DATA: ["C: DATA", "P: 354 *", "C: Subject: half", "C: ", "C: .\r\\"],
  BDAT: ["C: BDAT 500 LAST", "C: Subject: half"],
};

const tear = (by: "DATA" | "BDAT", how: Tear, name: string): Row => ({
  name,
  at: (entrance) => isReal(entrance) && isSecure(entrance) && entrance.service !== "reversed",
  async holds(doors, entrance) {
    const way: { close?: () => void } = {};
    const through = async (port: number) => {
      const tearing = await torn(port, how);
      way.close = tearing.close;
      return tearing.port;
    };
    const { peer, over } = await arrive(doors, entrance, "addressed", { through });
    await play(peer, "C", [...within[by], "close"]);
    await over();
    way.close?.();
    await isKept(doors, entrance);
  },
});

export const startTls: Family = {
  name: "STARTTLS",
  rows: [
    injected(
      "RSET and MAIL in one segment",
      "RSET\r\nMAIL FROM:<a@world.test>\r\nRCPT TO:<bob@example.org>\r\n",
    ),
    injected("EHLO in one segment", "EHLO evil.test\r\n"),
    injected("one octet in one segment", "E"),
    tear("DATA", "FIN", "the end within DATA"),
    tear("BDAT", "FIN", "the end within BDAT"),
    tear("DATA", "RST", "a reset within DATA"),
    tear("BDAT", "an octet in the clear", "close_notify within BDAT, then an octet in the clear"),
  ],
};
