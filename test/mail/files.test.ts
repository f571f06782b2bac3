import assert from "node:assert/strict";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type Kind, kindAt, messagesAt, writerTo } from "../../src/mail/files.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { collected, corpus, inFolder, octets, textOf } from "../support/mail.ts";

async function contents(path: string, kind: Kind): Promise<readonly Uint8Array[]> {
  const all: Uint8Array[] = [];
  for await (const message of messagesAt(path, kind, systemFiles))
    all.push(await collected(message.content()));
  return all;
}

for (const kind of ["mbox", "maildir", "eml"] as const)
  test(`real mail goes through ${kind} and comes back byte for byte`, () =>
    inFolder(async (folder) => {
      const path = join(folder, "out");
      const messages = await corpus();
      const writer = await writerTo(path, kind, systemFiles);
      for (const [i, { canonical }] of messages.entries())
        await writer.write({
          id: String(i).padStart(4, "0"),
          sender: "a@x",
          arrived: 0,
          content: [canonical],
        });
      await writer.close();
      const found = (await kindAt(path, systemFiles)) ?? "eml";
      const back = await contents(path, found);
      assert.equal(
        found,
        kind === "eml" ? "folder" : messages.length === 0 && kind === "mbox" ? "eml" : kind,
      );
      if (messages.length > 0) assert.equal(back.length, messages.length);
      for (const [i, { name, canonical }] of messages.entries())
        assert.ok(Buffer.from(canonical).equals(back[i] ?? new Uint8Array()), name);
    }));

test("a Maildir is read in new and cur, and nothing in it is touched", () =>
  inFolder(async (folder) => {
    for (const name of ["new", "cur", "tmp"]) await mkdir(join(folder, name));
    await writeFile(join(folder, "new/1.a"), "Subject: 1\n\n1\n");
    await writeFile(join(folder, "cur/0.a:2,S"), "Subject: 0\n\n0");
    await writeFile(join(folder, "tmp/2.a"), "half");
    await writeFile(join(folder, "cur/.hidden"), "no mail");
    assert.equal(await kindAt(folder, systemFiles), "maildir");
    assert.deepEqual((await contents(folder, "maildir")).map(textOf), [
      "Subject: 1\r\n\r\n1\r\n",
      "Subject: 0\r\n\r\n0\r\n",
    ]);
    assert.deepEqual((await readdir(join(folder, "cur"))).sort(), [".hidden", "0.a:2,S"]);
  }));

test("what lies at a path is told by looking", () =>
  inFolder(async (folder) => {
    await writeFile(join(folder, "one"), "Subject: 1\n\n");
    await writeFile(join(folder, "box"), "From a@x\nSubject: 1\n\n");
    await writeFile(join(folder, "empty"), "");
    const kinds = ["one", "box", "empty", "", "none"].map((name) => kindAt(join(folder, name), systemFiles));
    assert.deepEqual(await Promise.all(kinds), ["eml", "mbox", "eml", "folder", undefined]);
  }));

test("messages of an mbox carry their sender and place, and may be passed over", () =>
  inFolder(async (folder) => {
    const path = join(folder, "box");
    await writeFile(path, "From a@x\nS: 1\n\n1\n\nFrom MAILER-DAEMON\nS: 2\n\n2\n\n");
    const seen: unknown[] = [];
    for await (const { name, sender } of messagesAt(path, "mbox", systemFiles)) seen.push([name, sender]);
    assert.deepEqual(seen, [
      [`${path}:1`, "a@x"],
      [`${path}:2`, ""],
    ]);
    for await (const message of messagesAt(path, "mbox", systemFiles)) {
      for await (const piece of message.content()) assert.equal(textOf(piece), "S: 1\r\n\r\n1\r\n");
      break;
    }
  }));

test("an mbox that is there is not written over", () =>
  inFolder(async (folder) => {
    await writeFile(join(folder, "box"), "mine");
    await assert.rejects(writerTo(join(folder, "box"), "mbox", systemFiles), { code: "EEXIST" });
    assert.equal(await readFile(join(folder, "box"), "utf8"), "mine");
    await cp(join(folder, "box"), join(folder, "copy"));
    const [copy] = await contents(join(folder, "copy"), "eml");
    assert.deepEqual(copy, octets("mine\r\n"));
  }));
