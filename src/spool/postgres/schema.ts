/** The shared spool's tables, and how one of an earlier version becomes one of this while other nodes work on it. */
// A step that was released is never edited. A step only adds, so that nodes of the version before go on; one that cannot
// raises `least`, and nodes that do not know it stop.
import { SpoolError } from "../spool.ts";
import type { Connection } from "./connection.ts";
import { list } from "./rows.ts";

export interface Step {
  readonly sql: string;
  /** The lowest version of a program that can work on the tables after this step. */
  readonly least: number;
}

/** Version 1. What no node but one may decide is decided by a unique key or by the lock of a row, never by a node alone. */
const tables = `
-- One number for each row that has one: taken in order, so that the oldest entry has the lowest.
CREATE SEQUENCE number CACHE 1;

-- What waits for one next hop.
CREATE TABLE lane (
  id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, direction TEXT NOT NULL, customer TEXT NOT NULL,
  UNIQUE (direction, customer));

-- Its counters, the sum of all slots: each node adds to a slot of its own, so that none waits for another. changed is the
-- transaction that did it.
CREATE TABLE lane_count (
  lane INTEGER NOT NULL, slot INTEGER NOT NULL, count BIGINT NOT NULL, octets BIGINT NOT NULL, accepted BIGINT NOT NULL,
  changed BIGINT NOT NULL, PRIMARY KEY (lane, slot)) WITH (fillfactor = 50);
CREATE INDEX lane_count_changed ON lane_count (changed);

-- Octets, once for all entries of one acceptance: uses counts those still here and notices that are owed. Small ones lie in
-- the row, large ones in pieces under a name; pieces are written before, without waiting for the disk, which the commit does.
CREATE TABLE body (
  seq BIGINT PRIMARY KEY, uses INTEGER NOT NULL, octets BIGINT NOT NULL, sha256 BYTEA NOT NULL, name TEXT, bytes BYTEA)
  WITH (toast_tuple_target = 8160); -- most mail lies in one page, not in pieces of 2 KB behind an index
ALTER TABLE body ALTER bytes SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX body_name ON body (name) WHERE name IS NOT NULL;
CREATE TABLE piece (name TEXT NOT NULL, n INTEGER NOT NULL, bytes BYTEA NOT NULL, PRIMARY KEY (name, n));
ALTER TABLE piece ALTER bytes SET STORAGE EXTERNAL;

-- An entry. here counts recipients still here; gone is when the last one left.
CREATE TABLE message (
  seq BIGINT PRIMARY KEY, id UUID NOT NULL UNIQUE, lane INTEGER NOT NULL, body BIGINT NOT NULL,
  here INTEGER NOT NULL, gone BIGINT, size BIGINT NOT NULL, arrived BIGINT NOT NULL, expires BIGINT NOT NULL,
  sender TEXT NOT NULL, subject TEXT NOT NULL, protocol TEXT NOT NULL, peer TEXT NOT NULL, auth TEXT,
  mime TEXT, smtputf8 BOOLEAN NOT NULL, ret TEXT, envid TEXT, trace TEXT NOT NULL) WITH (fillfactor = 90);
CREATE INDEX message_here ON message (seq) WHERE gone IS NULL;
CREATE INDEX message_lane ON message (lane, seq) WHERE gone IS NULL;
CREATE INDEX message_expires ON message (expires) WHERE gone IS NULL;
CREATE INDEX message_gone ON message (gone) WHERE gone IS NOT NULL;
CREATE INDEX message_body ON message (body) WHERE gone IS NULL;

-- state as in states.ts; due is null when held and when gone; holder is who leased it last, node first: the fence.
CREATE TABLE recipient (
  message BIGINT NOT NULL, n INTEGER NOT NULL, lane INTEGER NOT NULL, state SMALLINT NOT NULL, due BIGINT, holder TEXT,
  attempts INTEGER NOT NULL, address TEXT NOT NULL, domain TEXT NOT NULL, notify TEXT NOT NULL, orcpt TEXT, reply TEXT,
  done TEXT, PRIMARY KEY (message, n)) WITH (fillfactor = 85);
CREATE INDEX recipient_due ON recipient (lane, due, message) WHERE state < 3;
CREATE INDEX recipient_domain ON recipient (lane, domain, due, message) WHERE state < 3;
CREATE INDEX recipient_lease ON recipient (lane, holder) WHERE state = 1;

-- Exactly once: what other spools gave us.
CREATE TABLE ledger (
  spool TEXT NOT NULL, message TEXT NOT NULL, recipient TEXT NOT NULL, sha256 BYTEA NOT NULL, at BIGINT NOT NULL,
  PRIMARY KEY (spool, message, recipient));
CREATE INDEX ledger_at ON ledger (at);

-- What a message's sender is owed a notice about; body is null once it is paid. Kind "warned": its owner was warned.
CREATE TABLE notice (
  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, message BIGINT NOT NULL, n INTEGER NOT NULL, kind TEXT NOT NULL,
  reply TEXT NOT NULL, body BIGINT, UNIQUE (message, n, kind));
CREATE INDEX notice_owed ON notice (body) WHERE body IS NOT NULL;

-- What came within the last day, for accounts that want no doubles.
CREATE TABLE double (
  likeness BYTEA NOT NULL, recipient TEXT NOT NULL, message BIGINT NOT NULL, at BIGINT NOT NULL,
  PRIMARY KEY (likeness, recipient));
CREATE INDEX double_at ON double (at);

-- tx is the transaction that noted it: a watcher reads transactions whole, and only when all before them have ended.
CREATE TABLE event (
  tx BIGINT NOT NULL, seq BIGINT GENERATED ALWAYS AS IDENTITY, at BIGINT NOT NULL, message BIGINT NOT NULL, recipient TEXT,
  what TEXT NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (tx, seq));
CREATE INDEX event_at ON event (at, seq);
CREATE INDEX event_message ON event (message);

-- Counters that never go back, slot by slot: each kind of event, octets accepted, turns that ended.
CREATE TABLE total (what TEXT NOT NULL, slot INTEGER NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (what, slot));

CREATE TABLE turn (
  id UUID PRIMARY KEY, side TEXT NOT NULL, customer TEXT NOT NULL, state TEXT NOT NULL, seen BIGINT NOT NULL,
  changed BIGINT NOT NULL, started BIGINT NOT NULL, ended BIGINT, delivered BIGINT NOT NULL,
  deferred BIGINT NOT NULL, refused BIGINT NOT NULL, octets BIGINT NOT NULL, peer TEXT NOT NULL, why TEXT);
CREATE INDEX turn_changed ON turn (changed);
CREATE INDEX turn_customer ON turn (side, customer, id);

CREATE TABLE hold_rule (
  id UUID PRIMARY KEY, customer TEXT, sender TEXT, recipient TEXT, larger_than BIGINT,
  reason TEXT NOT NULL, actor TEXT NOT NULL, made BIGINT NOT NULL);

-- One row for each group that was committed: whoever lost the answer finds out here.
CREATE TABLE mark (id UUID PRIMARY KEY, at TIMESTAMPTZ NOT NULL DEFAULT now());
CREATE INDEX mark_at ON mark (at);

-- Programs at work here, by the database's clock. A slot is free again when its node was not seen for a while.
CREATE TABLE node (
  id UUID PRIMARY KEY, slot INTEGER NOT NULL, name TEXT NOT NULL, actor TEXT NOT NULL, version TEXT NOT NULL,
  schema INTEGER NOT NULL, started TIMESTAMPTZ NOT NULL DEFAULT now(), seen TIMESTAMPTZ NOT NULL DEFAULT now());
`;

