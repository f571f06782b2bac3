/** Delivery into a Maildir: written in tmp, synced, renamed into new; the file's name comes from the message's id. */
// A message that is in new or cur under its name is delivered: a second try after a crash doubles nothing.
import { access, constants, lstat, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../platform/clock.ts";
import { type Files, makeNamed, systemFiles } from "../platform/files.ts";
import type { Random } from "../platform/random.ts";
import type { Address } from "../wire/address.ts";
import type { Delivery, Outcome, Parcel } from "./delivery.ts";
import { Folders, mustBeWithin } from "./folder.ts";
import { baseOf, codeOf, deliverTo, keptForm } from "./local.ts";

export interface MaildirSettings {
  /** May hold {domain}, {local}, {recipient}; the Maildir is made when its first message comes. */
  readonly path: string;
  readonly clock: Clock;
  readonly random: Random;
  /** For tests: a file system that can be watched, or fails. */
  readonly files?: Files;
}

/** Delivers to the Maildir of each recipient; those who share one get one file. */
export function maildir(settings: MaildirSettings): Delivery {
  return new Maildir(settings);
}

/** What stands in the way of delivering to this path, for checks before any mail moves; undefined if nothing does. */
export async function maildirProblem(path: string): Promise<string | undefined> {
  const base = baseOf(path);
  try {
    await makeNamed(base, systemFiles);
    if (base !== path && (await hasOurs(base))) return undefined;
    await access(base, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return `${base} is no folder that can be written to (${codeOf(error)})`;
  }
}

/** /var/mail is root's; the folder of a domain in it may be ours all the same. */
async function hasOurs(base: string): Promise<boolean> {
  for (const name of await readdir(base))
    if (
      await access(join(base, name, "."), constants.W_OK | constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return true;
  return false;
}

const FOLDERS = ["tmp", "new", "cur"] as const;
/** A folder that changed within this time before it was listed may have changed since, with the same date. */
const SETTLED = 2_000;
const LISTS_AT_MOST = 64;

interface Listing {
  readonly changed: number;
  readonly names: ReadonlySet<string>;
}

class Maildir implements Delivery {
  readonly #settings: MaildirSettings;
  readonly #files: Files;
  readonly #folders: Folders;
  /** What is in cur, by folder: it is read again only when the folder has changed. */
  readonly #listings = new Map<string, Listing>();

  constructor(settings: MaildirSettings) {
    this.#settings = settings;
    this.#files = settings.files ?? systemFiles;
    this.#folders = new Folders(this.#files);
  }

  deliver(parcel: Parcel): Promise<readonly Outcome[]> {
    return deliverTo(this.#settings.path, parcel, (folder, to) => this.#put(folder, parcel, to));
  }

  async close(): Promise<void> {}

  async #put(folder: string, parcel: Parcel, to: readonly Address[]): Promise<void> {
    const base = baseOf(this.#settings.path);
    await this.#folders.make(base);
    await this.#makeWithin(base, base, folder.slice(base.length).split("/"));
    for (const name of FOLDERS) await this.#makeWithin(base, folder, [name]);
    const name = parcel.id;
    if (await this.#has(folder, name)) return this.#sync(folder, ["new", "cur"]);
    await this.#write(folder, name, keptForm(parcel, to));
    await this.#sync(folder, ["new"]);
  }

  /** A link in the way may point anywhere: nothing is made behind it before it is known to stay inside. */
  async #makeWithin(base: string, from: string, names: readonly string[]): Promise<void> {
    let path = from;
    for (const name of names.filter((each) => each !== "")) {
      path = join(path, name);
      await this.#folders.make(path);
      await mustBeWithin(base, path);
    }
  }

  /** new is asked before cur: a reader moves messages that way only. */
  async #has(folder: string, name: string): Promise<boolean> {
    return (await exists(join(folder, "new", name))) || (await this.#cur(join(folder, "cur"))).has(name);
  }

  async #cur(folder: string): Promise<ReadonlySet<string>> {
    const changed = (await stat(folder)).mtimeMs;
    const known = this.#listings.get(folder);
    if (known !== undefined && known.changed === changed) return known.names;
    const names = new Set((await readdir(folder)).map(withoutFlags));
    this.#listings.delete(folder);
    if (Math.abs(this.#settings.clock.now() - changed) > SETTLED) this.#remember(folder, { changed, names });
    return names;
  }

  #remember(folder: string, listing: Listing): void {
    const [oldest] = this.#listings.keys();
    if (this.#listings.size >= LISTS_AT_MOST && oldest !== undefined) this.#listings.delete(oldest);
    this.#listings.set(folder, listing);
  }

  async #write(folder: string, name: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const chance = Array.from(this.#settings.random.bytes(8), (b) => b.toString(16).padStart(2, "0")).join(
      "",
    );
    const temporary = join(folder, "tmp", `${name}.${chance}`);
    try {
      await this.#fill(temporary, content);
      await this.#files.rename(temporary, join(folder, "new", name));
    } catch (error) {
      await this.#files.unlink(temporary).catch(() => {});
      throw error;
    }
  }

  /** Also where a message is there already: who brought it may have died, or met a bad disk, before its name was durable. */
  async #sync(folder: string, names: readonly string[]): Promise<void> {
    for (const name of names) await this.#files.syncFolder(join(folder, name));
  }

  /** A new file with this content, synced. */
  async #fill(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const file = await this.#files.create(path);
    try {
      for await (const piece of content) await file.append(piece);
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

/** `name:2,FS` is `name` with flags. */
function withoutFlags(name: string): string {
  const colon = name.indexOf(":");
  return colon < 0 ? name : name.slice(0, colon);
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (error) => {
      if (codeOf(error) === "ENOENT") return false;
      throw error;
    },
  );
}
