/** The seam between the spool's front and its database: batches of operations in, plain rows out. */
// All that crosses it can be cloned between threads, and one batch with changes in it is one commit, or nothing.
import type { NoticeKind } from "../mail/bounce.ts";
import type { Notify, Recipient } from "../mail/envelope.ts";
import type { Instant } from "../platform/clock.ts";
import type { Address } from "../wire/address.ts";
import type { Adopted, Books, KeptBody, KeptEntry, LedgerRow } from "./movable.ts";
import type { Bucket, Change, HoldRule, LaneSum, Totals, TurnFilter, TurnRecord } from "./records.ts";
import type {
  Action,
  Actor,
  Awaited,
  Committed,
  Entry,
  Filter,
  Holder,
  Lane,
  MessageId,
  Payment,
  RecipientState,
  Settlement,
  Source,
  SpoolEvent,
  SpoolFault,
  Usage,
} from "./spool.ts";

export interface Store {
  /** Runs the operations in their order. One answer each; it rejects only when the store itself is gone. */
  call(batch: readonly Operation[]): Promise<Answers>;
  close(): Promise<void>;
}

interface Operations {
  readonly accept: { input: Acceptation; output: Committed };
  readonly lease: { input: LeaseWish; output: Leased };
  readonly soonest: { input: Awaited; output: Instant | undefined };
  readonly renew: { input: { lane: Lane; holder: Holder; until: Instant }; output: number };
  readonly settle: { input: Settling; output: undefined };
  readonly unlease: { input: { holder: Holder; messages: readonly Unleased[] }; output: undefined };
  readonly act: { input: ActWish; output: Acted };
  readonly expire: { input: { now: Instant; limit: number }; output: readonly MessageId[] };
  readonly prune: { input: { before: Instant; ledger: Instant; limit: number }; output: number };
  /** Gives at most so many pages of the database back to the disk. @returns how many that were */
  readonly shrink: { input: { pages: number }; output: number };
  readonly page: { input: PageWish; output: Page };
  readonly count: { input: { filter: Filter; now: Instant }; output: number };
  readonly history: { input: HistoryWish; output: HistoryPage };
  readonly latest: { input: { limit: number }; output: readonly SpoolEvent[] };
  readonly content: { input: { id: MessageId }; output: Content | undefined };
  readonly bodies: { input: { after: number; limit: number }; output: HeldBodies };
  readonly files: { input: Record<never, never>; output: readonly NamedFile[] };
  readonly tally: { input: Record<never, never>; output: Tally };
  readonly integrity: { input: Record<never, never>; output: readonly string[] };
  readonly audit: { input: Record<never, never>; output: Audit };
  readonly unreadable: { input: { after: number; limit: number }; output: Unreadable };
  readonly kept: { input: { part: "here" | "gone"; after: number; limit: number }; output: KeptPage };
  readonly bodyOf: { input: { seq: number }; output: StoredBody | undefined };
  readonly lacking: { input: { ids: readonly MessageId[] }; output: readonly MessageId[] };
  readonly adopt: { input: { mail: readonly AdoptedMail[]; now: Instant }; output: Omit<Adopted, "damaged"> };
  readonly ledger: { input: { after: LedgerRow | undefined; limit: number }; output: readonly LedgerRow[] };
  readonly keepBooks: { input: Books; output: undefined };
  readonly noteTurn: { input: { turn: TurnRecord; now: Instant }; output: undefined };
  readonly turns: { input: { filter: TurnFilter; now: Instant }; output: readonly TurnRecord[] };
  readonly lastTurns: { input: { now: Instant }; output: readonly TurnRecord[] };
  readonly changes: { input: ChangesWish; output: Changes };
  readonly lanes: { input: { now: Instant }; output: readonly LaneSum[] };
  readonly totals: { input: Record<never, never>; output: Totals };
  readonly series: { input: { from: Instant; to: Instant; bucket: number }; output: readonly Bucket[] };
  readonly holdRules: { input: Record<never, never>; output: readonly HoldRule[] };
  readonly addHoldRule: { input: HoldRule; output: undefined };
  readonly removeHoldRule: { input: { id: string }; output: boolean };
  readonly owed: { input: { limit: number }; output: readonly OwedMessage[] };
  readonly ageing: { input: { before: Instant; limit: number }; output: readonly AgeingMessage[] };
  readonly forgive: { input: Payment; output: undefined };
  /** Does nothing: its answer carries the usage, should another process have changed it. */
  readonly look: { input: Record<never, never>; output: undefined };
}