export const steps: readonly Step[] = [
  { sql: tables, least: 1 },
  // Bodies may be objects in a bucket, which meta names once there is one; it raises "least" then, and not before.
  { sql: "SELECT 1", least: 1 },
];

/** Programs that know bodies in a bucket. */
export const WITH_OBJECTS = 2;

/** What a program must know of a spool before it works on it. */
export interface Meta {
  readonly id: string;
  /** What the salts of passwords are made with, the same on all nodes. */
  readonly secret: string;
}

/** Brings the tables to the newest version. @throws SpoolError "version" for tables that this program cannot serve */
export async function upgrade(
  db: Connection,
  made: Meta & { readonly schema: string | undefined },
  table: readonly Step[] = steps,
): Promise<Meta> {
  if ((await versionOf(db)).version < table.length) await climb(db, made, table);
  await check(db, table.length);
  const found = await db.all<{ key: string; value: string }>("SELECT key, value FROM meta");
  const of = (key: string) => found.find((row) => row.key === key)?.value ?? "";
  return { id: of("spool"), secret: of("secret") };
}

/** @throws SpoolError "version" */
export async function check(db: Connection, known = steps.length): Promise<void> {
  const { version, least } = await versionOf(db);
  if (least > known)
    throw new SpoolError(
      "version",
      `the spool is of version ${version}, this program knows up to ${known}: use a newer odmr`,
    );
}

