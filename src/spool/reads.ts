/** The operations that change nothing: they need no commit, and are not timed as one. */
// Whatever is not named here is taken for a change.
import type { Name } from "./store.ts";

export const reads: ReadonlySet<Name> = new Set([
  "soonest",
  "page",
  "count",
  "history",
  "latest",
  "content",
  "bodies",
  "files",
  "tally",
  "integrity",
  "audit",
  "unreadable",
  "kept",
  "bodyOf",
  "lacking",
  "ledger",
  "turns",
  "lastTurns",
  "changes",
  "lanes",
  "totals",
  "series",
  "holdRules",
  "owed",
  "ageing",
  "look",
]);