export type Name = keyof Operations;
export type Input<N extends Name> = Operations[N]["input"];
export type Output<N extends Name> = Operations[N]["output"];
export type Operation = { [N in Name]: { readonly name: N; readonly input: Input<N> } }[Name];

export type Answer =
  | { readonly value: Output<Name> }
  | { readonly fault: SpoolFault; readonly message: string };

export interface Answers {
  readonly answers: readonly Answer[];
  /** Lanes whose usage changed. */
  readonly usage: readonly LaneUsage[];
  /** Body files that no row names any more: to be unlinked. */
  readonly freed: readonly string[];
}

export interface LaneUsage extends Lane, Usage {}

/** A body as it is kept: small ones in the row, large ones in a file. */
export type StoredBody = { readonly bytes: Uint8Array } | { readonly file: string };

/** What MAIL said, in plain columns. */
export interface MailFacts {
  readonly from: Address;
  readonly body: "7BIT" | "8BITMIME" | null;
  readonly smtputf8: boolean;
  readonly ret: "FULL" | "HDRS" | null;
  readonly envid: string | null;
}

export interface Acceptation {
  readonly mail: MailFacts;
  readonly source: Source;
  readonly arrived: Instant;
  readonly subject: string;
  readonly origin: { readonly spool: string; readonly message: string } | undefined;
  readonly content: StoredBody;
  /** Octets and hash of the body, without trace fields. */
  readonly octets: number;
  readonly sha256: Uint8Array;
  /** By what doubles are known; undefined: they are not looked for. */
  readonly likeness: Uint8Array | undefined;
  readonly postings: readonly PostedEntry[];
  readonly pays: Payment | undefined;
  readonly now: Instant;
  readonly actor: string;
}

export interface PostedEntry {
  readonly id: MessageId;
  readonly lane: Lane;
  readonly recipients: readonly Recipient[];
  readonly expires: Instant;
  readonly trace: string;
  /** Octets of trace and body. */
  readonly size: number;
}

export interface LeaseWish {
  readonly lane: Lane;
  readonly domains: readonly string[] | undefined;
  readonly order: "oldest" | "small";
  /** Only messages of at most so many octets; undefined: any. */
  readonly largest: number | undefined;
  readonly holder: Holder;
  readonly now: Instant;
  readonly until: Instant;
  /** At most so many messages, and (after the first) so many octets of bodies in rows. */
  readonly messages: number;
  readonly octets: number;
}

export interface Leased {
  readonly messages: readonly LeasedMessage[];
  /** Nothing was leased, and others hold leases on what would fit. */
  readonly busy: boolean;
}

export interface LeasedMessage {
  readonly seq: number;
  readonly id: MessageId;
  readonly mail: MailFacts;
  readonly arrived: Instant;
  readonly expires: Instant;
  readonly size: number;
  readonly trace: string;
  readonly content: StoredBody;
  readonly recipients: readonly LeasedRecipient[];
}

export interface LeasedRecipient {
  readonly n: number;
  readonly address: Address;
  readonly notify: readonly Notify[];
  readonly orcpt: string | null;
  readonly attempts: number;
  readonly done?: readonly string[];
  /** When it was due before the lease: given back, it takes its old place. */
  readonly due: Instant;
}

/** A message whose sender is owed a notice: the rows that say so, and what the notice is made of. */
export interface OwedMessage {
  readonly id: MessageId;
  readonly lane: Lane;
  readonly mail: MailFacts;
  readonly arrived: Instant;
  readonly expires: Instant;
  readonly size: number;
  readonly trace: string;
  readonly content: StoredBody;
  readonly notices: readonly number[];
  readonly recipients: readonly OwedRecipient[];
}

export interface OwedRecipient {
  readonly address: Address;
  readonly orcpt: string | null;
  readonly kind: NoticeKind;
  readonly reply: string;
}

export interface AgeingMessage {
  readonly id: MessageId;
  readonly customer: string;
  readonly from: Address;
  readonly subject: string;
  readonly expires: Instant;
}

