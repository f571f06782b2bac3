/** The spool's tables, and how a spool of an earlier version becomes one of this. */
// A step that was released is never edited: a change is a new step at the end.
import type { Database } from "../platform/sqlite.ts";
import { SpoolError } from "./spool.ts";

/** Turns version n (its place in the table) into n + 1, within a transaction. `id` is for a spool that is being made. */
export type Step = (db: Database, id: string) => void;

/** Version 1. Columns that lists and claims read come first; what is long comes last. */
const tables = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- What waits for one next hop. Its counters are of entries still here; accepted counts recipients (less those pruned).
CREATE TABLE lane (
  id INTEGER PRIMARY KEY, direction TEXT NOT NULL, customer TEXT NOT NULL,
  count INTEGER NOT NULL DEFAULT 0, octets INTEGER NOT NULL DEFAULT 0, accepted INTEGER NOT NULL DEFAULT 0,
  UNIQUE (direction, customer));

-- Octets, once for all entries of one acceptance: uses counts those still here. In the row, or in a file.
CREATE TABLE body (
  seq INTEGER PRIMARY KEY, uses INTEGER NOT NULL, octets INTEGER NOT NULL, sha256 BLOB NOT NULL, file TEXT, bytes BLOB);
CREATE INDEX body_file ON body (file) WHERE file IS NOT NULL;

-- An entry. here counts recipients still here; gone is when the last one left.
CREATE TABLE message (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, lane INTEGER NOT NULL, body INTEGER NOT NULL,
  here INTEGER NOT NULL, gone INTEGER, size INTEGER NOT NULL, arrived INTEGER NOT NULL, expires INTEGER NOT NULL,
  sender TEXT NOT NULL, subject TEXT NOT NULL, protocol TEXT NOT NULL, peer TEXT NOT NULL, auth TEXT,
  mime TEXT, smtputf8 INTEGER NOT NULL, ret TEXT, envid TEXT, trace TEXT NOT NULL);
CREATE INDEX message_here ON message (gone) WHERE gone IS NULL;
CREATE INDEX message_lane ON message (lane) WHERE gone IS NULL;
CREATE INDEX message_expires ON message (expires) WHERE gone IS NULL;
CREATE INDEX message_gone ON message (gone) WHERE gone IS NOT NULL;
CREATE INDEX message_body ON message (body) WHERE gone IS NULL;

-- state as in states.ts; due is null when held and when gone; holder is who leased it last. done is a JSON list: of several
-- targets those that have it.
CREATE TABLE recipient (
  message INTEGER NOT NULL, n INTEGER NOT NULL, lane INTEGER NOT NULL, state INTEGER NOT NULL, due INTEGER, holder TEXT,
  attempts INTEGER NOT NULL, address TEXT NOT NULL, domain TEXT NOT NULL, notify TEXT NOT NULL, orcpt TEXT, reply TEXT,
  done TEXT, PRIMARY KEY (message, n)) WITHOUT ROWID;
CREATE INDEX recipient_due ON recipient (lane, due) WHERE state < 3;
CREATE INDEX recipient_domain ON recipient (lane, domain, due) WHERE state < 3;
CREATE INDEX recipient_lease ON recipient (lane, holder) WHERE state = 1;

-- Exactly once: what other spools gave us.
CREATE TABLE ledger (
  spool TEXT NOT NULL, message TEXT NOT NULL, recipient TEXT NOT NULL, sha256 BLOB NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (spool, message, recipient)) WITHOUT ROWID;
CREATE INDEX ledger_at ON ledger (at);

-- What a message's sender is owed a notice about; body is null once it is paid. Kind "warned": its owner was warned of expiry.
CREATE TABLE notice (
  seq INTEGER PRIMARY KEY, message INTEGER NOT NULL, n INTEGER NOT NULL, kind TEXT NOT NULL, reply TEXT NOT NULL,
  body INTEGER, UNIQUE (message, n, kind));
CREATE INDEX notice_owed ON notice (body) WHERE body IS NOT NULL;

-- What came within the last day, for accounts that want no doubles: likeness is by what the same mail is known.
CREATE TABLE double (
  likeness BLOB NOT NULL, recipient TEXT NOT NULL, message INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (likeness, recipient)) WITHOUT ROWID;
CREATE INDEX double_at ON double (at);

CREATE TABLE event (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, message INTEGER NOT NULL, recipient TEXT,
  what TEXT NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL);
CREATE INDEX event_at ON event (at);
CREATE INDEX event_message ON event (message);

-- Counters that never go back: each kind of event, octets accepted, turns that ended.
CREATE TABLE total (what TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;

-- Turns of the line. seen is when it was last noted: one that runs and is not seen any more has died with its process.
-- changed counts all changes, so that a watcher finds what is new.
CREATE TABLE turn (
  id TEXT PRIMARY KEY, side TEXT NOT NULL, customer TEXT NOT NULL, state TEXT NOT NULL, seen INTEGER NOT NULL,
  changed INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER, delivered INTEGER NOT NULL,
  deferred INTEGER NOT NULL, refused INTEGER NOT NULL, octets INTEGER NOT NULL, peer TEXT NOT NULL, why TEXT) WITHOUT ROWID;
CREATE INDEX turn_changed ON turn (changed);
CREATE INDEX turn_customer ON turn (side, customer, id);

-- New mail that fits all that is not null is held.
CREATE TABLE hold_rule (
  id TEXT PRIMARY KEY, customer TEXT, sender TEXT, recipient TEXT, larger_than INTEGER,
  reason TEXT NOT NULL, actor TEXT NOT NULL, made INTEGER NOT NULL) WITHOUT ROWID;
`;

export const steps: readonly Step[] = [
  (db, id) => {
    db.exec(tables);
    db.run("INSERT INTO meta VALUES ('spool', ?)", id);
  },
];

/** Brings a database to the newest version. @returns the spool's id. @throws SpoolError "version" for one from the future */
export function upgrade(db: Database, id: string, table: readonly Step[] = steps): string {
  if (versionOf(db) !== table.length) climb(db, id, table);
  return db.get<{ value: string }>("SELECT value FROM meta WHERE key = 'spool'")?.value ?? id;
}

/** The version is asked again inside: another process may have climbed meanwhile. */
function climb(db: Database, id: string, table: readonly Step[]): void {
  db.run("BEGIN IMMEDIATE");
  try {
    const version = versionOf(db);
    if (version > table.length)
      throw new SpoolError(
        "version",
        `the spool is of version ${version}, this program knows up to ${table.length}: use a newer odmr`,
      );
    for (const step of table.slice(version)) step(db, id);
    db.run("INSERT OR REPLACE INTO meta VALUES ('version', ?)", table.length);
    db.run("COMMIT");
  } catch (error) {
    db.run("ROLLBACK");
    throw error;
  }
}

/** 0: it is no spool, or not yet. */
export function versionOf(db: Database): number {
  if (db.get("SELECT 1 FROM sqlite_schema WHERE name = 'meta'") === undefined) return 0;
  return db.get<{ value: number }>("SELECT value FROM meta WHERE key = 'version'")?.value ?? 0;
}
