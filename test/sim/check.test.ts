import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { openSpool } from "../../src/spool/open.ts";
import { HandClock, HOME, OUT, seeded, stored, temporary } from "../spool/support.ts";
import { findingsOf } from "./check.ts";
import { Register } from "./register.ts";
import { Chance } from "./world.ts";

const folder = temporary();
let house: EmbeddedSpool;
let relay: EmbeddedSpool;
before(async () => {
  const tools = { clock: new HandClock(), random: seeded(1), log: silent, files: systemFiles };
  const opened = (name: string) =>
    openSpool({ ...tools, path: join(folder.path, name, "spool.db"), thread: "here", asIs: true });
  house = await opened("home");
  relay = await opened("relay");
});
after(async () => {
  await house.close();
  await relay.close();
  folder.remove();
});

describe("the conservation check", () => {
  it("follows a letter that an operator moved back to the house it came from, and comes to an end", async () => {
    const register = new Register(new Chance(seeded(1)), 0);
    const to = "bob@shed.example";
    const letter = register.letter("example.org", [to]);
    letter.fates.set("home", new Map([[to, "accepted"]]));
    const posted = { from: letter.from, to: [to], body: letter.body, trace: "" };
    await stored(house, { ...posted, lane: OUT });
    const id = await stored(relay, { ...posted, lane: HOME });
    register.moved.add(`relay ${id}`);
    const { problems, counts } = await findingsOf(
      {
        register,
        stations: [
          { name: "relay", spool: relay },
          { name: "home", spool: house },
        ],
        ownerOf: () => "shed",
        relays: ["relay"],
        ...{ calm: true, ill: false },
      },
      [],
    );
    assert.deepEqual(problems, []);
    assert.deepEqual([counts.accepted, counts.queued], [1, 1]);
  });
});
