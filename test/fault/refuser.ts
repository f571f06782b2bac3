/** A program of its own for notice.test.ts: has a message refused, and is killed before it can write to the sender. */
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { openSpool } from "../../src/spool/open.ts";
import { reply } from "../../src/wire/reply.ts";
import { OUT, stored, text } from "../spool/support.ts";

const [path = ""] = process.argv.slice(2);
const tools = { clock: systemClock, random: systemRandom, log: silent, files: systemFiles };
const spool = await openSpool({ path, ...tools, thread: "here" });
const now = systemClock.now();
await stored(spool, {
  ...{ lane: OUT, from: "bob@example.org", to: ["nobody@world.test"] },
  ...{ body: text("Subject: x\r\n\r\nx\r\n"), arrived: now, expires: now + 86_400_000 },
});
const claim = await spool.claim({ lane: OUT, lease: 60_000 }, "refuser/1");
if (typeof claim === "string") throw new Error(`the lane is ${claim}`);
const held = await claim.next();
if (held === undefined) throw new Error("there is nothing to refuse");
const refused = {
  to: "nobody@world.test",
  result: "refused",
  reply: reply(550, "5.1.1", "No such user"),
} as const;
await claim.settle(held, [refused]);
process.kill(process.pid, "SIGKILL");
