/** A process for presence.test.ts: leases all of HOME's mail in the spool it is given, says so, and waits for its end. */
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { openSpool } from "../../src/spool/open.ts";
import { HandClock, HOME } from "./support.ts";

const spool = await openSpool({
  ...{ path: process.argv[2] ?? "", clock: new HandClock(), random: systemRandom, log: silent },
  ...{ files: systemFiles, thread: "here" },
});
const claim = await spool.claim({ lane: HOME, lease: 120_000 }, "turn/dead");
if (typeof claim !== "string") while ((await claim.next()) !== undefined);
console.log("leased");
systemClock.after(600_000, () => {});
