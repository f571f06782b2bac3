/** Whom we call may be hostile: the provider of a house, a smarthost, an exchange of the world, a target at home. */
// Whatever they answer, nothing counts as delivered or taken, no secret goes to the wrong one, and the next call works.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { Delivery } from "../../src/delivery/delivery.ts";
import { dialled } from "../../src/delivery/dialled.ts";
import { exchanges } from "../../src/delivery/exchange.ts";
import { Limits } from "../../src/delivery/limits.ts";
import type { ClientTls, Connection } from "../../src/net/connection.ts";
import { dial } from "../../src/net/dial.ts";
import { Talk as Client, LineError } from "../../src/net/talk.ts";
import { type Clock, systemClock } from "../../src/platform/clock.ts";
import { call } from "../../src/relay/call.ts";
import { CallError } from "../../src/relay/callerror.ts";
import { send } from "../../src/relay/dispatch.ts";
import { sendNotices } from "../../src/relay/notices.ts";
import { smarthostHop } from "../../src/relay/smarthost.ts";
import { replyLine } from "../../src/wire/reply.ts";
import { OUT, seeded, stored } from "../spool/support.ts";
import { certs } from "../support/certs.ts";
import { type ManualClock, manualClock } from "../support/clock.ts";
import { parcelFor } from "../support/mail.ts";
import { withListener } from "../support/net.ts";
import { pipe } from "../support/pipe.ts";
import { contentOf, entries, openPost, type Post } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";
import { take } from "./taker.ts";

type Line = "clear" | "starttls" | "implicit";

let post: Post;
before(async () => {
  post = await openPost();
});
after(() => post.close());

/** Whom a client calls. */
interface Called {
  readonly port: number;
  readonly line: Line;
  readonly clock: Clock;
}

interface Caller {
  readonly name: string;
  readonly lines: readonly Line[];
  readonly hello: "EHLO" | "LHLO";
  /** It says who it is before anything else. */
  readonly login: boolean;
  /** What it asks for at last, and what is answered to that where there is nothing for it. */
  readonly asks: "ATRN" | "MAIL";
  /** One call. @returns what came of it, in one line */
  attempt(called: Called): Promise<string>;
}

const connect = ({ port, clock }: Called, tls: ClientTls | undefined): Promise<Connection> =>
  dial({ host: "127.0.0.1", port, clock, within: 20_000, ...(tls && { tls }) });

const tlsOf = (line: Line): "none" | "starttls" | "implicit" => (line === "clear" ? "none" : line);

async function delivered(delivery: Delivery): Promise<string> {
  const [outcome] = await delivery.deliver(parcelFor(["u@x.test"]));
  await delivery.close();
  return outcome === undefined ? "nothing" : `${outcome.result} ${replyLine(outcome.reply)}`;
}

const callers: readonly Caller[] = [
  {
    ...{
      name: "a provider",
      lines: ["clear", "starttls", "implicit"],
      hello: "EHLO",
      login: true,
      asks: "ATRN",
    },
    async attempt(called) {
      const account = { ...post.account, tls: tlsOf(called.line), ca: certs().ca };
      const caller = { ...post.caller, clock: called.clock };
      try {
        const { messages } = await call(account, [], { ...caller, dial: (_, tls) => connect(called, tls) });
        return `taken ${messages}`;
      } catch (fault) {
        if (!(fault instanceof CallError)) throw fault;
        return `${fault.fault} ${fault.taken?.messages ?? 0} ${fault.message}`;
      }
    },
  },
  {
    ...{
      name: "a smarthost",
      lines: ["clear", "starttls", "implicit"],
      hello: "EHLO",
      login: true,
      asks: "MAIL",
    },
    attempt(called) {
      const { port, line } = called;
      const login = {
        host: "relay.test",
        port,
        tls: tlsOf(line),
        ca: certs().ca,
        hostname: "us.test",
      } as const;
      const { random, log } = post;
      const tools = { random, log, connect: (tls: ClientTls | undefined) => connect(called, tls) };
      return delivered(dialled(smarthostHop({ ...login, user: "home", password: "home secret" }, tools)));
    },
  },
  {
    ...{
      name: "an exchange of the world",
      lines: ["clear", "starttls"],
      hello: "EHLO",
      login: false,
      asks: "MAIL",
    },
    attempt(called) {
      return delivered(
        exchanges({
          names: {
            certain: true,
            exchanges: async () => [{ preference: 10, host: "relay.test" }],
            addresses: async () => ["127.0.0.1"],
            texts: async () => [],
          },
          ...{ random: seeded(1), hostname: "us.test", ca: certs().ca },
          limits: new Limits({ all: 5, perDestination: 5 }, called.clock),
          connect: () => connect(called, undefined),
          policyOf: async () => undefined,
        }),
      );
    },
  },
  ...(["SMTP", "LMTP"] as const).map(
    (dialect): Caller => ({
      ...{ name: `an ${dialect} target at home`, lines: ["clear"], login: false, asks: "MAIL" },
      hello: dialect === "SMTP" ? "EHLO" : "LHLO",
      attempt: (called) =>
        delivered(
          dialled({ dialect, name: "target", hostname: "us.test", dial: () => connect(called, undefined) }),
        ),
    }),
  ),
];

