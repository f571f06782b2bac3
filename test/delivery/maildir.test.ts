import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rename, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { maildir, maildirProblem } from "../../src/delivery/maildir.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { manualClock } from "../support/clock.ts";
import { canonical, corpus, inFolder, joined, octets, parcelFor, textOf } from "../support/mail.ts";

const clock = manualClock(Date.UTC(2040, 0, 1));
const to = (path: string) => maildir({ path, clock, random: systemRandom });
const ID = parcelFor([]).id;

test("a message lies in new with LF line ends, its sender and recipient on top, for the owner alone", () =>
  inFolder(async (folder) => {
    const [outcome] = await to(`${folder}/mail/{domain}/{local}`).deliver(parcelFor(["Bob@example.org"]));
    const box = join(folder, "mail/example.org/bob");
    assert.deepEqual(outcome, {
      to: "Bob@example.org",
      result: "delivered",
      reply: { code: 250, enhanced: "2.0.0", text: ["in the mailbox"] },
    });
    assert.equal(
      await readFile(join(box, "new", ID), "utf8"),
      "Return-Path: <ann@example.net>\nDelivered-To: Bob@example.org\nSubject: hello\n\nFrom here on\nall is text.\n",
    );
    assert.deepEqual((await readdir(box)).sort(), ["cur", "new", "tmp"]);
    assert.deepEqual(await readdir(join(box, "tmp")), []);
    assert.equal((await stat(box)).mode & 0o777, 0o700);
    assert.equal((await stat(join(box, "new", ID))).mode & 0o777, 0o600);
  }));

test("a message that was delivered is not doubled, whether it is new or was read", () =>
  inFolder(async (folder) => {
    // The file system dates the folder: the delivery must know how long ago that was.
    const delivery = maildir({ path: folder, clock: systemClock, random: systemRandom });
    const again = async () => (await delivery.deliver(parcelFor(["bob@example.org"])))[0]?.result;
    assert.equal(await again(), "delivered");
    assert.equal(await again(), "delivered");
    assert.deepEqual(await readdir(join(folder, "new")), [ID]);
    await rename(join(folder, "new", ID), join(folder, "cur", `${ID}:2,S`));
    assert.equal(await again(), "delivered");
    assert.equal((await to(folder).deliver(parcelFor(["bob@example.org"])))[0]?.result, "delivered");
    assert.deepEqual(
      [await readdir(join(folder, "new")), await readdir(join(folder, "cur"))],
      [[], [`${ID}:2,S`]],
    );
  }));

test("recipients who share a Maildir get one file that names them all", () =>
  inFolder(async (folder) => {
    const outcomes = await to(`${folder}/{domain}`).deliver(parcelFor(["a@x.org", "c@y.org", "b@x.org"]));
    assert.deepEqual(
      outcomes.map(({ to, result }) => [to, result]),
      [
        ["a@x.org", "delivered"],
        ["c@y.org", "delivered"],
        ["b@x.org", "delivered"],
      ],
    );
    assert.match(
      await readFile(join(folder, "x.org/new", ID), "utf8"),
      /Delivered-To: a@x.org\nDelivered-To: b@x.org\n/,
    );
  }));

const hostile = [
  '"../x"@example.org',
  '"a/b"@example.org',
  ".@example.org",
  "..@example.org",
  ".hidden@example.org",
  "-rf@example.org",
  '"a\0b"@example.org',
  `${"x".repeat(300)}@example.org`,
  '"a\nb"@example.org',
  '""@example.org',
  "bob@..",
  "bob@../../etc",
  "bob@-x",
];

test("an address that would be another place is refused, and nothing is made for it", () =>
  inFolder(async (folder) => {
    const outcomes = await to(`${folder}/base/{domain}/{local}`).deliver(parcelFor(hostile));
    assert.deepEqual(
      outcomes.map(({ to, result, reply }) => [to, result, reply.code, reply.enhanced]),
      hostile.map((address) => [address, "refused", 550, "5.1.3"]),
    );
    assert.deepEqual(await readdir(folder), []);
  }));

test("one bad recipient does not keep the mail from the others", () =>
  inFolder(async (folder) => {
    const outcomes = await to(`${folder}/{local}`).deliver(
      parcelFor(["..@x.org", "bob@x.org", "postmaster"]),
    );
    assert.deepEqual(
      outcomes.map(({ result }) => result),
      ["refused", "delivered", "delivered"],
    );
  }));

for (const link of [
  "example.org",
  "example.org/bob",
  "example.org/bob/new",
  "example.org/bob/tmp",
  "example.org/bob/cur",
])
  test(`a link at ${link} that leads out of the base is refused, and nothing is written behind it`, () =>
    inFolder(async (folder) => {
      const base = join(folder, "base");
      await mkdir(join(folder, "outside"));
      await mkdir(join(base, link, ".."), { recursive: true });
      await symlink(join(folder, "outside"), join(base, link));
      const [outcome] = await to(`${base}/{domain}/{local}`).deliver(parcelFor(["bob@example.org"]));
      assert.deepEqual([outcome?.result, outcome?.reply.code], ["refused", 550]);
      assert.deepEqual(await readdir(join(folder, "outside")), []);
    }));

test("a link that stays within the base is followed, and the base may be one", () =>
  inFolder(async (folder) => {
    await mkdir(join(folder, "base/example.org"), { recursive: true });
    await symlink("example.org", join(folder, "base/example.com"));
    await symlink("base", join(folder, "link"));
    const [outcome] = await to(`${folder}/link/{domain}/{local}`).deliver(parcelFor(["bob@example.com"]));
    assert.equal(outcome?.result, "delivered");
    assert.deepEqual(await readdir(join(folder, "base/example.org/bob/new")), [ID]);
  }));

test("a Maildir that cannot be written is tried again later, and its path is told to nobody", () =>
  inFolder(async (folder) => {
    await writeFile(join(folder, "file"), "");
    const [outcome] = await to(`${folder}/file/{local}`).deliver(parcelFor(["bob@example.org"]));
    assert.equal(outcome?.result, "deferred");
    assert.ok(!JSON.stringify(outcome).includes(folder));
    assert.match((await maildirProblem(`${folder}/file/{local}`)) ?? "", /no folder that can be written to/);
    assert.equal(await maildirProblem(`${folder}/fresh/{local}`), undefined);
  }));

test("content that fails midway leaves nothing behind", () =>
  inFolder(async (folder) => {
    const broken = {
      ...parcelFor(["bob@example.org"]),
      *content() {
        yield octets("Subject: half\r\n");
        throw Object.assign(new Error("no room"), { code: "ENOSPC" });
      },
    };
    const [outcome] = await to(folder).deliver(broken);
    assert.deepEqual(
      [outcome?.result, outcome?.reply.code, outcome?.reply.enhanced],
      ["deferred", 452, "4.2.2"],
    );
    assert.deepEqual([await readdir(join(folder, "tmp")), await readdir(join(folder, "new"))], [[], []]);
  }));

test("real mail lies in the Maildir as it is, below the fields on top", () =>
  inFolder(async (folder) => {
    const delivery = to(folder);
    const top = octets("Return-Path: <ann@example.net>\r\nDelivered-To: bob@example.org\r\n");
    for (const [i, message] of (await corpus()).entries()) {
      const id = `m${i}`;
      await delivery.deliver(parcelFor(["bob@example.org"], { id, content: message.canonical }));
      const kept = canonical(await readFile(join(folder, "new", id)));
      assert.ok(Buffer.from(kept).equals(joined([top, message.canonical])), message.name);
      assert.ok(!textOf(kept.subarray(0, 60)).includes("\n\n"));
    }
  }));
