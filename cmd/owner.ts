/** Whose a service's files are: what root makes ready for a user is that user's, before anything runs as it. */
// Root makes folders and files; mail is first touched by who will touch it every day.
import { chmod, chown, mkdir, stat } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import type { Target } from "../src/config/target.ts";
import { baseOf } from "../src/delivery/local.ts";
import { become, canBecome, type Ids, isRoot, isUser, userIds } from "../src/platform/user.ts";
import { Exit, status, UsageError } from "./exit.ts";

export interface Owner extends Ids {
  readonly name: string;
}

/** The user of the units and the packages. */
const SERVICE = "odmr";

/** Where root's configuration is looked for by the units. */
export const isSystemPlace = (file: string): boolean => dirname(file) === "/etc/odmr";

/**
 * For whom root makes things: who was named, else the service's user where the configuration is the service's.
 * @returns undefined: for whoever runs this
 */
export function ownerFor(config: string, named?: string): Owner | undefined {
  if (!isRoot()) {
    if (named !== undefined) throw new UsageError("only root can do this for another user; take --user out");
    return undefined;
  }
  const service = isSystemPlace(config) && canBecome() && isUser(SERVICE);
  const name = named ?? (service ? SERVICE : "root");
  if (name === "root") return undefined;
  try {
    return { name, ...userIds(name) };
  } catch (cause) {
    throw new UsageError(`--user: ${cause instanceof Error ? cause.message : cause}`);
  }
}

/** The folder of the configuration: root's, and the service reads it. One that is there stays as it is. */
export async function makeConfigFolder(folder: string, owner: Owner | undefined): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first === undefined || owner === undefined) return;
  for (const path of between(first, folder)) {
    await chown(path, 0, owner.gid);
    await chmod(path, 0o750);
  }
}

/** A folder that the owner writes to. @throws Exit if it is there, and another's */
export async function makeFolderOf({ uid, gid, name }: Owner, folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first !== undefined) return await giveFiles({ uid, gid }, between(first, folder));
  const { mode, ...its } = await stat(folder);
  const writes = its.uid === uid ? 0o200 : its.gid === gid ? 0o020 : 0o002;
  if ((mode & writes) === 0)
    throw new Exit(
      status.cannotCreate,
      `${folder} is not ${name}'s, who is to write there; say chown ${name}: ${folder}, name another place, or another --user`,
    );
}

/** The folders that this target needs and its user could not make. @param domains whose mail it will be */
export async function makePlaces(owner: Owner, target: Target, domains: readonly string[]): Promise<void> {
  if (target.type !== "maildir" && target.type !== "mbox") return;
  const folders = domains.map((domain) => folderIn(target.path.replaceAll("{domain}", domain)));
  for (const folder of new Set(folders)) await makeFolderOf(owner, folder);
  function folderIn(path: string): string {
    const base = baseOf(path);
    return target.type === "mbox" && base === path ? dirname(path) : base;
  }
}

/** The folders from the first one to the last. */
function between(first: string, last: string): readonly string[] {
  const names = relative(first, last)
    .split(sep)
    .filter((name) => name !== "");
  return [first, ...names.map((_, i) => join(first, ...names.slice(0, i + 1)))];
}

export async function giveFiles({ uid, gid }: Ids, files: readonly string[]): Promise<void> {
  for (const file of files) await chown(file, uid, gid);
}

/** From here on this process is the owner. */
export const workAsOwner = ({ name }: Owner): void => become(name);