export interface Unleased {
  readonly seq: number;
  readonly recipients: readonly { readonly n: number; readonly due: Instant }[];
}

export interface Settling {
  readonly seq: number;
  readonly holder: Holder;
  readonly now: Instant;
  readonly actor: string;
  readonly outcomes: readonly {
    readonly n: number;
    readonly result: Settlement["result"];
    readonly reply: string;
    readonly due: Instant;
    readonly notice: Settlement["notice"];
    readonly done: Settlement["done"];
  }[];
}

/** Where a page ended: the key of its last row. */
export interface Cursor {
  readonly seq: number;
  readonly size: number;
}

export interface PageWish {
  readonly filter: Filter;
  readonly now: Instant;
  readonly after: Cursor | undefined;
  readonly limit: number;
}

export interface Page {
  readonly entries: readonly Entry[];
  /** undefined: it was the last page. */
  readonly next: Cursor | undefined;
  /** Entries of this page that lie on damaged pages of the database. */
  readonly lost?: number;
}

export interface ActWish extends PageWish {
  readonly action: Action;
  readonly by: Actor;
  readonly dry: boolean;
  /** At most so many entries are changed; `limit` is how many are looked at. */
  readonly most: number;
}

export interface Acted {
  readonly ids: readonly MessageId[];
  readonly next: Cursor | undefined;
}

export interface HistoryWish {
  readonly ids: readonly MessageId[] | undefined;
  readonly after: { readonly at: Instant; readonly seq: number };
  readonly limit: number;
}

export interface HistoryPage {
  readonly events: readonly SpoolEvent[];
  readonly next: { readonly at: Instant; readonly seq: number } | undefined;
}

export interface ChangesWish {
  /** How far the watcher has come; without it, it is told only where the end is now. `turn` left out: at the end. */
  readonly after: { readonly event: number; readonly turn?: number } | undefined;
  readonly limit: number;
  readonly now: Instant;
}

export interface Changes {
  readonly changes: readonly Change[];
  readonly next: { readonly event: number; readonly turn: number };
}

export interface Content {
  readonly trace: string;
  readonly content: StoredBody;
}

/** A body that must be there, as `verify` looks at it. */
export interface HeldBody {
  readonly seq: number;
  readonly ids: readonly MessageId[];
  readonly octets: number;
  readonly sha256: Uint8Array;
  readonly content: StoredBody;
}

export interface HeldBodies {
  readonly bodies: readonly HeldBody[];
  /** Entries whose body's row cannot be read. */
  readonly lost: readonly MessageId[];
  /** undefined: there are no more. */
  readonly next: number | undefined;
}

/** Entries that cannot be read themselves. */
export interface Unreadable {
  readonly rows: number;
  /** Those of them whose ids an index still knows. */
  readonly ids: readonly MessageId[];
  readonly next: number | undefined;
}

/** A body file that a row names, and the entries that it is for. */
export interface NamedFile {
  readonly file: string;
  readonly ids: readonly MessageId[];
}

/** The conservation check: `accepted` is the sum of all the states. */
export interface Tally {
  readonly accepted: number;
  readonly states: Readonly<Record<RecipientState, number>>;
}

/** Whole entries on their way to another spool. */
export interface KeptPage {
  readonly mail: readonly KeptRow[];
  /** undefined: there are no more. */
  readonly next: number | undefined;
}

export interface KeptRow {
  readonly seq: number;
  readonly body: Pick<KeptBody, "octets" | "sha256"> | undefined;
  readonly entries: readonly KeptEntry[];
}

/** Whole entries of another spool; without a body where none of them is new, or all have left. */
export interface AdoptedMail {
  readonly body:
    | { readonly octets: number; readonly sha256: Uint8Array; readonly content: StoredBody }
    | undefined;
  readonly entries: readonly KeptEntry[];
}

/** What the counters say, against what is there. All of it is of one moment. */
export interface Audit {
  /** Bodies that must be there. */
  readonly bodies: number;
  readonly octets: number;
  readonly lanes: readonly (Lane & { readonly counted: Usage; readonly found: Usage })[];
  /** Entries that count their recipients wrongly, and bodies that count their entries wrongly. */
  readonly entries: readonly MessageId[];
  /** Entries still here without a body. */
  readonly bodiless: readonly MessageId[];
}
