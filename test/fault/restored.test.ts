import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { afterEach, beforeEach, describe, it } from "node:test";
import { systemFiles } from "../../src/platform/files.ts";
import { type Account, call } from "../../src/relay/call.ts";
import { receive } from "../../src/relay/reception.ts";
import { openSpool } from "../../src/spool/open.ts";
import type { Spool } from "../../src/spool/spool.ts";
import { stored, temporary } from "../spool/support.ts";
import { pipe } from "../support/pipe.ts";
import { entries, openPost, type Post } from "../support/post.ts";

let post: Post;
let folder: ReturnType<typeof temporary>;
beforeEach(async () => {
  post = await openPost();
  folder = temporary();
});
afterEach(async () => {
  await post.close();
  folder.remove();
});

const path = (name: string) => `${folder.path}/${name}/spool.db`;

type Opened = Awaited<ReturnType<typeof openSpool>>;

function open(name: string): Promise<Opened> {
  const { clock, random, log } = post;
  return openSpool({ path: path(name), clock, random, log, files: systemFiles, thread: "here", actor: name });
}

/** What an operator's backup does while nothing runs. */
const copy = (from: string, to: string) =>
  cpSync(`${folder.path}/${from}`, `${folder.path}/${to}`, { recursive: true });

/** A turn of this house at a relay with this spool. @returns messages taken */
async function turn(relay: Opened, house: Spool = post.house): Promise<number> {
  const overs: Promise<void>[] = [];
  const dial = async (_: Account) => {
    const [here, there] = pipe();
    overs.push(
      receive(
        { ...post.relay, spool: relay },
        { service: "odmr", startTls: false, requireTls: false, bareLineEnds: "refuse" },
        there,
      ),
    );
    return here;
  };
  const { messages } = await call(post.account, [], { ...post.caller, dial, spool: house });
  await Promise.all(overs);
  return messages;
}

const hold = (relay: Spool, subject: string, body = `Subject: ${subject}\r\n\r\n${subject}\r\n`) =>
  stored(relay, { subject, body, arrived: post.clock.now(), expires: post.clock.now() + 1e10, trace: "" });

const subjects = async (spool: Spool) => (await entries(spool)).map(({ subject }) => subject).sort();

describe("a relay whose spool was restored from an older copy", () => {
  it("loses nothing that the copy has, and the house takes nothing twice", async () => {
    let relay = await open("relay");
    await hold(relay, "one");
    await hold(relay, "large", `Subject: large\r\n\r\n${"x".repeat(200_000)}\r\n`);
    await relay.close();
    copy("relay", "backup");
    relay = await open("relay");
    await hold(relay, "two");
    assert.equal(await turn(relay), 3);
    await relay.close();

    const restored = await open("backup");
    await hold(restored, "three");
    assert.equal(await turn(restored), 1);
    assert.deepEqual(await subjects(post.house), ["large", "one", "three", "two"]);
    assert.deepEqual(await subjects(restored), []);
    assert.equal(await turn(restored), 0);
    await restored.close();
  });

  it("gives no id a second time: new mail is not taken for old", async () => {
    const relay = await open("relay");
    await relay.close();
    copy("relay", "backup");
    const [first, second] = [await open("relay"), await open("backup")];
    assert.equal(first.id, second.id);
    const a = await hold(first, "before");
    const b = await hold(second, "after");
    assert.notEqual(a, b);
    assert.equal((await turn(first)) + (await turn(second)), 2);
    assert.deepEqual(await subjects(post.house), ["after", "before"]);
    await first.close();
    await second.close();
  });

  it("is known again after the house has emptied its spool: the ledger outlives the mail", async () => {
    let relay = await open("relay");
    await hold(relay, "one");
    await relay.close();
    copy("relay", "backup");
    relay = await open("relay");
    await turn(relay);
    await relay.close();
    for await (const _ of post.house.act({ type: "remove" }, {}, { name: "test", reason: "delivered" }));
    const restored = await open("backup");
    assert.equal(await turn(restored), 0);
    assert.deepEqual(await subjects(post.house), []);
    await restored.close();
  });
});

describe("a house whose spool was restored from an older copy", () => {
  it("gets what comes, and no message that it has a second time", async () => {
    const relay = await open("relay");
    let house = await open("house");
    await hold(relay, "one");
    assert.equal(await turn(relay, house), 1);
    await house.close();
    copy("house", "backup");
    house = await open("backup");
    await hold(relay, "two");
    assert.equal(await turn(relay, house), 1);
    assert.deepEqual(await subjects(house), ["one", "two"]);
    await house.close();
    await relay.close();
  });
});
