import assert from "node:assert/strict";
import { it } from "node:test";
import { Drive } from "../../src/net/drive.ts";
import { serverSession } from "../../src/smtp/server.ts";
import { reply } from "../../src/wire/reply.ts";
import { manualClock } from "../support/clock.ts";
import { parseDialog } from "../support/dialog.ts";
import { pipe } from "../support/pipe.ts";
import { play } from "../support/provider.ts";

it("a peer that is silent for five minutes is told so, and let go", async () => {
  const clock = manualClock();
  const [here, there] = pipe({ clock });
  const session = serverSession(parseDialog("door: intake\n\n").settings);
  session.greet(reply(220, undefined, "relay.test"));
  const ending = new Drive(session, there).run({ answer: () => undefined });
  const heard = play(here, "C", ["P: 220 relay.test", "P: 421 4.4.2 *", "end"]);
  await clock.advance(299_999);
  assert.equal(session.ended, false);
  await clock.advance(1);
  assert.deepEqual(await ending, { type: "over", why: "nothing came in time" });
  await there.close();
  await heard;
  assert.equal(clock.timers, 0);
});