/** Up to where each reply is due. */
function stagesOf(caller: Caller, line: Line): Readonly<Record<string, Talk>> {
  const { hello, login, asks } = caller;
  const said: Talk = [`C: ${hello} *`];
  const toTls: Talk = [...said, "P: 250-p", "P: 250 STARTTLS", "C: STARTTLS", "P: 220 go", "starttls"];
  const greeted: Talk = ["P: 220 p", ...(line === "starttls" ? toTls : []), ...said];
  const known: Talk = login
    ? [...greeted, "P: 250-p", "P: 250-AUTH CRAM-MD5", "P: 250 ATRN", "C: AUTH *", "P: 334 PDEyMz4=", "C: *"]
    : greeted;
  const welcome: Talk = login ? [...known, "P: 235 in"] : [...known, "P: 250 p"];
  const asked: Talk = [...welcome, `C: ${asks}*`];
  const body: Talk = ["P: 250 ok", "C: RCPT *", "P: 250 ok", "C: DATA", "P: 354 go", "C: Subject: hello"];
  const ended: Talk = [...asked, ...body, "C: ", "C: From here on", "C: all is text.", "C: ."];
  return {
    greeting: [],
    [hello]: greeted,
    ...(login && { AUTH: known }),
    [asks]: asked,
    ...(asks === "MAIL" && { "the final dot": ended }),
  };
}

/** Tells when a script comes to its pause. */
const pausing = (silent: (() => void) | undefined): Clock => ({
  ...systemClock,
  after(ms, ring) {
    silent?.();
    return systemClock.after(ms, ring);
  },
});

/** Calls a server that plays this to the first who comes, and has nothing for whoever comes then. */
async function called(
  caller: Caller,
  line: Line,
  talk: Talk,
  { clock = systemClock, silent }: { readonly clock?: Clock; readonly silent?: () => void } = {},
) {
  const tls = { as: "server", tls: certs().server } as const;
  const heard: Promise<string>[] = [];
  const onConnection = async (connection: Connection) => {
    if (heard.length > 0) return connection.destroy();
    heard.push(play(connection, "P", talk, { tls, clock: pausing(silent) }).catch(() => ""));
    await heard[0];
    connection.destroy();
  };
  const implicit = line === "implicit" && { tls: certs().server };
  return withListener({ onConnection, ...implicit }, async ({ address: { port } }) => {
    const began = clock.steady();
    const result = await caller.attempt({ port, line, clock });
    const minutes = (clock.steady() - began) / 60_000;
    return { minutes, result, heard: (await Promise.all(heard)).join("") };
  });
}

const MIB = "x".repeat(1 << 20);
const hostile: Readonly<Record<string, Talk>> = {
  "a reply line of 1 MiB": [`P: 250 ${MIB}`, "rest"],
  "a reply line without an end": [`P: 250 ${MIB}\\`, "rest"],
  "a reply of 100,000 lines": [`P: ${"250-x\r\n".repeat(100_000)}\\`, "rest"],
  "a code that changes": ["P: 250-a", "P: 354 b", "rest"],
  garbage: ["P: \x00\x01\x02 what?", "rest"],
  HTTP: ["P: HTTP/1.1 400 Bad Request", "rest"],
  "421": ["P: 421 4.3.2 going down", "rest"],
  "half a line": ["P: 250-x\\", "close"],
  "the end": ["close"],
  "a reset": ["reset"],
};

