/** Whom a service works as: never as root where the configuration names a user, and its files are for that user alone. */
// What is opened before is opened with root's rights: ports, and nothing else.

import type { Config } from "../src/config/config.ts";
import { ConfigError } from "../src/config/error.ts";
import { become, isRoot } from "../src/platform/user.ts";

type Asked = Pick<Config, "user" | "file">;

/** Whether working as the configuration asks means to give up root first. */
export const givesUpRoot = ({ user }: Asked): boolean => user !== undefined && isRoot();

/** Files that are made from now on are for their owner. */
export const keepPrivate = (): void => void process.umask(0o077);

/** @throws ConfigError if it would go on as root where a user is named */
export function workAs({ user, file }: Asked): void {
  keepPrivate();
  if (user === undefined) return;
  try {
    become(user);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`${file}: user: ${why}`, { cause });
  }
}
