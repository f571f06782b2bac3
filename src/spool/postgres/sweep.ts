/** Objects and rows: none is committed to a row that a sweep may take, and what no row names is swept a day later. */
// Both go by the moment in an object's name and by the database's clock. A row may name what was begun within half a day; a
// sweep takes what was begun more than a day ago. Half a day is far more than a commit can take, on any node.
import type { Log } from "../../platform/log.ts";
import { isObject, type Objects, objectOf } from "../objects/objects.ts";
import { SpoolError } from "../spool.ts";
import type { Connection } from "./connection.ts";
import { list } from "./rows.ts";
import type { Transaction } from "./transaction.ts";

const CLAIMABLE = "interval '12 hours'";
const ABANDONED = "interval '1 day'";

/** The id that a message would have that began so long ago. */
const began = (ago: string) => `(SELECT substr(x, 1, 8) || '-' || substr(x, 9) FROM
  lpad(to_hex((extract(epoch FROM clock_timestamp() - ${ago}) * 1000)::bigint), 12, '0') x)`;

/** @throws SpoolError "io" if one of these bodies took so long to come that it may be swept: asked where they are named */
export async function allYoung(db: Transaction, names: readonly string[]): Promise<void> {
  const objects = names.filter(isObject);
  if (objects.length === 0) return;
  const old = await db.all<{ name: string }>(
    `SELECT name FROM unnest($1::text::text[]) name WHERE name < $2::text || ${began(CLAIMABLE)}`,
    ...[list(objects), objectOf("")],
  );
  const [first] = old;
  if (first !== undefined) throw new SpoolError("io", `body ${first.name} took more than half a day to come`);
}

/** Names of objects that no row has, a page at a time. Never younger than they are: a row may name one the next moment. */
export async function* unnamed(
  db: () => Promise<Connection>,
  objects: Objects,
): AsyncGenerator<readonly string[]> {
  for await (const names of objects.names()) {
    const found = await (await db()).all<{ name: string }>(
      `SELECT name FROM unnest($1::text::text[]) name
       WHERE NOT EXISTS (SELECT 1 FROM body b WHERE b.name = name.name) ORDER BY name`,
      [list(names)],
    );
    yield found.map(({ name }) => name);
  }
}

/** Removes what was left behind. Once an hour, by one of all the nodes. */
export async function sweep(
  db: () => Promise<Connection>,
  objects: Objects,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  const [turn] = await (await db()).all<{ before: string }>(
    `WITH turn AS (INSERT INTO meta VALUES ('swept', now()::text) ON CONFLICT (key) DO UPDATE SET value = excluded.value
       WHERE meta.value::timestamptz < now() - interval '59 minutes' RETURNING 1)
     SELECT $1::text || ${began(ABANDONED)} AS before FROM turn`,
    [objectOf("")],
  );
  if (turn === undefined) return;
  let removed = 0;
  for await (const names of unnamed(db, objects))
    for (const name of names) {
      if (signal.aborted) return;
      if (name >= turn.before) continue;
      await objects.unlink(name);
      removed++;
    }
  if (!signal.aborted) await objects.abandon(turn.before);
  if (removed > 0) log.log("info", "abandoned bodies removed", { objects: removed });
}
