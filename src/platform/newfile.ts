/** Small files for their owner alone that are there whole or not at all, and made by one of several who would. */
// Written beside their place, synced, and only then named: nobody ever reads half of one, not after a crash either.
// What root makes belongs to whom the folder belongs, or whose group it has: the service that is to read it is seldom root.
import { chown, link, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Random } from "./random.ts";
import { userOfGroup } from "./user.ts";

/** Makes a file. @returns whether it was made: false if there is one already, which stays */
export async function placeNew(file: string, content: string | Uint8Array, random: Random): Promise<boolean> {
  const draft = await written(file, content, random);
  try {
    await link(draft, file);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw fault;
  } finally {
    await rm(draft, { force: true });
  }
  await synced(dirname(file));
  return true;
}

/** Puts a file in the place of the one that may be there. */
export async function replace(file: string, content: string | Uint8Array, random: Random): Promise<void> {
  await rename(await written(file, content, random), file);
  await synced(dirname(file));
}

async function written(file: string, content: string | Uint8Array, random: Random): Promise<string> {
  const folder = dirname(file);
  if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined)
    await giveToOwnerOf(dirname(folder), folder);
  const draft = `${file}.${Buffer.from(random.bytes(8)).toString("hex")}.new`;
  const handle = await open(draft, "wx", 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await giveToOwnerOf(folder, draft);
  return draft;
}

/** A folder of root's with a service's group, as /etc/odmr is, is for the service; a secret there must be its own. */
async function giveToOwnerOf(folder: string, thing: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(folder);
  const owner = uid !== 0 || gid === 0 ? uid : userOfGroup(gid);
  if (owner !== undefined && owner !== 0) await chown(thing, owner, gid);
}

async function synced(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
