/** What is delivered survives a power cut: every folder and file on the way to it is named for good before the reply. */
// A process may have been killed, or met a bad disk, between making a name and syncing it: the next one makes up for that.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { describe, it } from "node:test";
import type { Delivery } from "../../src/delivery/delivery.ts";
import { maildir } from "../../src/delivery/maildir.ts";
import { mbox } from "../../src/delivery/mbox.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { type Files, systemFiles } from "../../src/platform/files.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { inFolder, parcelFor } from "../support/mail.ts";

const tools = { clock: systemClock, random: systemRandom };

/** A file system that notes which folders were synced; at `failing` that fails. */
function watched(failing?: string): { readonly files: Files; readonly synced: string[] } {
  const synced: string[] = [];
  const files: Files = {
    ...systemFiles,
    async syncFolder(path) {
      if (path === failing) throw Object.assign(new Error("EIO by order"), { code: "EIO" });
      await systemFiles.syncFolder(path);
      synced.push(path);
    },
  };
  return { files, synced };
}

const parcel = parcelFor(["bob@example.org"]);
const once = async (delivery: Delivery) => (await delivery.deliver(parcel))[0]?.result;
const unique = (all: readonly string[]) => [...new Set(all)].sort();

describe("a Maildir", () => {
  const box = (folder: string) => `${folder}/mail/example.org/bob`;
  const to = (folder: string, files: Files) =>
    maildir({ path: `${folder}/mail/{domain}/{local}`, ...tools, files });
  const names = (folder: string) =>
    [folder, `${folder}/mail`, `${folder}/mail/example.org`, box(folder), `${box(folder)}/new`].sort();

  it("that is made has each of its folders named for good before its first message is delivered", () =>
    inFolder(async (folder) => {
      const { files, synced } = watched();
      assert.equal(await once(to(folder, files)), "delivered");
      assert.deepEqual(unique(synced), [dirname(folder), ...names(folder)].sort());
    }));

  it("that a killed process made has its names made sure by the next one, once", () =>
    inFolder(async (folder) => {
      for (const name of ["tmp", "new", "cur"]) await mkdir(`${box(folder)}/${name}`, { recursive: true });
      const { files, synced } = watched();
      const delivery = to(folder, files);
      assert.equal(await once(delivery), "delivered");
      assert.deepEqual(unique(synced), names(folder));
      synced.length = 0;
      const [second] = await delivery.deliver(parcelFor(["bob@example.org"], { id: "2" }));
      assert.equal(second?.result, "delivered");
      assert.deepEqual(synced, [`${box(folder)}/new`]);
    }));

  it("whose names cannot be made sure defers the message, and delivers it when they can be", () =>
    inFolder(async (folder) => {
      for (const failing of [folder, `${folder}/mail/example.org`, box(folder), `${box(folder)}/new`])
        assert.equal(await once(to(folder, watched(failing).files)), "deferred", failing);
      const { files, synced } = watched();
      assert.equal(await once(to(folder, files)), "delivered");
      // It lay there, its name unsure: it is not delivered by being found.
      assert.ok(synced.includes(`${box(folder)}/new`));
    }));
});

describe("an mbox", () => {
  it("has its folders and its own name made sure by each process that delivers to it, once", () =>
    inFolder(async (folder) => {
      for (const life of ["first", "second"]) {
        const { files, synced } = watched();
        const delivery = mbox({ path: `${folder}/mail/{domain}/{local}`, ...tools, files });
        assert.equal(await once(delivery), "delivered");
        const above = life === "first" ? [dirname(folder), folder] : [];
        assert.deepEqual(unique(synced), [...above, `${folder}/mail`, `${folder}/mail/example.org`].sort());
        synced.length = 0;
        assert.equal(await once(delivery), "delivered");
        assert.deepEqual(synced, []);
      }
    }));

  it("whose name cannot be made sure defers the message", () =>
    inFolder(async (folder) => {
      const { files } = watched(`${folder}/mail`);
      assert.equal(await once(mbox({ path: `${folder}/mail/{local}`, ...tools, files })), "deferred");
    }));
});
