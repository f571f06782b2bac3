/** Other protocols and early talk: who is no mail client is told so, and let go. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { play } from "../../support/provider.ts";
import { type Entrance, isReal } from "../doors.ts";
import { type Family, isKept, type Row, tried } from "../rows.ts";

const ENDS = /^(?:421 4\.7\.0|50\d 5\.5\.\d|554 5\.5\.1) /;

const row = (name: string, octets: string, at?: Row["at"]): Row => ({
  ...{ name, at },
  async holds(doors, entrance) {
    const heard = await tried(doors, entrance, "greeted", [`C: ${octets}\\`, "rest"]);
    assert.match(heard.trimEnd().split("\r\n").at(-1) ?? "", ENDS);
    await isKept(doors, entrance);
  },
});

const early: readonly string[] = [
  "EHLO peer.test\r\n",
  "\r\n",
  "\0",
  "EHLO x\r\nMAIL FROM:<a@world.test>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n\r\nearly\r\n.\r\n",
];

export const foreign: Family = {
  name: "other protocols and early talk",
  rows: [
    row("HTTP GET", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    row(
      "HTTP POST with mail in it",
      "POST / HTTP/1.1\r\n\r\nEHLO x\r\nMAIL FROM:<a@world.test>\r\nRCPT TO:<bob@example.org>\r\n",
    ),
    row("a TLS ClientHello", "\x16\x03\x01\x02\n\x01\xfc\x03\x03"),
    row("a PROXY header", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
    {
      name: "bytes before 220",
      at: (entrance) => isReal(entrance) && (entrance.line !== "starttls" || entrance.service === "reversed"),
      async holds(doors, entrance) {
        for (const octets of early) {
          const { peer, over } = await doors.intrude(entrance, octets);
          const heard = await play(peer, "C", ["rest"]);
          await over();
          if (entrance.service === "reversed") assert.equal(heard, "");
          else assert.match(heard, /^554 5\.5\.1 [^\r]*\r\n$/);
        }
        await isKept(doors, entrance);
      },
    },
    row("SSH", "SSH-2.0-OpenSSH_9.9\r\n"),
    {
      name: "100,000 pipelined NOOP",
      at: isReal,
      async holds(doors, entrance) {
        const heard = await tried(doors, entrance, "open", [`C: ${"NOOP\r\n".repeat(100_000)}\\`, "rest"]);
        assert.ok(heard.split("\r\n").length < 1_020, "more than a thousand were answered");
        await isKept(doors, entrance);
      },
    },
    {
      name: "SMTP where TLS is due",
      at: ({ line, service }: Entrance) => line === "implicit" && service !== "reversed",
      async holds(doors, entrance) {
        const raw = connect({ host: "127.0.0.1", port: doors.portOf(entrance) });
        raw.write("EHLO peer.test\r\nMAIL FROM:<ann@example.org>\r\n");
        let heard = "";
        raw.on("data", (octets) => {
          heard += octets.toString("latin1");
        });
        await new Promise<void>((resolve) => raw.on("error", () => undefined).on("close", () => resolve()));
        assert.doesNotMatch(heard, /250|220/);
        await isKept(doors, entrance);
      },
    },
  ],
};
