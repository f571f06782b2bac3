/**
 * The spool: where mail is held between being answered 250 and being answered 250. `commit()` resolves after the sync
 * of the group that carries the message, never before. Claims are leases, so several programs can work one spool.
 *
 * `openSpool` wants a file system and SQLite: Bun's, or `node:sqlite` of Deno and of Node 22.13 or later. On Node,
 * which has no Worker of the web, say `thread: "here"`.
 *
 * @example
 * ```ts
 * import { openSpool, systemFiles } from "odmr/spool";
 * import { silent, systemClock, systemRandom } from "odmr/platform";
 *
 * const spool = await openSpool({
 *   path: "/var/lib/example/spool.db",
 *   clock: systemClock,
 *   random: systemRandom,
 *   log: silent,
 *   files: systemFiles,
 *   thread: "worker",
 * });
 * for await (const { id, sender, state } of spool.list({})) console.log(id, sender, state);
 * await spool.close();
 * ```
 *
 * @module
 */
// What is exported here is a promise to whoever builds on it; the files behind it are not.

export type { Outcome, Parcel } from "../delivery/delivery.ts";
export { type Files, type NewFile, type Stat, systemFiles } from "../platform/files.ts";
export type { Finding } from "../spool/finding.ts";
export type { EmbeddedSpool } from "../spool/front.ts";
export { openSpool, type SpoolOptions } from "../spool/open.ts";
export { type Letter, type Posted, post } from "../spool/post.ts";
export type * from "../spool/records.ts";
export type {
  Acceptance,
  Action,
  Actor,
  Ageing,
  Awaited,
  Claim,
  Claimable,
  Committed,
  Direction,
  Draft,
  Entry,
  EntryRecipient,
  Filter,
  Held,
  HistoryFilter,
  Holder,
  Lane,
  MessageId,
  Owed,
  Payment,
  Posting,
  Queue,
  RecipientState,
  Settlement,
  Source,
  Spool,
  SpoolEvent,
  SpoolFault,
  Usage,
} from "../spool/spool.ts";
export { HISTORY, SpoolError } from "../spool/spool.ts";
export { verify } from "../spool/verify.ts";
