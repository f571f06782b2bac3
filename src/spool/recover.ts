/** At the start: body files that no row names go, and rows whose file is gone are reported. */
// Other processes may be at work in the same folder: a file goes only when nothing was written to it for a day.
import type { Clock } from "../platform/clock.ts";
import type { Files } from "../platform/files.ts";
import type { Log } from "../platform/log.ts";
import { type Bodies, hourOf } from "./bodies.ts";
import type { MessageId } from "./spool.ts";

export interface Found {
  /** Files that were removed. */
  readonly orphans: readonly string[];
  /** Entries whose body file is missing. Their rows stay: an operator decides. */
  readonly missing: readonly MessageId[];
}

/** Which file names rows have, with the entries that they are for. */
export type Named = ReadonlyMap<string, readonly MessageId[]>;

/** A live draft is written to, or committed, more often than that. */
const ABANDONED = 86_400_000;

/** Never younger than the files: `named` is asked after the folder was read, or a commit between would look like an orphan. */
export async function recover(
  bodies: Bodies,
  named: () => Promise<Named>,
  { files, clock, log }: { readonly files: Files; readonly clock: Clock; readonly log: Log },
): Promise<Found> {
  const present = await namesIn(bodies, files);
  const rows = await named();
  const orphans: string[] = [];
  for (const name of present)
    if (!rows.has(name) && (await isAbandoned(bodies.path(name), files, clock))) {
      await bodies.unlink(name);
      orphans.push(name);
    }
  const missing: MessageId[] = [];
  for (const [name, ids] of rows)
    if (!present.has(name) && (await files.stat(bodies.path(name))) === undefined) missing.push(...ids);
  await tidy(bodies, files, clock);
  if (orphans.length > 0) log.log("info", "abandoned bodies removed", { files: orphans.length });
  for (const id of missing) log.log("error", "body missing", { id });
  return { orphans, missing };
}

/** Body files that no row names. */
export async function strays(
  bodies: Bodies,
  named: () => Promise<Named>,
  files: Files,
): Promise<readonly string[]> {
  const present = await namesIn(bodies, files);
  const rows = await named();
  return [...present].filter((name) => !rows.has(name));
}

async function namesIn(bodies: Bodies, files: Files): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (const hour of await files.list(bodies.folder))
    for (const name of await files.list(bodies.path(hour))) names.add(`${hour}/${name}`);
  return names;
}

/** Folders of hours long past go once they are empty: no draft begins in them any more. */
async function tidy(bodies: Bodies, files: Files, clock: Clock): Promise<void> {
  const past = hourOf(clock.now() - ABANDONED);
  for (const hour of await files.list(bodies.folder))
    if (hour < past) await files.removeFolder(bodies.path(hour));
}

async function isAbandoned(path: string, files: Files, clock: Clock): Promise<boolean> {
  const found = await files.stat(path);
  return found !== undefined && clock.now() - found.changed > ABANDONED;
}
