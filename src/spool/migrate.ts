/** Moves all that one spool keeps into another, again and again until nothing is new. */
// The first spool is not changed. Begun anew after a break, it goes on: what has arrived is not moved twice.
import type { Movable } from "./movable.ts";
import type { MessageId } from "./spool.ts";

export interface Migrated {
  /** How often all was gone through; the last time nothing was new. */
  readonly passes: number;
  /** Entries that were moved, and all that were found. */
  readonly moved: number;
  readonly entries: number;
  /** Recipients that left the new spool because they had left the old one meanwhile. */
  readonly left: number;
  /** Entries whose bodies are not what was accepted, or are gone: they were left out. */
  readonly damaged: readonly MessageId[];
  /** Mail still arrived when we gave up: begin again. */
  readonly unfinished: boolean;
}

/** Called after each page. `found`: entries gone through in this pass. */
export type Watch = (found: number, pass: number) => void;

/** Where mail arrives faster than it can be moved, there is no end to it. */
const PASSES = 50;

/** @throws SpoolError */
export async function migrate(from: Movable, to: Movable, watch: Watch = () => {}): Promise<Migrated> {
  let moved = 0;
  let left = 0;
  for (let passes = 1; ; passes++) {
    const pass = await once(from, to, (found) => watch(found, passes));
    moved += pass.adopted;
    left += pass.left;
    const quiet = pass.adopted === 0 && pass.left === 0;
    if (quiet || passes === PASSES)
      return { passes, moved, left, entries: pass.found, damaged: pass.damaged, unfinished: !quiet };
  }
}

/** What migrate() would do: entries that the other spool does not have, of all, and their octets. */
export async function rehearse(
  from: Movable,
  to: Movable | undefined,
): Promise<{ readonly entries: number; readonly moving: number; readonly octets: number }> {
  let entries = 0;
  let moving = 0;
  let octets = 0;
  for await (const page of from.kept()) {
    const all = page.flatMap((mail) => mail.entries);
    const lacking = await to?.lacking(all.map(({ id }) => id));
    const fresh = all.filter(({ id }) => lacking?.has(id) ?? true);
    entries += all.length;
    moving += fresh.length;
    for (const { gone, size } of fresh) if (gone === undefined) octets += size;
  }
  return { entries, moving, octets };
}

async function once(from: Movable, to: Movable, watch: (found: number) => void) {
  const sum = { found: 0, adopted: 0, left: 0 };
  const damaged: MessageId[] = [];
  for await (const books of from.books()) await to.keepBooks(books);
  for await (const page of from.kept()) {
    const taken = await to.adopt(page);
    sum.found += taken.adopted + taken.had;
    sum.adopted += taken.adopted;
    sum.left += taken.left;
    damaged.push(...taken.damaged);
    watch(sum.found);
  }
  return { ...sum, damaged };
}
