import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Notify } from "../../src/mail/envelope.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { openSpool } from "../../src/spool/open.ts";
import type { Claim, Held, Lane, MessageId, Payment, Spool } from "../../src/spool/spool.ts";
import { reply } from "../../src/wire/reply.ts";
import { type ManualClock, manualClock } from "../support/clock.ts";
import { seeded, temporary } from "./support.ts";

const lane: Lane = { direction: "turn", customer: "home" };
const refusal = reply(550, "5.1.1", "No such user");
const HOUR = 3_600_000;

describe("a notice that is owed", () => {
  let folder: ReturnType<typeof temporary>;
  let clock: ManualClock;
  let spool: Spool;

  const open = () =>
    openSpool({
      path: `${folder.path}/spool.db`,
      clock,
      random: seeded(1),
      log: silent,
      files: systemFiles,
      thread: "here",
      actor: "test",
    });

  beforeEach(async () => {
    folder = temporary();
    clock = manualClock();
    spool = await open();
  });
  afterEach(async () => {
    await spool.close();
    folder.remove();
  });

  interface Facts {
    readonly from?: string;
    readonly notify?: readonly Notify[];
    readonly text?: string;
    readonly pays?: Payment;
    readonly lane?: Lane;
  }

  async function accept({
    from = "ann@world.test",
    notify = [],
    text = "Subject: x\r\n\r\nx\r\n",
    ...rest
  }: Facts = {}) {
    const draft = spool.begin({
      envelope: { from, smtputf8: false, ret: "FULL", envid: "e1" },
      postings: [
        {
          lane: rest.lane ?? lane,
          recipients: [{ address: "bob@example.org", notify, orcpt: "rfc822;b@example.org" }],
          expires: clock.now() + HOUR,
        },
      ],
      source: { protocol: rest.pays ? "notice" : "SMTP", peer: "192.0.2.1" },
      arrived: clock.now(),
      trace: () => "Received: x\r\n",
      ...(rest.pays && { pays: rest.pays }),
    });
    await draft.write(new TextEncoder().encode(text));
    return draft.commit({});
  }

  async function settle(result: "refused" | "deferred" | "delivered", notice?: "delayed" | "relayed") {
    const claim = (await spool.claim({ lane, lease: HOUR }, "t/1")) as Claim;
    const held = (await claim.next()) as Held;
    await claim.settle(held, [
      { to: "bob@example.org", result, reply: refusal, due: clock.now(), ...(notice && { notice }) },
    ]);
    await claim.release();
  }

  const kinds = async () =>
    (await spool.owed(9)).flatMap(({ recipients }) => recipients.map(({ kind }) => kind));
  const textOf = async (pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) => {
    let text = "";
    for await (const piece of pieces) text += new TextDecoder().decode(piece);
    return text;
  };

  it("is noted by a refusal, with all that it needs, though the message has left", async () => {
    await accept();
    await settle("refused");
    const [owed] = await spool.owed(9);
    assert.equal(await spool.count({}), 0);
    assert.deepEqual(owed?.recipients, [
      {
        address: "bob@example.org",
        orcpt: "rfc822;b@example.org",
        kind: "refused",
        reply: "550 5.1.1 No such user",
      },
    ]);
    assert.deepEqual(owed.envelope, { from: "ann@world.test", ret: "FULL", envid: "e1" });
    assert.equal(await textOf(owed.content()), "Received: x\r\nSubject: x\r\n\r\nx\r\n");
  });

  it("outlives the program", async () => {
    await accept({ text: `Subject: x\r\n\r\n${"x".repeat(300_000)}\r\n` });
    await settle("refused");
    await spool.close();
    spool = await open();
    const [owed] = await spool.owed(9);
    assert.equal((await textOf(owed!.content())).length, owed?.size);
  });

  it("is noted by expiry, by an operator's bounce, by a delay and by success, once each", async () => {
    await accept({ notify: ["SUCCESS", "FAILURE", "DELAY"] });
    await settle("deferred", "delayed");
    await settle("deferred", "delayed");
    await settle("delivered", "relayed");
    await accept();
    for await (const _ of spool.act({ type: "bounce" }, {}, { name: "cli:root", reason: "" }));
    await accept();
    await clock.advance(2 * HOUR);
    await spool.expire(clock.now());
    assert.deepEqual(await kinds(), ["delayed", "relayed", "refused", "expired"]);
  });

  it("is not where NOTIFY says so, nor to the null sender", async () => {
    await accept({ notify: ["NEVER"] });
    await settle("refused");
    await accept({ notify: ["SUCCESS"] });
    await settle("refused");
    await accept();
    await settle("delivered", "relayed");
    await accept({ from: "" });
    await settle("refused");
    assert.deepEqual(await kinds(), []);
    const reasons: string[] = [];
    for await (const { what, reason } of spool.history({})) if (what === "refused") reasons.push(reason);
    assert.ok(reasons.includes("550 5.1.1 No such user (nobody is told)"));
  });

  it("is paid in the commit that accepts the notice, and by one of several only", async () => {
    await accept();
    await settle("refused");
    const [owed] = await spool.owed(9);
    const pays = { notices: owed!.notices };
    const paid = await Promise.all([accept({ from: "", pays }), accept({ from: "", pays })]);
    assert.deepEqual(paid.map(({ type }) => type).sort(), ["had", "stored"]);
    assert.deepEqual(await kinds(), []);
    assert.equal(await spool.count({}), 1);
  });

  it("can be forgiven", async () => {
    await accept();
    await settle("refused");
    await spool.forgive({ notices: (await spool.owed(9))[0]!.notices });
    assert.deepEqual(await kinds(), []);
  });

  it("warns owners once of what expires soon, and not of letters that we wrote ourselves", async () => {
    await accept();
    const [ageing] = await spool.ageing(clock.now() + 2 * HOUR, 9);
    assert.deepEqual(await spool.ageing(clock.now() + HOUR / 2, 9), []);
    const warned: readonly MessageId[] = [ageing!.id];
    assert.equal((await accept({ from: "", pays: { warned } })).type, "stored");
    assert.equal((await accept({ from: "", pays: { warned } })).type, "had");
    assert.deepEqual(await spool.ageing(clock.now() + 2 * HOUR, 9), []);
  });
});
