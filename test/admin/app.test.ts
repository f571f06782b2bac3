import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type {
  CustomerJson,
  EntryJson,
  EventJson,
  ProblemJson,
  RuleJson,
  StatsJson,
  TurnJson,
} from "../../src/admin/schema.ts";
import { DAY, HOME, MINUTE, OUT, START, stored, WORK } from "../spool/support.ts";
import { type Admin, openAdmin, READ } from "./support.ts";

interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}
interface Acted {
  readonly action: string;
  readonly dryRun: boolean;
  readonly ids: readonly string[];
  readonly next: string | null;
}

const NOBODY = "01900000-0000-7000-8000-000000000000";
const iso = (at: number) => new Date(at).toISOString();

describe("the admin interface", () => {
  const opened: Admin[] = [];
  after(async () => {
    for (const admin of opened) await admin.close();
  });
  const fresh = async (): Promise<Admin> => {
    const admin = await openAdmin();
    opened.push(admin);
    return admin;
  };

  it("shows an entry with the contract's fields", async () => {
    const { spool, read } = await fresh();
    const id = await stored(spool);
    const expected: EntryJson = {
      ...{ id, direction: "turn", customer: "home", state: "waiting", sender: "ann@sender.example" },
      recipients: [
        {
          ...{ address: "bob@example.org", state: "waiting", attempts: 0 },
          ...{ nextAttempt: iso(START), reply: null },
        },
      ],
      ...{ size: 44, arrived: iso(START), expires: iso(START + 30 * DAY), subject: "hello" },
      source: { protocol: "ESMTPS", peer: "mx.sender.example [192.0.2.1]", auth: null },
    };
    assert.deepEqual(await read(`/api/v1/queue/${id}`), expected);
    assert.deepEqual(await read(`/api/v1/queue/${id.toUpperCase()}`), expected);
    assert.deepEqual(await read("/api/v1/queue"), { items: [expected], next: null });
  });

  it("lists what every filter chooses, as the command line does", async () => {
    const { spool, clock, read } = await fresh();
    const small = await stored(spool);
    clock.pass(2 * MINUTE);
    const large = await stored(spool, {
      ...{ from: "", to: ["eve@work.example"], lane: WORK, body: "x".repeat(5000), arrived: clock.now() },
    });
    const chosen = async (query: string) =>
      (await read<Page<EntryJson>>(`/api/v1/queue?${query}`)).items.map(({ id }) => id);
    const cases: readonly (readonly [query: string, ids: readonly string[]])[] = [
      ["", [small, large]],
      ["sort=newest", [large, small]],
      ["sort=largest", [large, small]],
      ["customer=work", [large]],
      ["direction=outgoing", []],
      ["sender=%3C%3E", [large]],
      ["recipient=bob@*", [small]],
      ["domain=work.*", [large]],
      ["largerThan=1kB", [large]],
      ["smallerThan=1000", [small]],
      ["olderThan=1m", [small]],
      ["newerThan=1m", [large]],
      [`arrivedAfter=${iso(START + MINUTE)}`, [large]],
      [`arrivedBefore=${iso(START + MINUTE)}`, [small]],
      [`ids=${small},${NOBODY}`, [small]],
      ["state=held", []],
      ["state=waiting&customer=home", [small]],
    ];
    for (const [query, ids] of cases) {
      assert.deepEqual(await chosen(query), ids, query);
      const { count } = await read<{ count: number }>(`/api/v1/queue/count?${query.replace(/sort=\w+/, "")}`);
      assert.equal(count, ids.length, query);
    }
  });

  it("pages on with a cursor", async () => {
    const { spool, read } = await fresh();
    const ids = [await stored(spool), await stored(spool), await stored(spool)];
    const seen: string[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const page: Page<EntryJson> = await read(`/api/v1/queue?limit=2${cursor && `&cursor=${cursor}`}`);
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.next;
    }
    assert.deepEqual(seen, ids);
  });

  it("holds, releases, retries, moves, bounces and deletes one entry, and its history says who and why", async () => {
    const { spool, ask, post, read } = await fresh();
    const id = await stored(spool);
    const other = await stored(spool, { lane: WORK });
    for (const [way, body] of [
      ["hold", { reason: "look" }],
      ["release", {}],
      ["retry", {}],
    ] as const) {
      const response = await post(`/api/v1/queue/${id}/${way}`, body);
      assert.deepEqual(await response.json(), { action: way, dryRun: false, ids: [id], next: null });
    }
    assert.equal((await post(`/api/v1/queue/${other}/move`, { customer: "home" })).status, 200);
    assert.equal((await post(`/api/v1/queue/${other}/move`, { customer: "nobody" })).status, 400);
    assert.equal((await post(`/api/v1/queue/${other}/bounce`, {})).status, 200);
    assert.equal((await ask(`/api/v1/queue/${id}?reason=spam`, { method: "DELETE" })).status, 200);
    assert.equal((await read<EntryJson>(`/api/v1/queue/${id}`)).state, "removed");
    const { items } = await read<Page<EventJson>>(`/api/v1/queue/${id}/history`);
    assert.deepEqual(
      items.map(({ what, actor, reason }) => [what, actor, reason]),
      [
        ["accepted", "odmr", "ESMTPS from mx.sender.example [192.0.2.1]"],
        ["held", "api:full", "look"],
        ["released", "api:full", ""],
        ["retried", "api:full", ""],
        ["removed", "api:full", "spam"],
      ],
    );
    const moved = await read<Page<EventJson>>(`/api/v1/history?ids=${other}&limit=2`);
    assert.deepEqual(
      moved.items.map(({ what }) => what),
      ["accepted", "moved"],
    );
    assert.notEqual(moved.next, null);
  });

  it("an action needs no body, and nothing happens twice", async () => {
    const { spool, ask } = await fresh();
    const id = await stored(spool);
    const hold = () => ask(`/api/v1/queue/${id}/hold`, { method: "POST" });
    assert.deepEqual(((await (await hold()).json()) as Acted).ids, [id]);
    assert.deepEqual(((await (await hold()).json()) as Acted).ids, []);
  });

  it("acts on all that a filter chooses, by the page, and first says what it would do", async () => {
    const { spool, post } = await fresh();
    const ids = [await stored(spool), await stored(spool), await stored(spool)];
    await stored(spool, { lane: WORK });
    const act = async (body: object) =>
      (await (await post("/api/v1/queue/actions", { action: "hold", ...body })).json()) as Acted;
    const filter = { customer: "home" };
    assert.deepEqual(await act({ filter, dryRun: true }), { action: "hold", dryRun: true, ids, next: null });
    const first = await act({ filter, limit: 2 });
    assert.deepEqual(first.ids, ids.slice(0, 2));
    assert.deepEqual((await act({ filter, limit: 2, cursor: first.next })).ids, [ids[2]]);
    assert.equal((await act({ action: "remove", all: true })).ids.length, 4);
  });

  it("an action without a filter wants all: true, and a move its customer", async () => {
    const { spool, post } = await fresh();
    await stored(spool);
    for (const body of [
      { action: "remove" },
      { action: "remove", filter: {} },
      { action: "move", all: true },
      { action: "hold", all: true, customer: "home" },
      { action: "hold", all: true, extra: 1 },
      { action: "burn", all: true },
    ])
      assert.equal((await post("/api/v1/queue/actions", body)).status, 400, JSON.stringify(body));
    assert.equal(await spool.count({ state: "waiting" }), 1);
  });

  it("gives a message as an attachment that no browser will show as a page", async () => {
    const { spool, ask } = await fresh();
    const id = await stored(spool, { body: "Subject: x\r\n\r\n<script>alert(1)</script>\r\n" });
    const response = await ask(`/api/v1/queue/${id}/message`);
    assert.equal(
      await response.text(),
      "Received: from mx\r\nSubject: x\r\n\r\n<script>alert(1)</script>\r\n",
    );
    assert.equal(response.headers.get("content-type"), "message/rfc822");
    assert.equal(response.headers.get("content-disposition"), `attachment; filename="${id}.eml"`);
    assert.equal(response.headers.get("x-content-type-options"), "nosniff");
    assert.match(response.headers.get("content-security-policy") ?? "", /sandbox/);
    assert.equal((await ask(`/api/v1/queue/${NOBODY}/message`)).status, 404);
  });

  it("a large message comes in pieces, whole", async () => {
    const { spool, ask } = await fresh();
    const body = new Uint8Array(700_000).fill(65);
    const id = await stored(spool, { body });
    const octets = await (await ask(`/api/v1/queue/${id}/message`)).arrayBuffer();
    assert.equal(octets.byteLength, body.length + "Received: from mx\r\n".length);
  });

  it("shows customers with what waits for them and when they called, and those it does not know", async () => {
    const { spool, clock, read } = await fresh();
    await stored(spool);
    await stored(spool, { lane: WORK });
    await stored(spool, { lane: OUT });
    const turn = spool.records.turn({ side: "provider", customer: "home", peer: "192.0.2.7" });
    clock.pass(10);
    await turn.end();
    const { items } = await read<Page<CustomerJson>>("/api/v1/customers");
    const [home, work] = items;
    assert.equal(items.length, 2);
    assert.deepEqual(
      { ...home, lastTurn: home?.lastTurn?.state },
      {
        ...{ name: "home", configured: true, domains: ["example.org", "example.com"], recipients: null },
        ...{ hold: 30 * 86_400, quota: null, entries: 1, octets: 44, oldest: iso(START), lastTurn: "done" },
      },
    );
    assert.deepEqual([work?.name, work?.configured, work?.entries], ["work", false, 1]);
  });

  it("lists turns newest first, by the page, and sums", async () => {
    const { spool, clock, read } = await fresh();
    for (const why of [undefined, "the line was lost"]) {
      clock.pass(1);
      await spool.records.turn({ side: "provider", customer: "home", peer: "::1" }).end(why);
    }
    const first = await read<Page<TurnJson>>("/api/v1/turns?limit=1");
    assert.deepEqual(
      first.items.map(({ state, why }) => [state, why]),
      [["failed", "the line was lost"]],
    );
    const rest = await read<Page<TurnJson>>(`/api/v1/turns?limit=9&cursor=${first.next}`);
    assert.deepEqual(
      rest.items.map(({ state }) => state),
      ["done"],
    );
    await stored(spool);
    const stats = await read<StatsJson>("/api/v1/stats");
    assert.deepEqual([stats.spool, stats.entries, stats.octets], [spool.id, 1, 44]);
    assert.deepEqual(stats.lanes, [
      { ...HOME, entries: 1, octets: 44, oldest: iso(START), held: 0, leased: 0 },
    ]);
    assert.deepEqual(stats.nodes, [], "an embedded spool has none");
    assert.deepEqual(stats.totals, { accepted: 1, octets: 44 });
    const { items } = await read<Page<{ counts: object }>>("/api/v1/stats/series?hours=1&bucket=15m");
    assert.deepEqual(
      items.map(({ counts }) => counts),
      [{}, {}, {}, { accepted: 1 }],
    );
  });

  it("keeps hold rules", async () => {
    const { spool, ask, post, read } = await fresh();
    const made = await post("/api/v1/hold-rules", { sender: "*@spam.example", reason: "spam" });
    assert.equal(made.status, 201);
    const rule = (await made.json()) as RuleJson;
    assert.deepEqual(rule, {
      ...{ id: rule.id, customer: null, sender: "*@spam.example", recipient: null, largerThan: null },
      ...{ reason: "spam", actor: "api:full", made: iso(START) },
    });
    assert.deepEqual(await read("/api/v1/hold-rules"), { items: [rule] });
    await stored(spool, { from: "x@spam.example" });
    assert.equal(await spool.count({ state: "held" }), 1);
    assert.equal((await post("/api/v1/hold-rules", { reason: "everything" })).status, 400);
    assert.equal((await ask(`/api/v1/hold-rules/${rule.id}`, { method: "DELETE" })).status, 204);
    assert.equal((await ask(`/api/v1/hold-rules/${rule.id}`, { method: "DELETE" })).status, 404);
  });

  it("follows what happens, and goes on where a reader was", async () => {
    const { spool, ask } = await fresh();
    const ids = [await stored(spool), await stored(spool)];
    const response = await ask("/api/v1/events", { headers: { "last-event-id": "1" } });
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("event: turn")) {
      if (text.includes(ids[1]!) && !text.includes("turned"))
        void spool.records.turn({ side: "provider", customer: "turned", peer: "::1" });
      const { value, done } = await reader.read();
      if (done) break;
      text += value;
    }
    await reader.cancel();
    assert.match(text, /^retry: 2000\n\nid: 2\nevent: change\ndata: \{/);
    assert.ok(!text.includes(ids[0]!));
    assert.match(text, /event: turn\ndata: .*"state":"running"/);
  });

  it("says that it is there, and whether the spool answers, without a token", async () => {
    const { app, spool } = await fresh();
    const headers = { host: "localhost" };
    for (const path of ["/healthz", "/readyz"])
      assert.equal((await app.request(path, { headers })).status, 200);
    await spool.close();
    assert.equal((await app.request("/healthz", { headers })).status, 200);
    const unready = await app.request("/readyz", { headers });
    assert.equal(unready.status, 503);
    assert.equal(((await unready.json()) as ProblemJson).detail, "the spool: closed");
  });

  it("a token that may read changes nothing", async () => {
    const { spool, ask } = await fresh();
    const id = await stored(spool);
    const headers = { authorization: `Bearer ${READ}` };
    assert.equal((await ask("/api/v1/queue", { headers })).status, 200);
    assert.equal((await ask(`/api/v1/queue/${id}/hold`, { headers, method: "POST" })).status, 403);
    assert.equal((await ask(`/api/v1/queue/${id}`, { headers, method: "DELETE" })).status, 403);
    assert.equal(await spool.count({ state: "waiting" }), 1);
  });
});
