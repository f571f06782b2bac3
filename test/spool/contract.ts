/** What every implementation of Spool promises, as a suite that each of them runs. */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { Clock } from "../../src/platform/clock.ts";
import type { Random } from "../../src/platform/random.ts";
import {
  type Action,
  type Claim,
  type Claimable,
  type Filter,
  type Held,
  type RecipientState,
  type Settlement,
  type Spool,
  SpoolError,
} from "../../src/spool/spool.ts";
import { reply } from "../../src/wire/reply.ts";
import {
  acceptance,
  all,
  DAY,
  HandClock,
  HOME,
  MINUTE,
  OUT,
  post,
  START,
  seeded,
  stored,
  string,
  text,
  WORK,
} from "./support.ts";

export interface Opened {
  readonly spool: Spool;
  /** Closes it and removes what it kept. */
  end(): Promise<void>;
}

/** Opens a new, empty spool. */
export type OpenEmpty = (tools: { readonly clock: Clock; readonly random: Random }) => Promise<Opened>;

const OPERATOR = { name: "cli:root", reason: "because" };
const LEASE = 5 * MINUTE;

const said = {
  delivered: reply(250, "2.0.0", "stored"),
  deferred: reply(451, "4.3.0", "later"),
  refused: reply(550, "5.1.1", "no such user"),
  held: reply(550, "5.7.1", "not wanted"),
  unanswered: reply(421, "4.4.2", "lost"),
  postponed: reply(451, "4.3.2", "at other hours"),
} as const;

function outcomes(held: Held, result: Settlement["result"], due?: number): readonly Settlement[] {
  return held.envelope.recipients.map(({ address }) => ({
    to: address,
    result,
    reply: said[result],
    ...(due !== undefined && { due }),
  }));
}

