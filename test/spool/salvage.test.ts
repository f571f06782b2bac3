import assert from "node:assert/strict";
import { copyFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { systemFiles } from "../../src/platform/files.ts";
import { openDatabase } from "../../src/platform/sqlite.ts";
import type { Finding } from "../../src/spool/finding.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { openSpool } from "../../src/spool/open.ts";
import { type Entry, type Filter, type MessageId, SpoolError } from "../../src/spool/spool.ts";
import { verify } from "../../src/spool/verify.ts";
import { all, HandClock, octets, seeded, stored, temporary } from "./support.ts";

const COUNT = 400;
const bodyOf = (n: number): Uint8Array => new Uint8Array(1500).fill(65 + (n % 26));

function open(path: string): Promise<EmbeddedSpool> {
  return openSpool({
    path,
    clock: new HandClock(),
    random: seeded(3),
    log: { log: () => {} },
    files: systemFiles,
    thread: "here",
    asIs: true,
  });
}

/** A spool of many small messages, closed, and the pages that each of its tables and indexes has. */
async function filled(): Promise<{
  readonly path: string;
  readonly ids: readonly MessageId[];
  readonly pagesOf: (name: string) => readonly number[];
  remove(): void;
}> {
  const { path: folder, remove } = temporary();
  const path = `${folder}/spool.db`;
  const spool = await open(path);
  const ids: MessageId[] = [];
  for (let n = 0; n < COUNT; n++)
    ids.push(await stored(spool, { body: bodyOf(n), to: [`r${n}@example.org`], subject: `number ${n}` }));
  await spool.close();
  return { path, ids, pagesOf: (name) => leaves(path, name), remove };
}

/** The leaf pages of a table or index, found by walking its tree (https://www.sqlite.org/fileformat2.html §1.6). */
function leaves(path: string, name: string): readonly number[] {
  const db = openDatabase(path);
  const root = db.get<{ rootpage: number }>(
    "SELECT rootpage FROM sqlite_schema WHERE name = ?",
    name,
  )?.rootpage;
  const size = db.get<{ page_size: number }>("PRAGMA page_size")?.page_size ?? 4096;
  db.close();
  const file = readFileSync(path);
  const walk = (page: number): readonly number[] => {
    const at = (page - 1) * size;
    const type = file[at];
    if (type === 10 || type === 13) return [page];
    const cells = Array.from({ length: file.readUInt16BE(at + 3) }, (_, i) =>
      file.readUInt16BE(at + 12 + 2 * i),
    );
    return [...cells.map((cell) => file.readUInt32BE(at + cell)), file.readUInt32BE(at + 8)].flatMap(walk);
  };
  return walk(root ?? 1);
}

function spoil(path: string, pages: readonly number[]): void {
  const file = readFileSync(path);
  for (const page of pages) file.fill(0xa5, (page - 1) * 4096, page * 4096);
  writeFileSync(path, file);
}

/** All that a list gives before it says that this is not all. */
async function survivors(spool: EmbeddedSpool, filter: Filter = {}): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  try {
    for await (const entry of spool.list(filter)) entries.push(entry);
  } catch (error) {
    assert.ok(error instanceof SpoolError && error.fault === "corrupt", String(error));
  }
  return entries;
}

const middle = (pages: readonly number[]): number => pages[Math.floor(pages.length / 2)] ?? 0;
const typesOf = (findings: readonly Finding[]): readonly string[] => [
  ...new Set(findings.map(({ type }) => type)),
];

