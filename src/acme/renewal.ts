/** When a certificate is to be renewed, and when an order that failed is tried again. Pure. */
import type { Instant } from "../platform/clock.ts";
import type { Random } from "../platform/random.ts";
import type { Wanted } from "./order.ts";
import { canonicalName, type Kept } from "./shelf.ts";
import type { Window } from "./wish.ts";

const MINUTE = 60_000;
/** After the first failure, the second, …; the last for all further ones. A CA locks out who fails five times in an hour. */
const STEPS = [5, 15, 30, 60, 180, 360, 720].map((minutes) => minutes * MINUTE);

/**
 * At two thirds of its life, less up to a twentieth of it, or somewhere in the time that the CA wishes: by the certificate's own
 * digits, so the same at each look.
 */
export function renewalOf(
  { from, until, fingerprint }: Pick<Kept, "from" | "until" | "fingerprint">,
  wish?: Window,
): Instant {
  const life = until - from;
  const chance = Number.parseInt(fingerprint.slice(0, 8), 16) / 2 ** 32;
  if (wish !== undefined) return Math.round(wish.from + (wish.until - wish.from) * chance);
  return Math.round(from + (life * 2) / 3 - (life / 20) * chance);
}

/** Why another is wanted now; undefined: nothing is. @param due when it is to be renewed */
export function whyAnother(
  kept: Kept | undefined,
  { names, directory }: Pick<Wanted, "names" | "directory">,
  { now, due }: { readonly now: Instant; readonly due: Instant },
): string | undefined {
  if (kept === undefined) return "there is none";
  if (kept.directory !== directory) return "it is from another directory";
  if (names.some((name) => !kept.names.includes(canonicalName(name)))) return "it lacks a name";
  return now >= due ? "it is to be renewed" : undefined;
}

/** How long to wait after so many failures in a row, at least one. */
export function afterFailure(failures: number, random: Random): number {
  const step = STEPS[Math.min(failures, STEPS.length) - 1]!;
  return Math.round(step * (1 + random.fraction() / 5));
}
