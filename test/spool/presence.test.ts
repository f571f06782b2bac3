import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { systemRandom } from "../../src/platform/random.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { openSpool } from "../../src/spool/open.ts";
import type { Claim } from "../../src/spool/spool.ts";
import { all, HandClock, HOME, stored, temporary } from "./support.ts";

const MINUTES = 120_000;

describe("what was leased by", () => {
  const clock = new HandClock();
  let folder: ReturnType<typeof temporary>;
  let path: string;
  const open = () =>
    openSpool({ path, clock, random: systemRandom, log: silent, files: systemFiles, thread: "here" });
  const claim = (spool: EmbeddedSpool) => spool.claim({ lane: HOME, lease: MINUTES }, "turn/1");
  const subjectsOf = async (claim: Claim | string) => {
    if (typeof claim === "string") return claim;
    const ids: string[] = [];
    for (let held = await claim.next(); held !== undefined; held = await claim.next()) ids.push(held.id);
    return ids.length;
  };

  beforeEach(() => {
    folder = temporary();
    path = `${folder.path}/spool.db`;
  });
  afterEach(() => folder.remove());

  /** A process that leases what is there, and says so; then it is killed. */
  async function leaseAndDie(): Promise<void> {
    const program = fileURLToPath(new URL("./holder.ts", import.meta.url));
    const flags = process.versions.bun === undefined ? ["run", "-A", "--no-check"] : [];
    const child = spawn(process.execPath, [...flags, program, path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await once(child, "close");
  }

  it("a killed process is there at once for the next, in its old order, with no attempt counted", async () => {
    const first = await open();
    for (const subject of ["one", "two", "three"]) await stored(first, { subject });
    await first.close();
    await leaseAndDie();
    const next = await open();
    assert.equal(await subjectsOf(await claim(next)), 3);
    const states = (await all(next.list({}))).map(({ subject, recipients }) => [
      subject,
      recipients[0]?.attempts,
    ]);
    assert.deepEqual(states, [
      ["one", 0],
      ["two", 0],
      ["three", 0],
    ]);
    assert.equal(readdirSync(`${path}.present`).length, 1);
    await next.close();
    assert.deepEqual(readdirSync(`${path}.present`), []);
  });

  it("a living process stays its own, whoever comes", async () => {
    const living = await open();
    await stored(living);
    const held = await claim(living);
    assert.equal(await subjectsOf(held), 1);
    const other = await open();
    assert.equal(await claim(other), "busy");
    await leaseAndDie();
    const third = await open();
    assert.equal(await claim(third), "busy");
    for (const spool of [third, other, living]) await spool.close();
  });

  it("a process that does not say who it is ends by its time", async () => {
    const quiet = await openSpool({
      ...{ path, clock, random: systemRandom, log: silent, files: systemFiles },
      ...{ thread: "here", asIs: true },
    });
    await stored(quiet);
    assert.equal(await subjectsOf(await claim(quiet)), 1);
    const next = await open();
    assert.equal(await claim(next), "busy");
    for (const spool of [next, quiet]) await spool.close();
  });
});
