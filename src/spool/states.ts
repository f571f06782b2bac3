/** A recipient's states as the database numbers them: up to `held` the message is still here. */
// The numbers are on disk: add at the end, never renumber.
import type { Instant } from "../platform/clock.ts";
import type { RecipientState } from "./spool.ts";

export const code = {
  waiting: 0,
  leased: 1,
  held: 2,
  delivered: 3,
  refused: 4,
  expired: 5,
  removed: 6,
} as const satisfies Record<RecipientState, number>;

export type StateCode = (typeof code)[RecipientState];

const names = Object.keys(code) as readonly RecipientState[];

/** A lease that has ended is waiting again, though nobody has noted it yet. */
export function stateOf(state: number, due: Instant | null, now: Instant): RecipientState {
  const name = names[state] ?? "held";
  return name === "leased" && due !== null && due <= now ? "waiting" : name;
}

/** For a whole entry: what most needs to be seen comes first. */
const liveliest: readonly RecipientState[] = [
  "leased",
  "waiting",
  "held",
  "refused",
  "expired",
  "removed",
  "delivered",
];

export function liveliestOf(states: readonly RecipientState[]): RecipientState {
  return liveliest.find((state) => states.includes(state)) ?? "removed";
}