/** @throws SpoolError "version" if there are no tables of a spool */
export async function mustBe(db: Connection): Promise<void> {
  if ((await versionOf(db)).version === 0)
    throw new SpoolError(
      "version",
      "there is no spool in that database; it is made by odmr serve, odmr queue add or migrate",
    );
}

/** The lock is a row's, which every relative of PostgreSQL has; the version is asked again behind it. */
async function climb(
  db: Connection,
  { id, secret, schema }: Meta & { readonly schema: string | undefined },
  table: readonly Step[],
): Promise<void> {
  await made(db, schema);
  await db.exec("BEGIN");
  try {
    await db.all("SELECT value FROM meta WHERE key = 'lock' FOR UPDATE");
    const { version, least } = await versionOf(db);
    const missing = table.slice(version);
    for (const { sql } of missing) await db.exec(sql);
    if (missing.length > 0) {
      const rows = [
        ["spool", id],
        ["secret", secret],
        ["version", String(table.length)],
        ["least", String(Math.max(least, ...missing.map((step) => step.least)))],
      ];
      await db.all(
        `INSERT INTO meta SELECT * FROM unnest($1::text::text[], $2::text::text[])
         ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE meta.key IN ('version', 'least')`,
        [list(rows.map(([key = ""]) => key)), list(rows.map(([, value = ""]) => value))],
      );
    }
    await db.exec("COMMIT");
  } catch (error) {
    if (!db.gone) await db.exec("ROLLBACK");
    throw error;
  }
}

/** Two nodes may make it at once: one of them is told that it is there, and looks again. */
async function made(db: Connection, schema: string | undefined): Promise<void> {
  const acts = [
    ...(schema === undefined ? [] : [`CREATE SCHEMA IF NOT EXISTS "${schema}"`]),
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "INSERT INTO meta VALUES ('lock', '') ON CONFLICT DO NOTHING",
  ];
  for (const act of acts)
    await db.exec(act).catch(async (error: unknown) => {
      if (db.gone) throw error;
      await db.exec(act);
    });
}

async function versionOf(db: Connection): Promise<{ readonly version: number; readonly least: number }> {
  const [there] = await db.all<{ is: boolean }>("SELECT to_regclass('meta') IS NOT NULL AS is");
  if (there?.is !== true) return { version: 0, least: 0 };
  const rows = await db.all<{ key: string; value: string }>(
    "SELECT key, value FROM meta WHERE key IN ('version', 'least')",
  );
  const of = (key: string) => Number(rows.find((row) => row.key === key)?.value ?? 0);
  return { version: of("version"), least: of("least") };
}
