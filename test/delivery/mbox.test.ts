import assert from "node:assert/strict";
import { appendFile, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { mbox, mboxProblem } from "../../src/delivery/mbox.ts";
import { messagesAt } from "../../src/mail/files.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { collected, corpus, inFolder, joined, octets, parcelFor } from "../support/mail.ts";

/** Waiting for a lock takes no time: every pause is over at once, and time goes on by it. */
function hurriedClock() {
  let passed = 0;
  return {
    now: () => Date.now() + passed,
    steady: () => passed,
    after: (ms: number, ring: () => void) => {
      passed += ms;
      const timer = setImmediate(ring);
      return { stop: () => clearImmediate(timer) };
    },
  };
}

const to = (path: string, clock = hurriedClock()) => mbox({ path, clock, random: systemRandom });
const MESSAGE =
  "From ann@example.net Wed Nov  4 07:08:09 2026\nReturn-Path: <ann@example.net>\nDelivered-To: bob@example.org\n" +
  "Subject: hello\n\n>From here on\nall is text.\n\n";

test("messages are appended with From_ lines quoted, and the lock is gone afterwards", () =>
  inFolder(async (folder) => {
    const delivery = to(`${folder}/{domain}/{local}`);
    const outcomes = await Promise.all([1, 2, 3].map(() => delivery.deliver(parcelFor(["bob@example.org"]))));
    assert.deepEqual(
      outcomes.map(([outcome]) => outcome?.result),
      ["delivered", "delivered", "delivered"],
    );
    assert.equal(await readFile(join(folder, "example.org/bob"), "utf8"), MESSAGE.repeat(3));
    assert.deepEqual(await readdir(join(folder, "example.org")), ["bob"]);
    assert.equal((await stat(join(folder, "example.org/bob"))).mode & 0o777, 0o600);
  }));

test("two programs that deliver to one mbox at once mix nothing up", () =>
  inFolder(async (folder) => {
    const path = join(folder, "box");
    const two = [
      to(path, systemClock as ReturnType<typeof hurriedClock>),
      to(path, systemClock as ReturnType<typeof hurriedClock>),
    ];
    await Promise.all(
      two.flatMap((delivery) => [1, 2].map(() => delivery.deliver(parcelFor(["bob@example.org"])))),
    );
    assert.equal(await readFile(path, "utf8"), MESSAGE.repeat(4));
  }));

test("a file that another program left midway gets the blank line that is missing", () =>
  inFolder(async (folder) => {
    const path = join(folder, "box");
    for (const [left, missing] of [
      ["From x\nhalf", "\n\n"],
      ["From x\nhalf\n", "\n"],
      ["From x\nhalf\n\n", ""],
      ["x", "\n\n"],
    ]) {
      await writeFile(path, left ?? "");
      await to(path).deliver(parcelFor(["bob@example.org"]));
      assert.equal(await readFile(path, "utf8"), `${left}${missing}${MESSAGE}`);
    }
  }));

test("a lock that stays defers the mail, and a dead program's lock is taken away", () =>
  inFolder(async (folder) => {
    const path = join(folder, "box");
    await writeFile(`${path}.lock`, "");
    const [locked] = await to(path).deliver(parcelFor(["bob@example.org"]));
    assert.deepEqual(
      [locked?.result, locked?.reply.text],
      ["deferred", ["the mailbox cannot be written (locked by another program)"]],
    );
    await utimes(`${path}.lock`, 0, 0);
    const [taken] = await to(path).deliver(parcelFor(["bob@example.org"]));
    assert.equal(taken?.result, "delivered");
    assert.deepEqual(await readdir(folder), ["box"]);
  }));

test("what could not be written whole is cut off again", () =>
  inFolder(async (folder) => {
    const path = join(folder, "box");
    await to(path).deliver(parcelFor(["bob@example.org"]));
    const broken = {
      ...parcelFor(["bob@example.org"]),
      *content() {
        yield octets("Subject: half\r\n");
        throw Object.assign(new Error("no room"), { code: "ENOSPC" });
      },
    };
    const [outcome] = await to(path).deliver(broken);
    assert.deepEqual([outcome?.result, outcome?.reply.code], ["deferred", 452]);
    assert.equal(await readFile(path, "utf8"), MESSAGE);
    assert.deepEqual(await readdir(folder), ["box"]);
  }));

test("hostile names are refused, and links are not followed", () =>
  inFolder(async (folder) => {
    const [outcome] = await to(`${folder}/base/{local}`).deliver(parcelFor(['"../x"@example.org']));
    assert.equal(outcome?.result, "refused");
    await writeFile(join(folder, "secret"), "mine");
    await mkdir(join(folder, "base"));
    await symlink(join(folder, "secret"), join(folder, "base/bob"));
    const [linked] = await to(`${folder}/base/{local}`).deliver(parcelFor(["bob@example.org"]));
    assert.equal(linked?.result, "deferred");
    assert.equal(await readFile(join(folder, "secret"), "utf8"), "mine");
  }));

test("a folder that cannot be written to is a problem", () =>
  inFolder(async (folder) => {
    await appendFile(join(folder, "file"), "");
    assert.match((await mboxProblem(`${folder}/file/box`)) ?? "", /no folder that can be written to/);
    assert.equal(await mboxProblem(`${folder}/fresh/{local}`), undefined);
  }));

test("real mail comes out of the mbox as it went in", () =>
  inFolder(async (folder) => {
    const path = join(folder, "box");
    const delivery = to(path);
    const messages = await corpus();
    for (const { canonical } of messages)
      await delivery.deliver(parcelFor(["bob@example.org"], { content: canonical }));
    if (messages.length === 0) return;
    const top = octets("Return-Path: <ann@example.net>\r\nDelivered-To: bob@example.org\r\n");
    let i = 0;
    for await (const found of messagesAt(path, "mbox", systemFiles)) {
      const { name, canonical } = messages[i++]!;
      assert.ok(Buffer.from(await collected(found.content())).equals(joined([top, canonical])), name);
    }
    assert.equal(i, messages.length);
  }));
