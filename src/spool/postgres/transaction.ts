/** A transaction, seen from the acts in it: statements, and numbers for the rows that they make. */
// Statements may be sent together: they run in their order, and one that fails takes all with it.
import type { Holder, Lane } from "../spool.ts";
import type { Value } from "./rows.ts";

export interface Transaction {
  all<Row extends object>(sql: string, ...values: readonly Value[]): Promise<readonly Row[]>;
  get<Row extends object>(sql: string, ...values: readonly Value[]): Promise<Row | undefined>;
  /** Row numbers, in order. */
  numbers(count: number): Promise<readonly number[]>;
  /** Lanes' numbers; all that the batch names are known. */
  laneOf(lane: Lane): number | undefined;
  lanes(): ReadonlyMap<number, Lane>;
  /** A holder as others see it: no two nodes' are alike. */
  holder(holder: Holder): string;
  readonly slot: number;
  /** An object that no row names any more: it goes after the commit. */
  free(name: string): void;
}

/** The transaction was overtaken by another node's: all of it is to be done again, seeing what that one did. */
export class Overtaken extends Error {
  override readonly name = "Overtaken";
}

/** The states in which a recipient is still here, for statements that use the partial indexes. */
export const HERE = "state < 3";

/** This transaction's number. */
export const TX = "pg_current_xact_id()::text::bigint";

/** All transactions with lower numbers have ended, and what they did is seen. */
export const HORIZON = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
