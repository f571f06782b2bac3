import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { StatsJson } from "../../src/admin/schema.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { migrate } from "../../src/spool/migrate.ts";
import { openSpool } from "../../src/spool/open.ts";
import { openPostgres } from "../../src/spool/postgres/open.ts";
import { type Step, steps } from "../../src/spool/postgres/schema.ts";
import type { Change } from "../../src/spool/records.ts";
import { RemoteQueue } from "../../src/spool/remote.ts";
import type { Claim, Held, Lane, Settlement } from "../../src/spool/spool.ts";
import { damage, verify } from "../../src/spool/verify.ts";
import { reply } from "../../src/wire/reply.ts";
import { FULL, openAdmin } from "../admin/support.ts";
import { cutterTo } from "../support/cutter.ts";
import { type Postgresql, startPostgresql, withPostgresqlOnBun } from "../support/postgresql.ts";
import { freePort } from "../support/processes.ts";
import {
  acceptance,
  all,
  DAY,
  HandClock,
  HOME,
  MINUTE,
  OUT,
  octets,
  post,
  START,
  seeded,
  stored,
  temporary,
  turnsLeft,
  WORK,
} from "./support.ts";

const LEASE = 5 * MINUTE;
const OPERATOR = { name: "cli:root", reason: "because" };
const LARGE = new Uint8Array(700_000).fill(120);

