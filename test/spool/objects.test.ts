import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { type Clock, systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { systemRandom } from "../../src/platform/random.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { migrate } from "../../src/spool/migrate.ts";
import { openSpool } from "../../src/spool/open.ts";
import { openPostgres } from "../../src/spool/postgres/open.ts";
import { type Step, steps } from "../../src/spool/postgres/schema.ts";
import { uuids } from "../../src/spool/uuid.ts";
import { verify } from "../../src/spool/verify.ts";
import { reply } from "../../src/wire/reply.ts";
import { KEYS, type ObjectStore, startObjectStore } from "../support/objectstore.ts";
import { type Postgresql, startPostgresql, withPostgresql } from "../support/postgresql.ts";
import { acceptance, all, DAY, HandClock, HOME, octets, post, seeded, stored, temporary } from "./support.ts";

const OPERATOR = { name: "cli:root", reason: "because" };
const HOUR = 3_600_000;
const LARGE = new Uint8Array(300_000).fill(120);
const HUGE = new Uint8Array(6_000_000).fill(121);

describe("a shared spool with bodies in a bucket", withPostgresql(), () => {
  const folder = temporary();
  const keys = `${folder.path}/keys`;
  let server: Postgresql;
  let store: ObjectStore;
  let path: string;
  let spool: EmbeddedSpool;

  const placed = (place = "s3://mail/relay") =>
    `${path}&bodies=${place}&endpoint=${store.endpoint}&region=${store.place.region}&credentials=${keys}`;
  const open = (
    address = placed(),
    { clock = systemClock, table }: { clock?: Clock; table?: readonly Step[] } = {},
  ) =>
    openPostgres({
      ...{ address, clock, lineClock: systemClock, random: systemRandom, log: silent, actor: "serve" },
      ...{ id: undefined, asIs: false, steps: table },
    });
  const expires = Date.now() + 30 * DAY;
  const large = (body = LARGE) => stored(spool, { body, expires });
  const held = () => [...store.objects.keys()];
  const keyOf = (id: string) => `relay/${spool.id}/${id}`;

  before(async () => {
    [server, store] = await Promise.all([startPostgresql(), startObjectStore()]);
    writeFileSync(keys, `[default]\naws_access_key_id=${KEYS.id}\naws_secret_access_key=${KEYS.secret}\n`, {
      mode: 0o600,
    });
    path = server.spool();
    await (await open()).close();
  });
  after(async () => {
    await Promise.all([server.stop(), store.stop()]);
    folder.remove();
  });
  beforeEach(async () => {
    await server.empty(path);
    store.fate = () => "done";
    store.objects.clear();
    spool = await open();
    store.asked.length = 0;
  });
  afterEach(() => spool.close());

  it("has the large ones there from before they are stored until after they have left", async () => {
    await stored(spool, { expires });
    assert.deepEqual(store.asked, []);
    const ids = [await large(), await large(HUGE)];
    assert.deepEqual(held(), ids.map(keyOf).sort());
    assert.deepEqual(await all(verify(spool)), []);
    const claim = await spool.claim({ lane: HOME, lease: HOUR }, "turn/1");
    if (typeof claim === "string") throw new Error(claim);
    const sizes: number[] = [];
    for (let mail = await claim.next(); mail !== undefined; mail = await claim.next()) {
      sizes.push((await octets(mail.content())).length - mail.size);
      const [{ address } = { address: "" }] = mail.envelope.recipients;
      await claim.settle(mail, [{ to: address, result: "delivered", reply: reply(250, "2.0.0", "stored") }]);
    }
    await spool.close();
    assert.deepEqual([sizes, held()], [[0, 0, 0], []]);
  });

  it("keeps no body of a message that it had, and takes nothing whose body the store does not have", async () => {
    const origin = { spool: "s", message: "m" };
    const types = [];
    for (let n = 0; n < 2; n++) types.push((await post(spool, { body: LARGE, origin, expires })).type);
    assert.deepEqual([types, held().length], [["stored", "had"], 1]);
    store.fate = () => ({ status: 403, code: "AccessDenied" });
    await assert.rejects(large(), { name: "SpoolError", fault: "denied" });
    store.fate = ({ method }) => (method === "POST" ? "lost before" : { status: 507, code: "QuotaExceeded" });
    assert.equal((await post(spool, { body: LARGE, expires })).type, "full");
    await stored(spool, { expires });
    assert.equal(await spool.count({}), 2);
  });

  it("takes nothing whose body came so slowly that a sweep might take it", async () => {
    const clock = new HandClock();
    const late = await open(placed(), { clock });
    clock.sleep(Date.now() - 13 * HOUR - clock.now());
    const draft = late.begin(acceptance({ expires }));
    await draft.write(LARGE);
    await assert.rejects(draft.commit({}), { fault: "io", message: /took more than half a day to come$/ });
    clock.sleep(2 * HOUR);
    await stored(late, { body: LARGE, expires });
    await late.close();
  });

  it("is swept of what no row names a day later, by one node an hour, and of nothing else", async () => {
    const named = (ago: number) => {
      const clock = new HandClock();
      clock.sleep(Date.now() - ago - clock.now());
      return uuids(clock, systemRandom)();
    };
    const [old, young, kept] = [named(25 * HOUR), named(23 * HOUR), await large()];
    const ancient = named(300 * DAY);
    store.objects.set(keyOf(old), Buffer.from("x"));
    store.objects.set(keyOf(young), Buffer.from("x"));
    store.objects.set(`relay/another/${old}`, Buffer.from("x"));
    // Held for long: its row is what keeps it.
    store.objects.set(keyOf(ancient), store.objects.get(keyOf(kept)) ?? Buffer.alloc(0));
    await server.sql(`UPDATE ${schema()}.body SET name = 's3/${ancient}' WHERE name = 's3/${kept}'`);
    store.objects.delete(keyOf(kept));
    const all4 = [`relay/another/${old}`, keyOf(ancient), keyOf(old), keyOf(young)];
    await (await open()).close();
    assert.deepEqual(held().sort(), [...all4].sort());
    assert.deepEqual(await all(verify(spool)), [
      { type: "orphan", file: `s3/${old}` },
      { type: "orphan", file: `s3/${young}` },
    ]);
    await server.sql(`UPDATE ${schema()}.meta SET value = now() - interval '1 hour' WHERE key = 'swept'`);
    await swept();
    assert.deepEqual(held().sort(), all4.filter((key) => key !== keyOf(old)).sort());
  });

  /** A node sweeps at its start. */
  async function swept(): Promise<void> {
    const gone = Promise.withResolvers<void>();
    const log = {
      log: (_: unknown, event: string) => event === "abandoned bodies removed" && gone.resolve(),
    };
    const node = await openPostgres({
      ...{
        address: placed(),
        clock: systemClock,
        random: systemRandom,
        log,
        actor: "serve",
        id: undefined,
        asIs: false,
      },
    });
    await gone.promise;
    await node.close();
  }

  it("tells what the store has lost, and nothing of what it cannot be asked", async () => {
    const [lost, spoilt] = [await large(), await large()];
    store.fate = () => ({ status: 403, code: "AccessDenied" });
    await assert.rejects(all(verify(spool)), { fault: "denied" });
    store.fate = () => "done";
    store.objects.delete(keyOf(lost));
    store.objects.set(keyOf(spoilt), Buffer.alloc(LARGE.length));
    assert.deepEqual(await all(verify(spool)), [
      { type: "missing", ids: [lost] },
      { type: "damaged", ids: [spoilt] },
    ]);
  });

  it("gets mail from other spools, and gives it back", async () => {
    const clock = new HandClock();
    const embedded = (name: string, n: number) =>
      openSpool({
        ...{ path: `${folder.path}/${name}.db`, clock, random: seeded(n), log: silent, files: systemFiles },
        thread: "here",
      });
    const [from, back] = [await embedded("from", 1), await embedded("back", 2)];
    try {
      await stored(from, { body: LARGE });
      await stored(from, { body: HUGE });
      await stored(from);
      assert.equal((await migrate(from.moving, spool.moving)).moved, 3);
      assert.equal(held().length, 2);
      assert.deepEqual(await all(verify(spool)), []);
      store.fate = () => ({ status: 403, code: "AccessDenied" });
      await assert.rejects(migrate(spool.moving, back.moving), { fault: "denied" });
      store.fate = () => "done";
      const { moved, damaged } = await migrate(spool.moving, back.moving);
      assert.deepEqual([moved, damaged], [3, []]);
      assert.deepEqual(await all(verify(back)), []);
      await all(spool.act({ type: "remove" }, {}, OPERATOR));
    } finally {
      await Promise.all([from.close(), back.close()]);
    }
    await spool.close();
    assert.deepEqual(held(), []);
  });

  it("is one place for all nodes: who is not told learns it, and who is told another does not start", async () => {
    const elsewhere = server.spool();
    [path] = [elsewhere];
    const first = await openPostgres({
      ...{
        address: path,
        clock: systemClock,
        random: systemRandom,
        log: silent,
        actor: "serve",
        id: undefined,
      },
      asIs: false,
    });
    const before = await stored(first, { body: LARGE, expires });
    assert.deepEqual(held(), []);
    const second = await open();
    const id = await stored(second, { body: LARGE, expires });
    assert.deepEqual(held(), [`relay/${second.id}/${id}`]);
    const env = { AWS_ACCESS_KEY_ID: KEYS.id, AWS_SECRET_ACCESS_KEY: KEYS.secret };
    Object.assign(process.env, env);
    try {
      // Both read both: pieces of before, and an object that came after one of them had started.
      for (const node of [first, second])
        for (const each of [before, id])
          assert.equal((await octets((await node.content(each)) ?? [])).length, 300_019);
      const third = await open(path);
      await stored(third, { body: LARGE, expires });
      assert.equal(held().length, 2);
      await third.close();
    } finally {
      for (const name of Object.keys(env)) delete process.env[name];
    }
    await assert.rejects(open(placed("s3://mail/other")), {
      ...{ name: "SpoolError", fault: "request" },
      message: /^the spool keeps its bodies in s3:\/\/mail\/relay\/\?.*, not in s3:\/\/mail\/other\/\?/,
    });
    await assert.rejects(open(path, { table: steps.slice(0, 1) }), { fault: "version" });
    // As the page says, once the objects are there.
    const moved = `s3://mail/other/?endpoint=${store.endpoint}&region=us-east-1`;
    await server.sql(`UPDATE ${schema()}.meta SET value = '${moved}' WHERE key = 'bodies'`);
    await (await open(placed("s3://mail/other"))).close();
    await Promise.all([first.close(), second.close()]);
  });

  const schema = () => /schema=(\w+)/.exec(path)?.[1] ?? "";
});
