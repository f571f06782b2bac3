/** A customer that fills the disk: its room is its own, and whoever writes to it is told to come again. */
import { stored } from "../../spool/support.ts";
import type { Entrance } from "../doors.ts";
import { envelopeAt, type Family, isKept, message, NEXT, quit, tried } from "../rows.ts";

const FULL = `Subject: big\r\n\r\n${"x".repeat(600)}\r\n`;

export const quota: Family = {
  name: "slow and many",
  rows: [
    {
      name: "a customer that fills the disk",
      at: ({ service }: Entrance) => service !== "home" && service !== "reversed",
      async holds(doors, entrance) {
        const { clock, relay } = doors.post;
        const facts = { trace: "", arrived: clock.now(), expires: clock.now() + 1e9, to: ["ann@work.test"] };
        await stored(relay.spool, { ...facts, body: FULL, lane: { direction: "turn", customer: "work" } });
        const [from = "", ok = "", ...to] = envelopeAt(entrance);
        const refused = ["C: RCPT TO:<ann@work.test>", "P: 452 4.2.2 *"];
        await tried(doors, entrance, "known", [from, ok, ...refused, ...to, ...message, ...quit]);
        await isKept(doors, entrance, FULL, NEXT);
      },
    },
  ],
};