describe("a database of which a page was overwritten", () => {
  it("gives every entry but those of that page, whole, in every order, and verify names the lost ones", async () => {
    const { path, ids, pagesOf, remove } = await filled();
    spoil(path, [middle(pagesOf("message"))]);
    const spool = await open(path);
    const left = await survivors(spool);
    const lost = ids.filter((id) => left.every((entry) => entry.id !== id));
    assert.ok(lost.length > 0 && lost.length < 40, `${lost.length} are lost`);
    assert.deepEqual(
      left.map(({ id }) => id),
      ids.filter((id) => !lost.includes(id)),
    );
    for (const { id, subject } of left) {
      const n = ids.indexOf(id);
      assert.equal(subject, `number ${n}`);
      const content = await octets((await spool.content(id)) ?? []);
      assert.deepEqual(content.subarray(-1500), bodyOf(n));
    }
    const newest = await survivors(spool, { sort: "newest" });
    assert.deepEqual(
      newest.map(({ id }) => id),
      left.map(({ id }) => id).reverse(),
    );
    assert.equal((await survivors(spool, { sort: "largest" })).length, left.length);
    assert.equal((await survivors(spool, { recipient: "r1@*" })).length, 1);
    assert.equal((await survivors(spool, { limit: 3 })).length, 3);
    const findings = await all(verify(spool));
    const named = findings.flatMap((finding) => (finding.type === "unreadable" ? finding.ids : []));
    assert.deepEqual(named, lost);
    assert.ok(typesOf(findings).includes("database"));
    await spool.close();
    remove();
  });

  it("is reported, and as much as can be is saved, whichever page it was", async () => {
    const { path, ids, pagesOf, remove } = await filled();
    const names = [
      ...["body", "recipient", "event", "message_here", "message_lane", "message_body"],
      ...["sqlite_autoindex_message_1", "recipient_due"],
    ];
    for (const name of names) {
      const copy = `${path}.${name}`;
      copyFileSync(path, copy);
      spoil(copy, [middle(pagesOf(name))]);
      const spool = await open(copy);
      const findings = await all(verify(spool));
      assert.notDeepEqual(findings, [], name);
      const left = await survivors(spool);
      let saved = 0;
      for (const { id } of left) {
        const content = await spool.content(id).catch(() => undefined);
        if (content !== undefined && (await octets(content)).length > 1500) saved++;
      }
      const least = name === "body" ? ids.length - 5 : ids.length;
      assert.ok(saved >= least, `${name}: ${saved} of ${ids.length} saved`);
      await spool.close();
    }
    remove();
  });

  it("is survived when a third of the file is gone", async () => {
    const { path, ids, remove } = await filled();
    const pages = statSync(path).size / 4096;
    const third = Math.floor(pages / 3);
    spoil(
      path,
      Array.from({ length: third }, (_, i) => pages - third + i),
    );
    const spool = await open(path);
    assert.notDeepEqual(await all(verify(spool)), []);
    const left = await survivors(spool);
    assert.ok(left.length > ids.length / 2 && left.length < ids.length, `${left.length} are left`);
    await spool.close();
    remove();
  });
});

describe("verify", () => {
  it("counts again, and says what does not add up", async () => {
    const { path, ids, remove } = await filled();
    const db = openDatabase(path);
    db.run("UPDATE lane SET count = count + 1, accepted = accepted + 2");
    db.run("UPDATE message SET here = 2 WHERE id = ?", ids[3] ?? "");
    db.run("UPDATE body SET uses = 7 WHERE seq = (SELECT body FROM message WHERE id = ?)", ids[4] ?? "");
    db.run("DELETE FROM body WHERE seq = (SELECT body FROM message WHERE id = ?)", ids[5] ?? "");
    const { octets: size } = db.get<{ octets: number }>("SELECT octets FROM lane") ?? { octets: 0 };
    db.close();
    const spool = await open(path);
    const none = { leased: 0, held: 0, delivered: 0, refused: 0, expired: 0, removed: 0 };
    assert.deepEqual(await all(verify(spool)), [
      { type: "unbalanced", accepted: COUNT + 2, states: { waiting: COUNT, ...none } },
      {
        ...{ type: "miscounted", direction: "turn", customer: "home" },
        counted: { count: COUNT + 1, octets: size },
        found: { count: COUNT, octets: size },
      },
      { type: "inconsistent", ids: [ids[3], ids[4]] },
      { type: "missing", ids: [ids[5]] },
    ]);
    await spool.close();
    remove();
  });

  it("finds body files that nobody names, and says how far it is", async () => {
    const { path: folder, remove } = temporary();
    const path = `${folder}/spool.db`;
    const spool = await open(path);
    await stored(spool, { body: new Uint8Array(300_000) });
    await stored(spool);
    const [hour = ""] = await systemFiles.list(`${path}.bodies`);
    writeFileSync(`${path}.bodies/${hour}/stray`, "x");
    const seen: (readonly [number, number])[] = [];
    assert.deepEqual(await all(verify(spool, (octets, of) => seen.push([octets, of]))), [
      { type: "orphan", file: `${hour}/stray` },
    ]);
    assert.deepEqual(seen, [
      [300_000, 300_025],
      [300_025, 300_025],
    ]);
    await spool.close();
    remove();
  });
});