/** Nothing of it counts: it is tried again, and what is said of it is short. */
const ISNOTHING = /^(?:deferred 4|(?:later|protocol|unreachable) 0 )[\x20-\x7e]{0,500}$/;

for (const caller of callers)
  for (const line of caller.lines)
    describe(`${caller.name}, ${line},`, () => {
      for (const [what, talk] of Object.entries(hostile))
        it(`that answers with ${what}, wherever that is, is left; the next one is served`, async () => {
          for (const [stage, before] of Object.entries(stagesOf(caller, line))) {
            const { result } = await called(caller, line, [...before, ...talk]);
            assert.match(result, ISNOTHING, stage);
          }
          const good: Talk =
            caller.asks === "ATRN" ? ["P: 453 none"] : ["P: 550 5.1.1 nobody", "C: RSET", "P: 250 ok"];
          const asked = stagesOf(caller, line)[caller.asks] ?? [];
          const { result } = await called(caller, line, [...asked, ...good, "C: QUIT", "P: 221 bye"]);
          assert.match(result, /^(?:taken 0|refused 550 5\.1\.1 nobody)$/);
        });

      it("that says nothing, wherever that is, is left in minutes", async () => {
        for (const [stage, before] of Object.entries(stagesOf(caller, line))) {
          const clock = manualClock();
          const { promise, resolve } = Promise.withResolvers<void>();
          const options = { clock, silent: resolve };
          const calling = called(caller, line, [...before, "pause 0", "rest"], options);
          await promise;
          await untilOver(clock, calling);
          const { result, minutes } = await calling;
          assert.match(result, ISNOTHING, stage);
          assert.ok(minutes <= 11, `${stage}: ${minutes} minutes`);
        }
      });
    });

/** Lets minutes pass until it is over. */
async function untilOver(clock: ManualClock, over: Promise<unknown>): Promise<void> {
  let isOver = false;
  void over
    .catch(() => undefined)
    .then(() => {
      isOver = true;
    });
  for (let minute = 0; minute <= 60; minute++) {
    for (let round = 0; round < 60 && !isOver; round++) await setImmediate();
    if (isOver) return;
    await clock.advance(60_000);
  }
  throw new Error("an hour was not enough");
}

describe("who is to be called under STARTTLS, and does without it,", () => {
  const bye: Talk = ["C: QUIT", "P: 221 bye"];
  const offers: Talk = [
    "P: 220 p",
    "C: EHLO *",
    "P: 250-p",
    "P: 250-STARTTLS",
    "P: 250 AUTH PLAIN LOGIN CRAM-MD5",
  ];
  const without: Talk = ["P: 220 p", "C: EHLO *", "P: 250-p", "P: 250 AUTH PLAIN LOGIN CRAM-MD5"];
  const rows: Readonly<Record<string, Talk>> = {
    "by no word of it in EHLO": [...without, ...bye],
    "by 454": [...offers, "C: STARTTLS", "P: 454 4.7.0 not now", ...bye],
    "by 5xx": [...offers, "C: STARTTLS", "P: 502 5.5.1 what?", ...bye],
    "by 250 in place of 220": [...offers, "C: STARTTLS", "P: 250 go", ...bye],
    "with capabilities behind 220": [
      ...offers,
      "C: STARTTLS",
      "P: 220 go",
      "P: 250-p",
      "P: 250 AUTH PLAIN",
      "rest",
    ],
    "by words where a handshake is due": [
      ...offers,
      "C: STARTTLS",
      "P: 220 go",
      "part",
      "P: 250 AUTH PLAIN",
      "rest",
    ],
    "by the end where a handshake is due": [...offers, "C: STARTTLS", "P: 220 go", "close"],
  };
  for (const caller of callers.filter(({ login }) => login))
    for (const [how, talk] of Object.entries(rows))
      it(`hears no secret and no mail: ${caller.name}, ${how}`, async () => {
        const { result, heard } = await called(caller, "starttls", talk);
        assert.match(result, /^(?:deferred 451|protocol 0|refused 0|later 0)/);
        assert.doesNotMatch(heard, /AUTH|ATRN|MAIL|secret/);
      });
});

