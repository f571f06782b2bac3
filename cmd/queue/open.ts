/** What `odmr queue` works on: the spool of --spool, the configuration's, or from afar the one behind --url. */
// Looking at a spool makes none: a path that was misspelt is said to be empty, and stays so.
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import type { Config } from "../../src/config/config.ts";
import { readConfig } from "../../src/config/load.ts";
import { readSecret } from "../../src/config/secret.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { userName } from "../../src/platform/whoami.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { openSpool } from "../../src/spool/open.ts";
import { isPostgres } from "../../src/spool/postgres/address.ts";
import type { HoldRules, Nodes, RemoteQueue } from "../../src/spool/remote.ts";
import type { Actor, Queue } from "../../src/spool/spool.ts";
import { Exit, type Status, status, UsageError } from "../exit.ts";
import { type CommonFlags, commonFlags, textFlag } from "../flags.ts";
import { logOf } from "../log.ts";

export interface SpoolFlags extends CommonFlags {
  readonly spool?: string;
}

export const spoolFlags = {
  ...commonFlags,
  spool: textFlag("PATH", "The spool, a path or postgres://… (else the configuration's)"),
} as const;

/** For what works from afar too. */
export interface QueueFlags extends SpoolFlags {
  readonly url?: string;
  readonly tokenFile?: string;
}

export const queueFlags = {
  ...spoolFlags,
  url: textFlag("URL", "The admin interface of an odmr elsewhere, in place of a spool here"),
  tokenFile: textFlag("FILE", "The token for it"),
} as const;

/** What a command is given to work on. */
export interface Desk {
  readonly queue: Queue;
  readonly rules: HoldRules;
  readonly nodes: Nodes;
  /** Undefined: none was needed. */
  readonly config: Config | undefined;
}

/** Runs on the queue that the flags name. @throws UsageError, ConfigError, SpoolError, Exit(78) if there is no spool */
export async function withQueue<T>(flags: QueueFlags, act: (desk: Desk) => Promise<T>): Promise<T> {
  const remote = await remoteOf(flags);
  if (remote === undefined)
    return await withSpool(flags, (spool, { config }) => {
      const { records } = spool;
      return act({ queue: spool, rules: records, nodes: records, config });
    });
  return await act({ queue: remote, rules: remote, nodes: remote, config: undefined });
}

/** The queue behind --url; undefined if the flags name none. @throws UsageError, ConfigError */
export async function remoteOf({ url, tokenFile, spool }: QueueFlags): Promise<RemoteQueue | undefined> {
  if (url === undefined) {
    if (tokenFile !== undefined) throw new UsageError("--token-file goes with --url");
    return undefined;
  }
  if (spool !== undefined) throw new UsageError("--url or --spool, not both");
  const { RemoteQueue } = await import("../../src/spool/remote.ts");
  const token = tokenFile === undefined ? undefined : await readSecret(tokenFile);
  return new RemoteQueue({ url: urlOf(url), token, clock: systemClock, fetch });
}

function urlOf(text: string): URL {
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  throw new UsageError(`${JSON.stringify(text)} is no address; write https://relay.example.net:8366`);
}

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

/** Why a spool cannot be worked on, before it is opened. */
const barred: Readonly<
  Record<string, { readonly status: Status; readonly text: (path: string) => string } | undefined>
> = {
  ENOENT: {
    status: status.config,
    text: (path) => `there is no spool at ${path}; it is made by odmr serve, odmr pull or odmr queue add`,
  },
  EACCES: {
    status: status.noPermission,
    text: (path) => `the spool at ${path} is another user's; run this as its owner, or as root`,
  },
};

/** Runs on a spool that is there. @throws Exit(78) if there is none, Exit(77) if it is another's, ConfigError, SpoolError */
export async function withSpool<T>(
  flags: SpoolFlags,
  act: (spool: EmbeddedSpool, place: Place) => Promise<T>,
): Promise<T> {
  const place = await placeOf(flags);
  if (isPostgres(place.path))
    return await using(await openAt(place.path, flags, { there: true }), place, act);
  await access(place.path, constants.R_OK | constants.W_OK).catch((cause: NodeJS.ErrnoException) => {
    const why = barred[cause.code ?? ""];
    throw why ? new Exit(why.status, why.text(place.path), { cause }) : cause;
  });
  return withNewSpool(flags, place, act);
}

/** Runs on the spool at this place, which is made if it is not there. */
export async function withNewSpool<T>(
  flags: SpoolFlags,
  place: Place,
  act: (spool: EmbeddedSpool, place: Place) => Promise<T>,
): Promise<T> {
  return await using(await openAt(place.path, flags), place, act);
}

async function using<T>(
  spool: EmbeddedSpool,
  place: Place,
  act: (spool: EmbeddedSpool, place: Place) => Promise<T>,
): Promise<T> {
  try {
    return await act(spool, place);
  } finally {
    await spool.close();
  }
}

interface Opening {
  /** What a new spool is called; undefined: something new. */
  readonly id?: string;
  /** A shared spool is not made. */
  readonly there?: boolean;
}

export function openAt(path: string, flags: CommonFlags, opening: Opening = {}): Promise<EmbeddedSpool> {
  return openSpool({
    path,
    clock: systemClock,
    random: systemRandom,
    log: logOf({ ...flags, logLevel: flags.logLevel === "info" ? "warn" : flags.logLevel }, systemClock),
    files: systemFiles,
    thread: "here",
    actor: actorName(),
    asIs: true,
    ...opening,
  });
}

/** Who the history says it was. */
export function actorFor(reason: string | undefined): Actor {
  return { name: actorName(), reason: reason ?? "" };
}

const actorName = (): string => `cli:${userName() ?? process.getuid?.() ?? "unknown"}`;