describe("nodes of one shared spool", withPostgresqlOnBun(), () => {
  let server: Postgresql;
  let path: string;
  let clock: HandClock;
  let a: EmbeddedSpool;
  let b: EmbeddedSpool;
  let seed = 100;

  const open = (address = path, table?: readonly Step[]) =>
    openPostgres({
      ...{ address, clock, lineClock: systemClock, random: seeded(seed++), log: silent, actor: "serve" },
      ...{ id: undefined, asIs: false, steps: table },
    });

  before(async () => {
    server = await startPostgresql({ port: await freePort() });
    path = server.spool();
    clock = new HandClock();
    await (await open()).close();
  });
  after(() => server.stop());
  beforeEach(async () => {
    await server.empty(path);
    clock = new HandClock();
    [a, b] = await Promise.all([open(), open()]);
  });
  afterEach(async () => {
    await Promise.all([a.close(), b.close()]);
  });

  async function claim(spool: EmbeddedSpool, holder = "turn/1"): Promise<Claim> {
    const claimed = await spool.claim({ lane: HOME, lease: LEASE }, holder);
    if (typeof claimed === "string") throw new Error(`the lane is ${claimed}`);
    return claimed;
  }

  const delivered = (held: Held): readonly Settlement[] =>
    held.envelope.recipients.map(({ address }) => ({
      ...{ to: address, result: "delivered", reply: reply(250, "2.0.0", "stored") },
    }));

  it("what one takes in, or lets go, the others hear of without asking", async () => {
    const next = (spool: EmbeddedSpool) =>
      new Promise<Lane | undefined>((resolve) => {
        const end = spool.onChange((lane) => {
          end();
          resolve(lane);
        });
      });
    const direction = (lane: Lane | undefined) => `${lane?.direction} ${lane?.customer}`;
    let heard = next(b);
    await stored(a);
    assert.equal(direction(await heard), "turn home");
    assert.deepEqual(b.usage(HOME), a.usage(HOME));
    heard = next(a);
    await all(b.act({ type: "hold" }, {}, OPERATOR));
    assert.equal(direction(await heard), "turn home");
  });

  it("two turns of one customer on two nodes share the mail, each message in one of them", async () => {
    const ids = await Promise.all(Array.from({ length: 160 }, () => stored(a)));
    const turns = await Promise.all([claim(a), claim(b)]);
    const taken = await Promise.all(
      turns.map(async (turn) => {
        const own: string[] = [];
        for (let held = await turn.next(); held !== undefined; held = await turn.next()) {
          own.push(held.id);
          await turn.settle(held, delivered(held));
        }
        return own;
      }),
    );
    assert.deepEqual(taken.flat().sort(), [...ids].sort());
    assert.deepEqual(
      taken.map((own) => own.length > 0),
      [true, true],
    );
    assert.equal(await b.count({}), 0);
    assert.deepEqual(await all(verify(b)), []);
  });

  it("a holder's name is its node's own: a late settlement of the same name elsewhere is refused", async () => {
    const id = await stored(a);
    const late = await claim(a);
    const held = await late.next();
    clock.sleep(LEASE);
    const taken = await (await claim(b)).next();
    assert.equal(taken?.id, id);
    await late.settle(held!, delivered(held!));
    const [entry] = await all(b.list({}));
    assert.deepEqual(
      entry?.recipients.map(({ state }) => state),
      ["leased"],
    );
  });

  it("the same message brought to both at once is stored by one", async () => {
    for (let n = 0; n < 8; n++) {
      const origin = { spool: "s", message: `m${n}` };
      const types = (await Promise.all([a, b, a, b].map((node) => post(node, { origin })))).map(
        ({ type }) => type,
      );
      assert.deepEqual(types.sort(), ["had", "had", "had", "stored"]);
    }
    assert.equal(await a.count({}), 8);
  });

  it("doubles brought to both at once are one", async () => {
    const double = async (node: EmbeddedSpool) => {
      const draft = node.begin({ ...acceptance({}), doubles: "remove" });
      await draft.write(new TextEncoder().encode("Message-ID: <1@x>\r\n\r\nhello\r\n"));
      return (await draft.commit({})).type;
    };
    assert.deepEqual((await Promise.all([double(a), double(b)])).sort(), ["had", "stored"]);
  });

  it("expiry is done once, and so is the notice of it", async () => {
    const ids = await Promise.all(
      Array.from({ length: 60 }, (_, n) => stored(n % 2 === 0 ? a : b, { expires: START + DAY })),
    );
    const expired = await Promise.all([a.expire(START + DAY), b.expire(START + DAY), a.expire(START + DAY)]);
    const rest = await b.expire(START + DAY);
    assert.deepEqual([...expired.flat(), ...rest].sort(), [...ids].sort());
    const [debt] = await a.owed(1);
    assert.ok(debt !== undefined);
    const notice = async (node: EmbeddedSpool) => {
      const draft = node.begin({ ...acceptance({ lane: OUT }), pays: { notices: debt.notices } });
      await draft.write(new Uint8Array(9));
      return (await draft.commit({})).type;
    };
    assert.deepEqual((await Promise.all([notice(a), notice(b)])).sort(), ["had", "stored"]);
    assert.equal((await b.owed(100)).length, 59);
    assert.deepEqual(await all(verify(a)), []);
  });

  it("counters are right when both change the same entries at once", async () => {
    const ids = await Promise.all(
      Array.from({ length: 40 }, () =>
        stored(a, {
          postings: [HOME, WORK].map((lane) => ({
            lane,
            recipients: [{ address: `x@${lane.customer}.example`, notify: [] }],
            expires: START + DAY,
          })),
          body: LARGE.subarray(0, 200_000),
        }),
      ),
    );
    const acts = [
      all(a.act({ type: "remove" }, { customer: "home" }, OPERATOR)),
      all(b.act({ type: "remove" }, {}, OPERATOR)),
      all(a.act({ type: "move", customer: "elsewhere" }, { customer: "work" }, OPERATOR)),
      all(b.act({ type: "move", customer: "home" }, { customer: "work" }, OPERATOR)),
    ];
    await Promise.all(acts);
    await all(b.act({ type: "remove" }, {}, OPERATOR));
    assert.equal(ids.length, 40);
    assert.deepEqual(await all(verify(a)), []);
    assert.equal(await server.sql(`SELECT count(*) FROM ${schema()}.body, ${schema()}.piece`), "0");
  });

  it("watchers of one node are told every change of another, once", async () => {
    const ending = new AbortController();
    const events: Change[] = [];
    const watching = (async () => {
      for await (const change of b.records.watch(ending.signal)) events.push(change);
    })();
    const seen = () => events.flatMap((change) => (change.type === "event" ? [change.event.id] : []));
    // A watcher is told of what happens after it has looked for the first time.
    while (seen().length === 0) await Promise.all([stored(b), tick()]);
    const ids = await Promise.all(Array.from({ length: 40 }, (_, n) => stored(n % 2 === 0 ? a : b)));
    while (!ids.every((id) => seen().includes(id))) await tick();
    ending.abort();
    await watching;
    assert.equal(new Set(seen()).size, seen().length);
  });

  /** Lets the hand clock's timers ring, and the database answer. */
  async function tick(): Promise<void> {
    clock.pass(500);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }

  const schema = () => /schema=(\w+)/.exec(path)?.[1] ?? "";

  it("turns of long ago are forgotten, but each customer's last", async () => {
    assert.deepEqual(await turnsLeft(a, clock), ["away", "home", "work", "work", "away", "home"]);
  });

  it("the nodes are known, by host and version, and the dead ones as such", async () => {
    const nodes = await a.records.nodes();
    assert.deepEqual(
      nodes.map(({ actor, alive }) => [actor, alive]),
      [
        ["serve", true],
        ["serve", true],
      ],
    );
    assert.equal(nodes.filter(({ self }) => self).length, 1);
    const admin = await openAdmin({ spool: a });
    assert.equal((await admin.read<StatsJson>("/api/v1/stats")).nodes.length, 2);
    assert.equal((await admin.read<{ entries: number }>("/api/v1/stats")).entries, 0);
    await admin.close();
    await server.sql(`UPDATE ${schema()}.node SET seen = now() - interval '2 minutes'`);
    assert.deepEqual(
      (await b.records.nodes()).map(({ alive }) => alive),
      [false, false],
    );
    await server.sql(
      `UPDATE ${schema()}.node SET seen = now(), name = 'mx-<1>' WHERE id = (SELECT min(id::text)::uuid FROM ${schema()}.node)`,
    );
    await shownNodes(b);
  });

  /** By the admin interface and its dashboard, and from afar. */
  async function shownNodes(spool: EmbeddedSpool): Promise<void> {
    const admin = await openAdmin({ spool });
    try {
      const headers = { host: "localhost", origin: "http://localhost" };
      const body = new URLSearchParams({ secret: FULL });
      const signed = await admin.app.request("/sign-in", { method: "POST", headers, body });
      const cookie = signed.headers.get("set-cookie")?.split(";")[0] ?? "";
      const page = await (await admin.app.request("/", { headers: { ...headers, cookie } })).text();
      const [table = ""] = /<section[^>]*aria-labelledby="nodes".*?<\/section>/s.exec(page) ?? [];
      assert.equal(table.match(/<tr>/g)?.length, 3, page);
      assert.match(table, /mx-&lt;1&gt;<span class="under">serve.*at work.*not seen for/s);
      const url = new URL("http://localhost");
      const ask = ((to, init) => admin.app.request(new Request(to, init))) as typeof fetch;
      const remote = new RemoteQueue({ url, token: FULL, clock: systemClock, fetch: ask });
      assert.deepEqual(await remote.nodes(), await spool.records.nodes());
    } finally {
      await admin.close();
    }
  }

  it("a node that runs while the tables become too new for it takes nothing more, and says why", async () => {
    const [lineClock, told] = [new HandClock(), Promise.withResolvers<unknown>()];
    const shared = server.spool();
    const log = {
      log: (_: unknown, event: string) => event === "the node's beat was missed" && told.resolve(0),
    };
    const running = await openPostgres({
      ...{ address: shared, clock, lineClock, random: seeded(seed++), log, actor: "serve" },
      ...{ id: undefined, asIs: false },
    });
    await stored(running);
    const step: Step = { sql: "ALTER TABLE message ADD COLUMN strange TEXT", least: steps.length + 1 };
    const newer = await open(shared, [...steps, step]);
    lineClock.pass(10_000);
    await told.promise;
    await assert.rejects(stored(running), { name: "SpoolError", fault: "version" });
    await stored(newer);
    assert.equal(await newer.count({}), 2);
    await Promise.all([running.close(), newer.close()]);
  });

  it("a body of which the database forgot a piece is not accepted, and one that lost it later is told", async () => {
    const draft = a.begin(acceptance({}));
    await draft.write(LARGE);
    for (let n = 0; n < 3; n++) await draft.write(LARGE);
    await server.sql(`DELETE FROM ${schema()}.piece WHERE n = 1`);
    await assert.rejects(draft.commit({}), { name: "SpoolError", fault: "io" });
    assert.equal(await a.count({ gone: true }), 0);
    const id = await stored(a, { body: LARGE });
    assert.deepEqual(await all(verify(b)), []);
    await server.sql(`DELETE FROM ${schema()}.piece WHERE n = 2`);
    assert.deepEqual(await all(damage(b)), [{ type: "missing", ids: [id] }]);
    await assert.rejects(async () => await octets((await b.content(id)) ?? []), { name: "SpoolError" });
  });

  it("mail moves here and back with all that is known of it", async () => {
    const folder = temporary();
    const embedded = (name: string, n: number) =>
      openSpool({
        ...{ path: `${folder.path}/${name}.db`, clock, random: seeded(n), log: silent, files: systemFiles },
        thread: "here",
      });
    const [from, back] = [await embedded("from", 1), await embedded("back", 2)];
    try {
      await stored(from, { to: ["a@example.org", "b@example.org"], body: LARGE });
      const gone = await stored(from, { lane: WORK, origin: { spool: "s", message: "m" } });
      await stored(from, { expires: START + 1 });
      await all(from.act({ type: "bounce" }, { recipient: "a@example.org" }, OPERATOR));
      await all(from.act({ type: "remove" }, { ids: [gone] }, OPERATOR));
      await from.expire(START + 1);
      await from.records.addHoldRule({ sender: "*@spam.example", reason: "spam", actor: "cli:root" });
      const { moved, damaged } = await migrate(from.moving, a.moving);
      assert.deepEqual([moved, damaged], [3, []]);
      // What arrives and leaves meanwhile is caught up with.
      await stored(from);
      await all(from.act({ type: "remove" }, { recipient: "b@example.org" }, OPERATOR));
      const second = await migrate(from.moving, b.moving);
      assert.deepEqual([second.moved, second.left], [1, 1]);
      assert.equal((await migrate(a.moving, back.moving)).moved, 4);
      for (const spool of [a, back]) {
        assert.deepEqual(
          sorted(await all(spool.list({ gone: true }))),
          sorted(await all(from.list({ gone: true }))),
        );
        assert.deepEqual(sorted(await all(spool.history({}))), sorted(await all(from.history({}))));
        assert.deepEqual(await spool.records.holdRules(), await from.records.holdRules());
        assert.equal((await spool.owed(9)).length, (await from.owed(9)).length);
        assert.deepEqual(await all(verify(spool)), []);
      }
      assert.deepEqual(await post(back, { origin: { spool: "s", message: "m" } }), { type: "had" });
    } finally {
      await Promise.all([from.close(), back.close()]);
      folder.remove();
    }
  });

  const sorted = (items: readonly object[]) => items.map((item) => JSON.stringify(item)).sort();

  it("a lost answer is looked up: wherever the line is cut, a message is stored once, and the caller knows", async () => {
    const cutter = await cutterTo(server.port ?? 0);
    const cut = await open(path.replace(String(server.port), String(cutter.port)));
    try {
      await stored(cut);
      let cuts = 0;
      for (let answers = 0; ; answers++) {
        const before = await b.count({});
        cutter.after(answers);
        await stored(cut, { subject: `cut ${answers}` });
        assert.equal(await b.count({ gone: true }), before + 1, `cut at answer ${answers}`);
        if (!cutter.cut) break;
        cuts++;
      }
      // The beginning, the statements and the commit have an answer each, at least.
      assert.ok(cuts >= 3, `${cuts} cuts`);
      cutter.after(Number.POSITIVE_INFINITY);
      const turn = await claim(cut);
      for (let answers = 0; ; answers++) {
        const held = await turn.next();
        if (held === undefined) break;
        cutter.after(answers % 7);
        await turn.settle(held, delivered(held));
      }
      assert.equal(await b.count({}), 0);
      assert.deepEqual(await all(verify(b)), []);
    } finally {
      await cut.close();
      await cutter.close();
    }
  });

  it("without a database mail is refused for now, and taken again when it is back", async () => {
    const cutter = await cutterTo(server.port ?? 0);
    const cut = await open(path.replace(String(server.port), String(cutter.port)));
    await stored(cut);
    const crashed = server.crash();
    const during = post(cut).then(
      ({ type }) => type,
      (error: { fault: string }) => error.fault,
    );
    await crashed;
    assert.ok(["stored", "busy"].includes(await during));
    await stored(cut);
    assert.deepEqual(await all(verify(cut)), []);
    await cut.close();
    await cutter.close();
  });

  it("nodes of two versions work together, and one that is too old for the tables refuses", async () => {
    const more: Step = { sql: "ALTER TABLE message ADD COLUMN later TEXT", least: 1 };
    const other: Step = { sql: "ALTER TABLE message ADD COLUMN strange TEXT", least: steps.length + 2 };
    const rolled = server.spool();
    const old = await open(rolled);
    const young = await open(rolled, [...steps, more]);
    await stored(old);
    await stored(young);
    assert.equal(await old.count({}), 2);
    const again = await open(rolled);
    await again.close();
    const newest = await open(rolled, [...steps, more, other]);
    await assert.rejects(open(rolled), { name: "SpoolError", fault: "version" });
    await assert.rejects(open(rolled, [...steps, more]), { name: "SpoolError", fault: "version" });
    await stored(newest);
    await Promise.all([old, young, newest].map((spool) => spool.close()));
  });

  it("many nodes may make the tables at once", async () => {
    const fresh = server.spool();
    const nodes = await Promise.all(Array.from({ length: 4 }, () => open(fresh)));
    assert.equal(new Set(nodes.map(({ id }) => id)).size, 1);
    assert.equal(new Set(nodes.map(({ secret }) => secret)).size, 1);
    await Promise.all(nodes.map((node) => node.close()));
  });
});