/** @param rounds of chance: fewer where each is slow */
export function spoolContract(name: string, open: OpenEmpty, { rounds = 200 } = {}): void {
  describe(`${name} keeps the spool's promises:`, () => {
    let spool: Spool;
    let clock: HandClock;
    let end: () => Promise<void>;
    let turns = 0;

    const fresh = async (): Promise<void> => {
      await end?.();
      clock = new HandClock();
      ({ spool, end } = await open({ clock, random: seeded(7) }));
    };
    const mail = (what: string, run: () => Promise<void>): void => {
      it(what, async () => {
        await fresh();
        await run();
      });
    };
    const claim = async (more: Partial<Claimable> = {}, holder = `test/${turns++}`): Promise<Claim> => {
      const claimed = await spool.claim({ lane: HOME, lease: LEASE, ...more }, holder);
      if (typeof claimed === "string") throw new Error(`the lane is ${claimed}`);
      return claimed;
    };
    const drain = async (from: Claim): Promise<Held[]> => {
      const held: Held[] = [];
      for (let one = await from.next(); one !== undefined; one = await from.next()) held.push(one);
      return held;
    };
    const take = async (from: Claim): Promise<Held> => {
      const held = await from.next();
      if (held === undefined) throw new Error("nothing is left");
      return held;
    };
    const only = async (filter: Filter = {}) => {
      const [entry, ...more] = await all(spool.list({ gone: true, ...filter }));
      if (entry === undefined || more.length > 0) throw new Error(`${more.length} entries too many`);
      return entry;
    };
    const states = async (filter: Filter = {}): Promise<RecipientState[]> =>
      (await only(filter)).recipients.map(({ state }) => state);
    const act = (action: Action, filter: Filter = {}, dry?: "dry") =>
      all(spool.act(action, filter, OPERATOR, dry));

    after(() => end?.());

    mail("what was stored is listed whole", async () => {
      const id = await stored(spool, { to: ["bob@example.org", "Carol@example.com"], subject: "ünïcode" });
      assert.deepEqual(await only(), {
        id,
        direction: "turn",
        customer: "home",
        state: "waiting",
        sender: "ann@sender.example",
        recipients: [
          { address: "bob@example.org", state: "waiting", attempts: 0, nextAttempt: START },
          { address: "Carol@example.com", state: "waiting", attempts: 0, nextAttempt: START },
        ],
        size: 44,
        arrived: START,
        expires: START + 30 * DAY,
        subject: "ünïcode",
        source: { protocol: "ESMTPS", peer: "mx.sender.example [192.0.2.1]" },
      });
    });

    mail("a draft knows its ids before, and they are the ones stored", async () => {
      const draft = spool.begin(acceptance({}));
      await draft.write(text("x\r\n"));
      assert.match(
        draft.ids[0] ?? "",
        /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      );
      assert.deepEqual(await draft.commit({}), { type: "stored", ids: draft.ids });
    });

    mail("a discarded draft leaves nothing, and cannot be committed", async () => {
      const draft = spool.begin(acceptance({}));
      await draft.write(new Uint8Array(300_000));
      await draft.discard();
      await draft.discard();
      await assert.rejects(draft.commit({}), SpoolError);
      assert.equal(await spool.count({ gone: true }), 0);
    });

    mail("content is trace and body, small or large, and a claim hands out the same", async () => {
      const large = "x".repeat(1000).concat("\r\n").repeat(500);
      for (const body of ["", "small\r\n", large]) {
        const id = await stored(spool, { body, trace: "Received: ä\r\n" });
        const content = await spool.content(id);
        assert.equal(content && (await string(content)), `Received: ä\r\n${body}`);
      }
      for (const held of await drain(await claim())) {
        const content = await string(held.content());
        assert.equal(Buffer.byteLength(content), held.size);
        assert.equal(await string(held.content()), content);
      }
      assert.equal(await spool.content("01900000-0000-7000-8000-000000000000"), undefined);
    });

    mail("one acceptance for two lanes makes two entries with one body, each with its trace", async () => {
      const body = "y".repeat(200_000);
      const draft = spool.begin({
        ...acceptance({
          postings: [
            { lane: HOME, recipients: [{ address: "a@example.org", notify: [] }], expires: START + DAY },
            { lane: WORK, recipients: [{ address: "b@work.example", notify: [] }], expires: START + DAY },
          ],
        }),
        trace: (id, posting) => `Received: ${id} ${posting.lane.customer}\r\n`,
      });
      await draft.write(text(body));
      const committed = await draft.commit({});
      assert.ok(committed.type === "stored");
      const [home = "", work = ""] = committed.ids;
      const turn = await claim();
      const held = await take(turn);
      await turn.settle(held, outcomes(held, "delivered"));
      assert.equal(await spool.content(home), undefined);
      const content = await spool.content(work);
      assert.equal(content && (await string(content)), `Received: ${work} work\r\n${body}`);
    });

    mail("envelope parameters come back as they went in", async () => {
      const draft = spool.begin({
        ...acceptance({}),
        envelope: { from: "", body: "8BITMIME", smtputf8: true, ret: "HDRS", envid: "e+1" },
        postings: [
          {
            lane: HOME,
            recipients: [
              { address: "a@example.org", notify: ["FAILURE", "DELAY"], orcpt: "rfc822;o@example.org" },
              { address: "b@example.org", notify: [] },
            ],
            expires: START + DAY,
          },
        ],
      });
      await draft.write(text("x\r\n"));
      await draft.commit({});
      const held = await take(await claim());
      assert.deepEqual(held.envelope, {
        from: "",
        recipients: [
          { address: "a@example.org", notify: ["FAILURE", "DELAY"], orcpt: "rfc822;o@example.org" },
          { address: "b@example.org", notify: [] },
        ],
        body: "8BITMIME",
        smtputf8: true,
        ret: "HDRS",
        envid: "e+1",
      });
      assert.deepEqual(held.attempts, [0, 0]);
    });

    mail("a recipient that is named twice gets one message", async () => {
      await stored(spool, { to: ["bob@example.org", "bob@example.org"] });
      assert.equal((await only()).recipients.length, 1);
    });

    mail("a claim hands out the oldest first, and sees what arrives meanwhile", async () => {
      const first = await stored(spool);
      clock.pass(1);
      const second = await stored(spool);
      const turn = await claim();
      assert.equal((await turn.next())?.id, first);
      clock.pass(1);
      const third = await stored(spool);
      assert.deepEqual(
        (await drain(turn)).map(({ id }) => id),
        [second, third],
      );
      assert.equal(await turn.next(), undefined);
      clock.pass(1);
      const fourth = await stored(spool);
      assert.equal((await turn.next())?.id, fourth);
    });

    mail("a claim hands out more than one batch, each message once, to many who ask at once", async () => {
      const ids = await Promise.all(Array.from({ length: 400 }, () => stored(spool)));
      const turn = await claim();
      const held = (await Promise.all(Array.from({ length: 10 }, () => drain(turn)))).flat();
      assert.deepEqual(held.map(({ id }) => id).sort(), [...ids].sort());
    });

    mail("a claim may ask for the smallest first", async () => {
      for (const n of [500, 20, 70_000, 3]) await stored(spool, { body: "x".repeat(n) });
      const sizes = (await drain(await claim({ order: "small" }))).map(({ size }) => size - 19);
      assert.deepEqual(sizes, [3, 20, 500, 70_000]);
    });

    mail("a claim may ask for domains, and gets only their recipients", async () => {
      await stored(spool, { to: ["a@example.org", "b@example.com"] });
      await stored(spool, { to: ["c@example.net"] });
      const turn = await claim({ domains: ["example.com", "example.net", "none.example"] });
      const to = (await drain(turn)).map(({ envelope }) => envelope.recipients.map(({ address }) => address));
      assert.deepEqual(to, [["b@example.com"], ["c@example.net"]]);
      const rest = await drain(await claim());
      assert.deepEqual(
        rest.map(({ envelope }) => envelope.recipients.map(({ address }) => address)),
        [["a@example.org"]],
      );
    });

    mail("an empty lane is empty, one that another holds is busy", async () => {
      const ask = (domains?: readonly string[]) =>
        spool.claim({ lane: HOME, lease: LEASE, ...(domains && { domains }) }, "other");
      assert.equal(await ask(), "empty");
      await stored(spool);
      const turn = await claim();
      assert.equal(await ask(), "busy");
      assert.equal(await ask(["example.org"]), "busy");
      assert.equal(await ask(["example.net"]), "empty");
      assert.equal(await spool.claim({ lane: WORK, lease: LEASE }, "other"), "empty");
      const held = await take(turn);
      await turn.settle(held, outcomes(held, "deferred", clock.now() + MINUTE));
      assert.equal(await ask(), "empty");
    });

    mail("delivered, refused and deferred recipients go their ways", async () => {
      await stored(spool, { to: ["a@example.org", "b@example.org", "c@example.org"] });
      const turn = await claim();
      const held = await take(turn);
      await turn.settle(held, [
        { to: "a@example.org", result: "delivered", reply: said.delivered },
        { to: "b@example.org", result: "refused", reply: said.refused },
        { to: "c@example.org", result: "deferred", reply: said.deferred, due: START + MINUTE },
      ]);
      await turn.release();
      const entry = await only({ gone: false });
      assert.equal(entry.state, "waiting");
      assert.deepEqual(entry.recipients, [
        { address: "a@example.org", state: "delivered", attempts: 1, reply: "250 2.0.0 stored" },
        { address: "b@example.org", state: "refused", attempts: 1, reply: "550 5.1.1 no such user" },
        {
          address: "c@example.org",
          state: "waiting",
          attempts: 1,
          nextAttempt: START + MINUTE,
          reply: "451 4.3.0 later",
        },
      ]);
      assert.equal(await spool.claim({ lane: HOME, lease: LEASE }, "early"), "empty");
      clock.pass(MINUTE);
      const again = await claim();
      const second = await take(again);
      assert.deepEqual(second.attempts, [1]);
      await again.settle(second, outcomes(second, "delivered"));
      assert.equal(await spool.count({}), 0);
      assert.equal(await spool.count({ gone: true }), 1);
      assert.equal(await spool.content(held.id), undefined);
      assert.deepEqual(spool.usage(HOME), { count: 0, octets: 0 });
    });

    mail("a recipient that was refused may be kept, held with its reply", async () => {
      const id = await stored(spool);
      const turn = await claim();
      const held = await take(turn);
      await turn.settle(held, outcomes(held, "held"));
      await turn.release();
      assert.deepEqual((await only({ gone: false })).recipients, [
        { address: "bob@example.org", state: "held", attempts: 1, reply: "550 5.7.1 not wanted" },
      ]);
      assert.equal(await spool.claim({ lane: HOME, lease: LEASE }, "x"), "empty");
      assert.notEqual(await spool.content(id), undefined);
      assert.deepEqual(
        (await all(spool.history({}))).map(({ what }) => what),
        ["accepted", "held"],
      );
    });

    mail("an unanswered recipient waits at once, and no attempt is counted", async () => {
      await stored(spool);
      const turn = await claim();
      const held = await take(turn);
      await turn.settle(held, outcomes(held, "unanswered"));
      assert.deepEqual((await only()).recipients, [
        { address: "bob@example.org", state: "waiting", attempts: 0, nextAttempt: START },
      ]);
      assert.deepEqual((await take(await claim())).attempts, [0]);
    });

    mail("a postponed recipient waits for its hour, and no attempt is counted", async () => {
      await stored(spool);
      const turn = await claim();
      const held = await take(turn);
      await turn.settle(held, outcomes(held, "postponed", START + 8 * 60 * MINUTE));
      await turn.release();
      assert.deepEqual((await only()).recipients, [
        { address: "bob@example.org", state: "waiting", attempts: 0, nextAttempt: START + 8 * 60 * MINUTE },
      ]);
      assert.equal(await spool.claim({ lane: HOME, lease: LEASE }, "x"), "empty");
    });

    mail("which of its targets have a message is known at the next try", async () => {
      await stored(spool);
      const turn = await claim();
      const held = await take(turn);
      assert.equal(held.done, undefined);
      const [settlement] = outcomes(held, "deferred", START);
      await turn.settle(held, [{ ...settlement!, done: ["mbox:/a", "lmtp:/b"] }]);
      await turn.release();
      const again = await take(await claim());
      assert.deepEqual(again.done, new Map([["bob@example.org", ["mbox:/a", "lmtp:/b"]]]));
    });

    mail("release gives back what was not settled, in its old order", async () => {
      const ids = [await stored(spool), await stored(spool), await stored(spool)];
      const turn = await claim();
      await take(turn);
      await turn.release();
      await turn.release();
      assert.equal(await turn.next(), undefined);
      assert.deepEqual(
        (await drain(await claim())).map(({ id }) => id),
        ids,
      );
    });

    mail("a lease that has ended is claimable, and the late settlement is dropped", async () => {
      const id = await stored(spool);
      const late = await claim({}, "late");
      const held = await take(late);
      assert.deepEqual(await states(), ["leased"]);
      clock.sleep(LEASE - 1);
      assert.equal(await spool.claim({ lane: HOME, lease: LEASE }, "soon"), "busy");
      clock.sleep(1);
      assert.deepEqual(await states(), ["waiting"]);
      const next = await claim({}, "next");
      assert.equal((await take(next)).id, id);
      await late.settle(held, outcomes(held, "delivered"));
      await late.release();
      assert.deepEqual(await states(), ["leased"]);
    });

    mail("a lease that has ended and that nobody took since still counts when it is settled", async () => {
      await stored(spool);
      const late = await claim();
      const held = await take(late);
      clock.sleep(2 * LEASE);
      await late.settle(held, outcomes(held, "delivered"));
      assert.deepEqual(await states(), ["delivered"]);
    });

    mail("a lease is renewed while its claim lives", async () => {
      await stored(spool);
      const turn = await claim();
      const held = await take(turn);
      for (let i = 0; i < 6; i++) {
        clock.pass(LEASE / 2);
        assert.equal(await spool.claim({ lane: HOME, lease: LEASE }, "other"), "busy");
      }
      await turn.settle(held, outcomes(held, "delivered"));
      assert.deepEqual(await states(), ["delivered"]);
    });

    mail("the ledger takes each recipient of a message once", async () => {
      const origin = { spool: "s", message: "m" };
      assert.equal((await post(spool, { origin, to: ["a@example.org"] })).type, "stored");
      assert.deepEqual(await post(spool, { origin, to: ["a@example.org"] }), { type: "had" });
      await stored(spool, { origin, to: ["a@example.org", "b@example.org"] });
      const [, second] = await all(spool.list({}));
      assert.deepEqual(
        second?.recipients.map(({ address }) => address),
        ["b@example.org"],
      );
      assert.deepEqual(await post(spool, { origin, to: ["b@example.org"], body: "other" }), {
        type: "conflict",
      });
      assert.deepEqual(await post(spool, { origin, to: ["b@example.org", "c@example.org"], body: "other" }), {
        type: "conflict",
      });
      assert.equal(
        (await post(spool, { origin: { ...origin, message: "n" }, body: "other" })).type,
        "stored",
      );
      assert.equal(await spool.count({}), 3);
    });

    mail("of two that bring the same message at once, one is told had", async () => {
      const origin = { spool: "s", message: "m" };
      const types = (await Promise.all([post(spool, { origin }), post(spool, { origin })])).map(
        ({ type }) => type,
      );
      assert.deepEqual(types.sort(), ["had", "stored"]);
    });

    mail("usage counts what is here, lane by lane", async () => {
      await stored(spool, { body: "12345" });
      await stored(spool, { body: "12345", lane: WORK });
      await stored(spool, { body: "12345", lane: WORK });
      assert.deepEqual(spool.usage(HOME), { count: 1, octets: 24 });
      assert.deepEqual(spool.usage(WORK), { count: 2, octets: 48 });
      assert.deepEqual(spool.usage(OUT), { count: 0, octets: 0 });
    });

    mail("filters choose by all that they name", async () => {
      const a = await stored(spool, { from: "Ann@One.example", to: ["x@example.org"], body: "1" });
      clock.pass(MINUTE);
      const b = await stored(spool, {
        from: "",
        to: ["y_y@example.org", "z@example.com"],
        body: "22",
        arrived: clock.now(),
      });
      const c = await stored(spool, {
        from: "a%b@two.example",
        lane: OUT,
        body: "333",
        arrived: clock.now(),
      });
      const cases: readonly (readonly [Filter, readonly string[]])[] = [
        [{}, [a, b, c]],
        [{ ids: [c, a] }, [a, c]],
        [{ ids: [] }, []],
        [{ ids: ["nonsense"] }, []],
        [{ direction: "turn" }, [a, b]],
        [{ direction: "local" }, []],
        [{ customer: "home" }, [a, b, c]],
        [{ customer: "home", direction: "outgoing" }, [c]],
        [{ customer: "nobody" }, []],
        [{ sender: "ann@one.example" }, [a]],
        [{ sender: "*@one.example" }, [a]],
        [{ sender: "" }, [b]],
        [{ sender: "<>" }, [b]],
        [{ sender: "?%b@*" }, [c]],
        [{ sender: "a*" }, [a, c]],
        [{ sender: "a*", direction: "turn" }, [a]],
        [{ recipient: "y_y@*" }, [b]],
        [{ recipient: "?@EXAMPLE.org" }, [a]],
        [{ recipient: "_@example.org" }, []],
        [{ recipient: "x@example.org' OR 1 --" }, []],
        [{ domain: "example.com" }, [b]],
        [{ domain: "*.org", recipient: "z@*" }, []],
        [{ state: "waiting" }, [a, b, c]],
        [{ state: "held" }, []],
        [{ arrivedBefore: START + 1 }, [a]],
        [{ arrivedAfter: START + 1 }, [b, c]],
        [{ largerThan: 20 }, [b, c]],
        [{ smallerThan: 22, largerThan: 20 }, [b]],
        [{ limit: 2 }, [a, b]],
        [{ limit: 0 }, []],
        [{ sort: "newest", limit: 1 }, [c]],
        [{ sort: "largest" }, [c, b, a]],
        [{ sort: "smallest", limit: 2 }, [a, b]],
      ];
      for (const [filter, expected] of cases) {
        const said = JSON.stringify(filter);
        assert.deepEqual(
          (await all(spool.list(filter))).map(({ id }) => id),
          expected,
          said,
        );
        assert.equal(await spool.count(filter), expected.length, said);
        const acted = await act({ type: "hold" }, filter, "dry");
        assert.deepEqual([...acted].sort(), [...expected].sort(), said);
      }
      assert.equal(await spool.count({ state: "held" }), 0);
    });

    mail("a long list comes whole and in order, page after page", async () => {
      const ids = await Promise.all(
        Array.from({ length: 1201 }, (_, i) => stored(spool, { body: "x".repeat(i % 7) })),
      );
      assert.deepEqual(
        (await all(spool.list({}))).map(({ id }) => id),
        ids,
      );
      assert.deepEqual(
        (await all(spool.list({ sort: "newest" }))).map(({ id }) => id),
        [...ids].reverse(),
      );
      assert.equal((await act({ type: "remove" }, {})).length, 1201);
      assert.equal((await all(spool.list({ gone: true, limit: 1100 }))).length, 1100);
    });

    mail("hold keeps mail from claims, release lets it go, retry makes it due now", async () => {
      const id = await stored(spool);
      assert.deepEqual(await act({ type: "hold" }), [id]);
      assert.deepEqual(await act({ type: "hold" }), []);
      assert.deepEqual(await states(), ["held"]);
      assert.equal(await spool.claim({ lane: HOME, lease: LEASE }, "x"), "empty");
      assert.deepEqual(await act({ type: "release" }), [id]);
      const turn = await claim();
      const held = await take(turn);
      await turn.settle(held, outcomes(held, "deferred", START + DAY));
      await turn.release();
      assert.equal(await spool.claim({ lane: HOME, lease: LEASE }, "x"), "empty");
      assert.deepEqual(await act({ type: "retry" }), [id]);
      assert.equal((await take(await claim())).id, id);
    });

    mail("remove and bounce end it, and an entry that has left cannot be changed", async () => {
      const a = await stored(spool);
      const b = await stored(spool);
      assert.deepEqual(await act({ type: "remove" }, { ids: [a] }), [a]);
      assert.deepEqual(await act({ type: "bounce" }, { ids: [b] }), [b]);
      assert.equal((await only({ ids: [a] })).state, "removed");
      const [bounced] = (await only({ ids: [b] })).recipients;
      assert.deepEqual(bounced, {
        address: "bob@example.org",
        state: "refused",
        attempts: 0,
        reply: "550 5.0.0 because",
      });
      for (const type of ["hold", "release", "retry", "remove", "bounce"] as const)
        assert.deepEqual(await act({ type }, { gone: true }), []);
      assert.deepEqual(spool.usage(HOME), { count: 0, octets: 0 });
      assert.equal(await spool.content(a), undefined);
    });

    mail("an action touches only the recipients that its filter names", async () => {
      await stored(spool, { to: ["a@example.org", "b@example.com"] });
      await act({ type: "remove" }, { recipient: "b@*" });
      assert.deepEqual(await states(), ["waiting", "removed"]);
    });

    mail("an action stops at its limit, in the order it was asked for", async () => {
      const ids: string[] = [];
      for (let i = 0; i < 4; i++) ids.push(await stored(spool, { body: "x".repeat(i) }));
      assert.deepEqual(await act({ type: "hold" }, { limit: 2, sort: "largest" }), [ids[3], ids[2]]);
      assert.deepEqual(await act({ type: "hold" }, { limit: 5 }), [ids[0], ids[1]]);
    });

    mail("move brings an entry to another customer, and its octets with it", async () => {
      const id = await stored(spool, { body: "12345" });
      assert.deepEqual(await act({ type: "move", customer: "work" }, {}, "dry"), [id]);
      assert.deepEqual(await act({ type: "move", customer: "work" }), [id]);
      assert.deepEqual(await act({ type: "move", customer: "work" }), []);
      assert.deepEqual(spool.usage(HOME), { count: 0, octets: 0 });
      assert.deepEqual(spool.usage(WORK), { count: 1, octets: 24 });
      assert.equal((await take(await claim({ lane: WORK }))).id, id);
      assert.deepEqual(await act({ type: "move", customer: "home" }), []);
    });

    mail("a delivery that was under way wins over a hold, and a deferred one stays held", async () => {
      const a = await stored(spool);
      const b = await stored(spool);
      const turn = await claim();
      const [first, second] = await drain(turn);
      assert.ok(first !== undefined && second !== undefined);
      assert.deepEqual(await act({ type: "hold" }), [a, b]);
      await turn.settle(first, outcomes(first, "delivered"));
      await turn.settle(second, outcomes(second, "deferred", START + MINUTE));
      assert.deepEqual(await states({ ids: [a] }), ["delivered"]);
      const [held] = (await only({ ids: [b] })).recipients;
      assert.deepEqual(held, {
        address: "bob@example.org",
        state: "held",
        attempts: 1,
        reply: "451 4.3.0 later",
      });
    });

    mail("what was removed while it was delivered stays removed", async () => {
      await stored(spool);
      const turn = await claim();
      const held = await take(turn);
      await act({ type: "remove" });
      await turn.settle(held, outcomes(held, "delivered"));
      assert.deepEqual(await states(), ["removed"]);
    });

    mail("expiry takes what has outlived its time, but nothing held or leased", async () => {
      const expires = START + DAY;
      const old = await stored(spool, { expires });
      await stored(spool, { expires: expires + DAY });
      const held = await stored(spool, { expires });
      await act({ type: "hold" }, { ids: [held] });
      await stored(spool, { expires, lane: WORK });
      const turn = await claim({ lane: WORK, lease: 10 * DAY });
      assert.deepEqual(await spool.expire(expires - 1), []);
      assert.deepEqual(await spool.expire(expires), [old]);
      assert.deepEqual(await spool.expire(expires), []);
      assert.equal((await only({ ids: [old] })).state, "expired");
      assert.equal(await spool.count({}), 3);
      await turn.release();
      assert.equal((await spool.expire(expires)).length, 1);
    });

    mail("history tells every change with who and why, oldest first", async () => {
      const id = await stored(spool);
      clock.pass(1000);
      await act({ type: "hold" });
      await act({ type: "release" });
      const turn = await claim();
      let held = await take(turn);
      await turn.settle(held, outcomes(held, "deferred", clock.now()));
      held = await take(turn);
      await turn.settle(held, outcomes(held, "delivered"));
      const other = await stored(spool);
      const events = await all(spool.history({}));
      assert.deepEqual(
        events.map(({ id, what }) => [id, what]),
        [
          [id, "accepted"],
          [id, "held"],
          [id, "released"],
          [id, "deferred"],
          [id, "delivered"],
          [other, "accepted"],
        ],
      );
      assert.deepEqual(events[1], {
        at: START + 1000,
        id,
        recipient: "bob@example.org",
        what: "held",
        actor: "cli:root",
        reason: "because",
      });
      assert.equal(events[4]?.reason, "250 2.0.0 stored");
      assert.equal((await all(spool.history({ ids: [id] }))).length, 5);
      assert.equal((await all(spool.history({ after: START }))).length, 5);
      assert.equal((await all(spool.history({ limit: 2 }))).length, 2);
    });

    mail("recipients accepted are the sum of all states, whatever happens", async () => {
      const random = seeded(2645);
      const pick = <T>(items: readonly T[]): T => items[Math.floor(random.fraction() * items.length)] as T;
      let accepted = 0;
      const deliver = async (): Promise<void> => {
        const turn = await spool.claim({ lane: pick([HOME, WORK]), lease: LEASE }, `random/${turns++}`);
        if (typeof turn === "string") return;
        for (let i = 0; i < 5; i++) {
          const held = await turn.next();
          if (held === undefined) break;
          const results = held.envelope.recipients.map(({ address }): Settlement => {
            const result = pick(["delivered", "deferred", "refused", "held", "unanswered"] as const);
            return { to: address, result, reply: said[result], due: clock.now() + MINUTE };
          });
          await turn.settle(held, results.slice(0, pick([1, 2, 3])));
        }
        await turn.release();
      };
      const steps: readonly (() => Promise<unknown>)[] = [
        async () => {
          const to = ["a@example.org", "b@example.com", "c@work.example"].slice(0, pick([1, 2, 3]));
          await stored(spool, { to, lane: pick([HOME, WORK]), expires: clock.now() + pick([1, 9]) * MINUTE });
          accepted += to.length;
        },
        deliver,
        () =>
          act(
            { type: pick(["hold", "release", "retry", "remove", "bounce"] as const) },
            { limit: pick([1, 3]) },
          ),
        () => act({ type: "move", customer: pick(["home", "work"]) }, { limit: 2 }),
        () => spool.expire(clock.now()),
        async () => clock.pass(pick([1, MINUTE])),
      ];
      for (let i = 0; i < rounds; i++) await Promise.all([pick(steps)(), pick(steps)(), steps[0]?.()]);
      const entries = await all(spool.list({ gone: true }));
      assert.equal(
        entries.reduce((sum, { recipients }) => sum + recipients.length, 0),
        accepted,
      );
      for (const lane of [HOME, WORK]) {
        const here = await all(spool.list({ customer: lane.customer }));
        assert.deepEqual(spool.usage(lane), {
          count: here.length,
          octets: here.reduce((sum, { size }) => sum + size, 0),
        });
        assert.equal(await spool.count({ customer: lane.customer }), here.length);
      }
    });

    mail("a closed spool refuses, and closing again is no trouble", async () => {
      await stored(spool);
      await claim();
      await spool.close();
      await spool.close();
      await assert.rejects(post(spool), { name: "SpoolError", fault: "closed" });
      await assert.rejects(spool.count({}), { name: "SpoolError", fault: "closed" });
    });
  });
}
