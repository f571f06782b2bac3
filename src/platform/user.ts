/** Giving up root: the process becomes another user, for good. */
// It must not half work: whoever is still able to become root again is told so by an error.

import { readFileSync } from "node:fs";

/** Whether this process may become anybody. */
export const isRoot = (): boolean => process.getuid?.() === 0;

/**
 * Becomes this user, with its groups and no others, in all threads. Who is not root stays who it is.
 * @throws Error that says why it cannot; what is then still root must end
 */
export function become(user: string): void {
  if (!isRoot()) return;
  const { setgid, setuid, initgroups } = process as Process;
  if (setgid === undefined || setuid === undefined || initgroups === undefined)
    throw new Error(
      `this runtime cannot give up root's groups; start it as ${user} (User=${user} in a unit)`,
    );
  const { uid, gid } = userIds(user);
  if (uid === 0 || gid === 0) throw new Error(`${user} is root, or of its group; name another user`);
  initgroups.call(process, user, gid);
  setgid.call(process, gid);
  setuid.call(process, uid);
  if (!gone(uid, gid))
    throw new Error(`root was not given up, though the system said so; start it as ${user}`);
}

/** All that Node's types leave out. */
type Process = NodeJS.Process & { initgroups?(user: string, extraGroup: number): void };

export interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/** Users of services are in this file, also where others come from elsewhere; a chroot has it or nothing. @throws Error with advice */
export function userIds(user: string): Ids {
  const line = users().find(([name]) => name === user);
  if (line === undefined)
    throw new Error(`there is no user ${user} in /etc/passwd; make it: adduser --system --group ${user}`);
  return { uid: Number(line[2]), gid: Number(line[3]) };
}

/** Whether there is such a user here. */
export const isUser = (user: string): boolean => users().some(([name]) => name === user);

/** The user whose own group this is; undefined: it is nobody's own. */
export function userOfGroup(gid: number): number | undefined {
  const line = users().find((each) => each[3] === String(gid));
  return line && Number(line[2]);
}

/** The fields of each line; none where there is no such file. */
function users(): readonly (readonly string[])[] {
  try {
    return readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .map((line) => line.split(":"));
  } catch {
    return [];
  }
}

/** Whether this runtime can become another user, and be root no more. */
export const canBecome = (): boolean => (process as Process).initgroups !== undefined;

function gone(uid: number, gid: number): boolean {
  const { getuid, geteuid, getgid, getegid, getgroups } = process;
  const users = [getuid?.(), geteuid?.()];
  const groups = [getgid?.(), getegid?.()];
  return (
    users.every((each) => each === uid) &&
    groups.every((each) => each === gid) &&
    !(getgroups?.() ?? []).includes(0) &&
    !returns()
  );
}

/** Whether the way back is open. */
function returns(): boolean {
  try {
    process.setuid?.(0);
    return true;
  } catch {
    return false;
  }
}
