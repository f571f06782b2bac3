/** The spool that `odmr queue` works on: the one of --spool, or the configuration's. */
// Looking at a spool makes none: a path that was misspelt is said to be empty, and stays so.
import { userInfo } from "node:os";
import type { Config } from "../../src/config/config.ts";
import { readConfig } from "../../src/config/load.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { openSpool } from "../../src/spool/open.ts";
import type { Actor, Spool } from "../../src/spool/spool.ts";
import { Exit, status } from "../exit.ts";
import { type CommonFlags, commonFlags, textFlag } from "../flags.ts";
import { logOf } from "../log.ts";

export interface SpoolFlags extends CommonFlags {
  readonly spool?: string;
}

export const spoolFlags = {
  ...commonFlags,
  spool: textFlag("PATH", "The spool (else the configuration's)"),
} as const;

export interface Place {
  readonly path: string;
  /** Undefined: the spool was named, and no configuration. */
  readonly config: Config | undefined;
}

/** @throws ConfigError */
export async function placeOf({ spool, config: file }: SpoolFlags): Promise<Place> {
  const config = spool !== undefined && file === undefined ? undefined : await readConfig(file);
  return { path: spool ?? config?.spool ?? "", config };
}

/** Runs on a spool that is there. @throws Exit(1) if there is none, ConfigError, SpoolError */
export async function withSpool<T>(
  flags: SpoolFlags,
  act: (spool: Spool, place: Place) => Promise<T>,
): Promise<T> {
  const place = await placeOf(flags);
  if ((await systemFiles.stat(place.path)) === undefined)
    throw new Exit(status.noMatch, `there is no spool at ${place.path}`);
  return withNewSpool(flags, place, act);
}

/** Runs on the spool at this place, which is made if it is not there. */
export async function withNewSpool<T>(
  flags: SpoolFlags,
  place: Place,
  act: (spool: Spool, place: Place) => Promise<T>,
): Promise<T> {
  const spool = await openSpool({
    path: place.path,
    clock: systemClock,
    random: systemRandom,
    log: logOf({ ...flags, logLevel: flags.logLevel === "info" ? "warn" : flags.logLevel }, systemClock),
    files: systemFiles,
    thread: "here",
    actor: actorName(),
  });
  try {
    return await act(spool, place);
  } finally {
    await spool.close();
  }
}

/** Who the history says it was. */
export function actorFor(reason: string | undefined): Actor {
  return { name: actorName(), reason: reason ?? "" };
}

/** A service has no USER, and a runtime may call it "unknown" then. */
function actorName(): string {
  const uid = process.getuid?.();
  const named = username();
  if (named !== "" && named !== "unknown") return `cli:${named}`;
  return `cli:${uid === 0 ? "root" : (uid ?? "unknown")}`;
}

function username(): string {
  try {
    return userInfo().username;
  } catch {
    return "";
  }
}
