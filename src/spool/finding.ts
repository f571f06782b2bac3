/** What the conservation check can find wrong. */
// A finding is told, never repaired: that is the operator's to decide.
import { type Direction, type MessageId, type RecipientState, SpoolError, type Usage } from "./spool.ts";

export type Finding =
  /** Bodies: not there, or not what was accepted. */
  | { readonly type: "missing" | "damaged"; readonly ids: readonly MessageId[] }
  /** So many entries lie on damaged pages of the database; the ids of those that an index still knows. */
  | { readonly type: "unreadable"; readonly entries: number; readonly ids: readonly MessageId[] }
  /** Recipients accepted (less those pruned), and how many are in each state: these do not add up. */
  | {
      readonly type: "unbalanced";
      readonly accepted: number;
      readonly states: Readonly<Record<RecipientState, number>>;
    }
  /** A lane's counters are not what is there. */
  | {
      readonly type: "miscounted";
      readonly direction: Direction;
      readonly customer: string;
      readonly counted: Usage;
      readonly found: Usage;
    }
  /** Entries that count their recipients, or bodies that count their entries, wrongly. */
  | { readonly type: "inconsistent"; readonly ids: readonly MessageId[] }
  /** What SQLite says of its own file. */
  | { readonly type: "database"; readonly problem: string }
  /** A body file that no entry names: left by a program that was killed, or of a message that is just arriving. No loss. */
  | { readonly type: "orphan"; readonly file: string };

/** Whether a finding means that something was lost or may be; an orphan goes by itself after a day. */
export function isDamage({ type }: Finding): boolean {
  return type !== "orphan";
}

/** A database that cannot even be opened is a finding too. @throws every other error */
export function findingOf(error: unknown): Finding {
  if (error instanceof SpoolError && error.fault === "corrupt")
    return { type: "database", problem: error.message };
  throw error;
}