describe("a server that answers an octet a minute", () => {
  const replies: readonly { readonly name: string; readonly octet: string }[] = [
    { name: "within one line", octet: "2" },
    { name: "in lines without end", octet: "250-x\r\n" },
  ];
  for (const { name, octet } of replies)
    it(`${name} is given up after five minutes, not after days`, async () => {
      const clock = manualClock();
      const [here, there] = pipe({ clock });
      const client = new Client(here);
      const say = (text: string) =>
        there.write(new TextEncoder().encode(text), 60_000).catch(() => undefined);
      await say("220 slow.test\r\n");
      await client.greeting();
      let fault: unknown;
      void client.ask({ verb: "EHLO", name: "house.test" }).catch((why: unknown) => {
        fault = why;
      });
      let minutes = 0;
      for (; fault === undefined && minutes < 60; minutes++) {
        await say(octet);
        await clock.advance(60_000);
      }
      assert.ok(fault instanceof LineError);
      assert.equal(fault.fault, "timeout");
      assert.ok(minutes <= 6, `it took ${minutes} minutes`);
    });
});

describe("an LMTP target with another number of replies than recipients", () => {
  const ask = async (finals: readonly string[]) => {
    const clock = manualClock();
    const [here, there] = pipe({ clock });
    const taking = take(there, { finals: () => finals });
    const delivery = dialled({ dialect: "LMTP", name: "lmtp", hostname: "us.test", dial: async () => here });
    const delivering = delivery.deliver(parcelFor(["a@x.test", "b@x.test", "c@x.test"]));
    await untilOver(clock, delivering);
    const outcomes = await delivering;
    here.destroy();
    await taking;
    return outcomes.map(({ to, result }) => `${to} ${result}`);
  };

  it("fewer: nobody is delivered whose reply did not come", async () => {
    assert.deepEqual(await ask(["250 2.0.0 kept", "250 2.0.0 kept"]), [
      ...["a@x.test deferred", "b@x.test deferred", "c@x.test deferred"],
    ]);
  });

  it("more: each has its own, and the line is not used again", async () => {
    assert.deepEqual(await ask(["250 kept", "550 5.1.1 no", "250 kept", "250 kept", "250 kept"]), [
      ...["a@x.test delivered", "b@x.test refused", "c@x.test delivered"],
    ]);
  });
});

describe("what a hostile server writes into its refusal", () => {
  it("comes to the sender as text: no line is ended by it, no cursor moved, and no notice of a notice follows", async () => {
    const talk: Talk = [
      ...["P: 220 p", "C: EHLO *", "P: 250 p", "C: MAIL *", "P: 250 ok", "C: RCPT *"],
      ...[
        "P: 550-5.1.1 \x1b[2J\x00Bcc: evil@x.test",
        "P: 550 5.1.1 äöü <script>",
        "C: RSET",
        "P: 250 ok",
        "C: QUIT",
        "P: 221 bye",
      ],
    ];
    const outbound = {
      ...{ expire: 1e9, warnAfter: 1e9 },
      open: () => {
        const [here, there] = pipe();
        void play(there, "P", talk).catch(() => undefined);
        return dialled({ dialect: "SMTP", name: "host", hostname: "us.test", dial: async () => here });
      },
    };
    const own = await openPost({ outbound });
    try {
      const { relay, clock } = own;
      const now = { arrived: clock.now(), expires: clock.now() + 1e10, trace: "" };
      for (const from of ["ann@example.org", ""]) {
        await stored(relay.spool, { ...now, lane: OUT, from, to: ["eve@world.test"] });
        await send(relay, { customer: "home" });
        await sendNotices(relay);
      }
      const [notice, ...more] = await entries(relay.spool);
      assert.deepEqual(
        [more, notice?.sender, notice?.recipients.map(({ address }) => address)],
        [[], "", ["ann@example.org"]],
      );
      const text = await contentOf(relay.spool, notice!.id);
      assert.match(text, /550 5\.1\.1/);
      assert.doesNotMatch(text, /[^\r\n\t\x20-\x7e]|\r(?!\n)|(?<!\r)\n|^Bcc:/m);
    } finally {
      await own.close();
    }
  });
});
