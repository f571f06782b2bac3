/** A process in which lives are lived, one after another, as its parent tells it. */
// It never ends by itself but with its parent, and it says where it stands: whoever hangs is found and killed from outside.
import { type MutantName, mutants } from "./mutants.ts";
import { type Outcome, run } from "./run.ts";
import type { World } from "./world.ts";

/** What the parent asks for. */
export interface Order {
  readonly seed: number;
  readonly folder: string;
  readonly mutant: string | undefined;
  readonly trace: boolean;
}

/** What it is told: a life is over, or where it stands. */
export type News =
  | { readonly type: "over"; readonly outcome: Outcome }
  | { readonly type: "stands"; readonly happenings: number; readonly last: string };

/** Milliseconds between two words of one life. */
const WORD = 1_000;

const tell = (news: News): void => void process.send?.(news);

process.on("disconnect", () => process.exit());
process.on("message", async ({ seed, folder, mutant, trace }: Order) => {
  let said = performance.now();
  const watched = (world: World): void => {
    if (performance.now() < said + WORD) return;
    said = performance.now();
    tell({ type: "stands", happenings: world.count, last: world.last });
  };
  const by = mutant === undefined ? undefined : mutants[mutant as MutantName];
  tell({ type: "over", outcome: await run({ seed, folder, mutant: by, trace, watched }) });
});
