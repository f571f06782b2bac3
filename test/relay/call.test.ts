import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Account, call } from "../../src/relay/call.ts";
import { CallError } from "../../src/relay/callerror.ts";
import { lists, runErrand } from "../../src/relay/errand.ts";
import { manualClock } from "../support/clock.ts";
import { type PipeOptions, pipe } from "../support/pipe.ts";
import { contentOf, entries, openPost, type Post } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";

const hello: Talk = [
  "P: 220 provider",
  "C: EHLO house.test",
  "P: 250-provider",
  "P: 250-AUTH CRAM-MD5",
  "P: 250 ATRN",
];
const login: Talk = ["C: AUTH CRAM-MD5", "P: 334 PDEyMz4=", "C: *", "P: 235 welcome"];
const known: Talk = [...hello, ...login];
const turned: Talk = [...known, "C: ATRN", "P: 250 ODMR provider turning line around", "C: 220 house.test *"];
const ready: Talk = [...turned, "P: EHLO provider", "list"];
const bye: Talk = ["C: QUIT", "P: 221 bye", "end"];
const quit: Talk = ["P: QUIT", "C: 221 *", "end"];
const lockstep: Talk = [
  "P: MAIL FROM:<a@world.test>",
  "C: 250 *",
  "P: RCPT TO:<bob@example.org>",
  "C: 250 *",
];
const body: Talk = ["P: Subject: hello", "P: ", "P: ..dot", "P: ."];
const message: Talk = [...lockstep, "P: DATA", "C: 354 *", ...body, "C: 250 *"];
const noMail: Talk = [...known, "C: ATRN", "P: 453 You have no mail", ...bye];

let post: Post;
beforeEach(async () => {
  post = await openPost();
});
afterEach(() => post.close());

interface Called {
  /** `taken 1`, or the fault and what was taken in spite of it. */
  readonly result: string;
  readonly error?: CallError;
  /** What the provider heard, call by call. */
  readonly heard: readonly string[];
}

/** An errand of the house, whose calls meet these talks in turn. */
async function errand(
  talks: readonly Talk[],
  facts: Partial<Account> = {},
  line: PipeOptions = {},
): Promise<Called> {
  const left = [...talks];
  const playing: Promise<string>[] = [];
  const dial = async () => {
    const talk = left.shift();
    assert.ok(talk, "one call too many");
    const [here, there] = pipe({ clock: post.clock, ...line });
    const played = play(there, "P", talk, {
      clock: post.clock,
      tls: { as: "server", tls: { certificate: "", key: "" } },
    });
    played.catch(() => undefined);
    playing.push(played);
    return here;
  };
  const result = runErrand({ ...post.account, ...facts }, [], { ...post.caller, dial }).then(
    ({ messages }) => ({ result: `taken ${messages}` }),
    (error: unknown) => {
      if (!(error instanceof CallError)) throw error;
      return { result: `${error.fault} ${error.taken?.messages}`, error };
    },
  );
  const ended = await result;
  const heard = await Promise.all(playing);
  assert.equal(left.length, 0, "calls that never came");
  return { ...ended, heard };
}

/** How many messages lie in the house, each once. */
async function housed(): Promise<number> {
  return (await entries(post.house)).length;
}

/** A provider that behaves brings one message. */
async function nextTurnWorks(): Promise<void> {
  const before = await housed();
  assert.equal((await errand([[...ready, ...message, ...quit]])).result, "taken 1");
  assert.equal(await housed(), before + 1);
}

describe("a call to a foreign provider", () => {
  const behaviours: readonly { name: string; talk: Talk; result?: string }[] = [
    { name: "that goes line by line, without any parameter", talk: [...ready, ...message, ...quit] },
    {
      name: "that writes a space before its paths",
      talk: [
        ...ready,
        "P: MAIL FROM: <a@world.test>",
        "C: 250 *",
        "P: RCPT TO: <bob@example.org>",
        "C: 250 *",
        "P: DATA",
        "C: 354 *",
        ...body,
        "C: 250 *",
        ...quit,
      ],
    },
    {
      name: "that pipelines MAIL, RCPT and DATA",
      talk: [
        ...ready,
        "P: MAIL FROM:<a@world.test> SIZE=26",
        "P: RCPT TO:<bob@example.org>",
        "P: DATA",
        "C: 250 *",
        "C: 250 *",
        "C: 354 *",
        ...body,
        "C: 250 *",
        ...quit,
      ],
    },
    {
      name: "that sends BDAT LAST and the body in one write",
      talk: [
        ...ready,
        "P: MAIL FROM:<a@world.test> SIZE=22",
        "C: 250 *",
        "P: RCPT TO:<bob@example.org>",
        "C: 250 *",
        "P: BDAT 22 LAST",
        "P: Subject: hello",
        "P: ",
        "P: .dot\\",
        "C: 250 *",
        ...quit,
      ],
    },
    { name: "that sends QUIT and FIN at once", talk: [...ready, ...message, "P: QUIT", "close"] },
    { name: "that quits before any EHLO", talk: [...turned, ...quit], result: "taken 0" },
    { name: "that turns, says EHLO and quits", talk: [...ready, ...quit], result: "taken 0" },
    {
      name: "that only knows HELO",
      talk: [...turned, "P: HELO provider", "C: 250 house.test", ...message, ...quit],
    },
    {
      name: "whose 250 to ATRN has two lines",
      talk: [
        ...known,
        "C: ATRN",
        "P: 250-one",
        "P: 250 two",
        "C: 220 *",
        "P: EHLO provider",
        "list",
        ...message,
        ...quit,
      ],
    },
    {
      name: "that leaves out every text",
      talk: [
        "P: 220",
        "C: EHLO *",
        "P: 250-p",
        "P: 250-AUTH CRAM-MD5",
        "P: 250 ATRN",
        "C: AUTH *",
        "P: 334 PDEyMz4=",
        "C: *",
        "P: 235",
        "C: ATRN",
        "P: 250",
        "C: 220 *",
        "P: EHLO p",
        "list",
        ...message,
        ...quit,
      ],
    },
    {
      name: "that greets in many lines",
      talk: ["P: 220-one", "P: 220-two", "P: 220 three", ...ready.slice(1), ...message, ...quit],
    },
    {
      name: "that lists AUTH= as of old",
      talk: [
        ...hello.slice(0, 3),
        "P: 250-AUTH=CRAM-MD5",
        "P: 250 ATRN",
        ...ready.slice(5),
        ...message,
        ...quit,
      ],
    },
    { name: "that resets between messages", talk: [...ready, ...message, "P: RSET", "C: 250 *", ...quit] },
    {
      name: "that lists no ATRN",
      talk: [...hello.slice(0, 3), "P: 250 AUTH CRAM-MD5", ...ready.slice(5), ...message, ...quit],
    },
  ];
  for (const { name, talk, result = "taken 1" } of behaviours)
    for (const split of ["whole", "octets"] as const)
      it(`${name} goes well, ${split}`, async () => {
        assert.equal((await errand([talk], {}, { split })).result, result);
        assert.equal(await housed(), result === "taken 1" ? 1 : 0);
        for (const { id } of await entries(post.house))
          assert.match(
            await contentOf(post.house, id),
            /^Received: [\s\S]*\r\nSubject: hello\r\n\r\n\.dot\r\n$/,
          );
      });

  it("waits nine minutes for an EHLO", async () => {
    await post.close();
    const clock = manualClock();
    post = await openPost({ clock });
    const called = errand([[...turned, "pause 9", "P: EHLO provider", "list", ...message, ...quit]]);
    for (let minute = 0; minute < 10; minute++) await clock.advance(60_000);
    assert.equal((await called).result, "taken 1");
  });

  it("gives a provider up that never says EHLO", async () => {
    await post.close();
    const clock = manualClock();
    post = await openPost({ clock });
    const called = errand([[...turned, "C: 421 4.4.2 *", "end"]]);
    for (let minute = 0; minute < 16; minute++) await clock.advance(60_000);
    assert.equal((await called).result, "later 0");
    assert.equal(clock.timers, 0);
  });

  it("whose line breaks at every second message is called again until it has no mail", async () => {
    const half: Talk = [...ready, ...message, ...lockstep, "P: BDAT 500 LAST", "P: Subject: half", "close"];
    const { result } = await errand([half, half, half, noMail]);
    assert.equal(result, "taken 3");
    const subjects = (await entries(post.house)).map(({ subject }) => subject);
    assert.deepEqual(subjects, ["hello", "hello", "hello"]);
    await nextTurnWorks();
  });

  it("whose line breaks before any mail came is not called again at once", async () => {
    const half: Talk = [...ready, ...lockstep, "P: DATA", "C: 354 *", "P: Subject: half", "reset"];
    assert.equal((await errand([half])).result, "later 0");
    assert.equal(await housed(), 0);
    await nextTurnWorks();
  });
});

describe("a provider's answers", () => {
  const cases: readonly { step: string; talk: Talk; result: string }[] = [
    ...[
      ["450 not allowed", "refused 0"],
      ["451 cannot say", "later 0"],
      ["453 no mail", "taken 0"],
      ["502 what?", "unreachable 0"],
      ["503 bad sequence", "protocol 0"],
      ["530 who are you?", "refused 0"],
      ["535 no", "refused 0"],
      ["452 full", "later 0"],
      ["553 switched off", "refused 0"],
      ["554 no", "refused 0"],
      ["450-not\r\n450 allowed", "refused 0"],
    ].map(([answer = "", result = ""]) => ({
      step: `ATRN ${answer}`,
      talk: [...known, "C: ATRN", `P: ${answer}`, ...bye],
      result,
    })),
    { step: "ATRN 421", talk: [...known, "C: ATRN", "P: 421 4.3.2 going down", "end"], result: "later 0" },
    { step: "ATRN and the end", talk: [...known, "C: ATRN", "close"], result: "later 0" },
    ...[
      ["535 5.7.8 wrong", "refused 0"],
      ["534 too weak", "refused 0"],
      ["454 not now", "later 0"],
      ["504 no such", "refused 0"],
    ].map(([answer = "", result = ""]) => ({
      step: `AUTH ${answer}`,
      talk: [...hello, "C: AUTH CRAM-MD5", `P: ${answer}`, ...bye],
      result,
    })),
    { step: "AUTH 421", talk: [...hello, "C: AUTH CRAM-MD5", "P: 421 bye", "end"], result: "later 0" },
    {
      step: "AUTH and a challenge that is no base64",
      talk: [...hello, "C: AUTH CRAM-MD5", "P: 334 §§§", "end"],
      result: "protocol 0",
    },
    {
      step: "AUTH and a second challenge",
      talk: [...hello, ...login.slice(0, 3), "P: 334 PDEyMz4=", "C: ?", "P: 501 cancelled", "end"],
      result: "refused 0",
    },
    {
      step: "AUTH and challenges without end",
      talk: [...hello, ...login.slice(0, 3), "P: 334 PDEyMz4=", "C: ?", "P: 334 PDEyMz4=", "end"],
      result: "protocol 0",
    },
    { step: "no AUTH at all", talk: [...hello.slice(0, 3), "P: 250 ATRN", ...bye], result: "refused 0" },
    { step: "EHLO 502", talk: [...hello.slice(0, 2), "P: 502 what?", ...bye], result: "protocol 0" },
    { step: "EHLO 421", talk: [...hello.slice(0, 2), "P: 421 busy", "end"], result: "later 0" },
    { step: "EHLO 451", talk: [...hello.slice(0, 2), "P: 451 busy", ...bye], result: "later 0" },
    { step: "greeting 421", talk: ["P: 421 busy", "end"], result: "later 0" },
    { step: "greeting 554", talk: ["P: 554 no", ...bye], result: "later 0" },
    { step: "no greeting", talk: ["close"], result: "later 0" },
    { step: "a reply of 1 MiB", talk: [`P: 220 ${"x".repeat(1_048_576)}`, "end"], result: "protocol 0" },
    {
      step: "a reply of 1 MiB without an end",
      talk: [...known, "C: ATRN", `P: 250 ${"x".repeat(1_048_576)}\\`, "end"],
      result: "protocol 0",
    },
    {
      step: "a reply of a million lines",
      talk: [...known, "C: ATRN", `P: ${"250-x\r\n".repeat(1_000)}`, "end"],
      result: "protocol 0",
    },
    { step: "garbage", talk: ["P: \x00\x01\x02 garbage", "end"], result: "protocol 0" },
    { step: "garbage to ATRN", talk: [...known, "C: ATRN", "P: OK 250", "end"], result: "protocol 0" },
    {
      step: "a code that changes",
      talk: [...known, "C: ATRN", "P: 250-a", "P: 453 b", "end"],
      result: "protocol 0",
    },
    {
      step: "a reply nobody asked for",
      talk: [...hello, "P: 235 welcome", "P: 250 turning", "end"],
      result: "protocol 0",
    },
    { step: "HTTP", talk: ["P: HTTP/1.1 400 Bad Request", "end"], result: "protocol 0" },
  ];
  for (const { step, talk, result } of cases)
    it(`${step}: ${result}, and the next turn works`, async () => {
      const called = await errand([talk]);
      assert.equal(called.result, result);
      assert.ok((called.error?.message.length ?? 0) < 500, "a report of a bounded size");
      assert.equal(await housed(), 0);
      await nextTurnWorks();
    });
});

describe("a provider that says nothing", () => {
  const silences: readonly (readonly [step: string, talk: Talk])[] = [
    ["greeting", []],
    ["EHLO", hello.slice(0, 2)],
  ];
  for (const [step, talk] of silences)
    it(`instead of its ${step} is left after as long as it may take`, async () => {
      await post.close();
      const clock = manualClock();
      post = await openPost({ clock });
      const stages: string[] = [];
      const [here, there] = pipe({ clock });
      const played = play(there, "P", [...talk, "rest"], { clock });
      const called = call({ ...post.account, patience: 20_000 }, [], {
        ...post.caller,
        dial: async () => here,
        stage: (stage) => void stages.push(stage),
      }).catch((fault: unknown) => fault);
      await clock.advance(19_000);
      const begun = [...stages];
      await clock.advance(1_000);
      const fault = (await called) as CallError;
      assert.deepEqual([fault.fault, /in time/.test(fault.message)], ["later", true]);
      assert.equal(begun.at(-1), step === "greeting" ? "greeting" : "login");
      await played;
    });
});

describe("a refused ATRN", () => {
  it("says who refused what, and why that may be", async () => {
    const talk = [...known, "C: ATRN example.org,example.com", "P: 450 4.7.1 not yours", ...bye];
    const [here, there] = pipe({ clock: post.clock });
    const played = play(there, "P", talk);
    const fault = await call(post.account, ["example.org", "example.com"], {
      ...post.caller,
      dial: async () => here,
    }).catch((fault: unknown) => fault);
    await played;
    assert.equal(
      (fault as CallError).message,
      "relay.test:366 gives us no mail (a domain is not this account's there, or we ask too often); " +
        "to ATRN example.org,example.com it said 450 4.7.1 not yours",
    );
  });
});

describe("octets across the turn", () => {
  const evil = [
    "P: MAIL FROM:<evil@world.test>",
    "P: RCPT TO:<bob@example.org>",
    "P: DATA",
    "P: evil",
    "P: .",
  ];
  const cases: readonly { name: string; talk: Talk }[] = [
    {
      name: "EHLO and mail in the segment of the 250",
      talk: [...known, "C: ATRN", "P: 250 ok", "P: EHLO p", ...evil, "end"],
    },
    { name: "one octet behind the 250", talk: [...known, "C: ATRN", "P: 250 ok", "P: E\\", "end"] },
    { name: "a second 250", talk: [...known, "C: ATRN", "P: 250 ok", "P: 250 ok", "end"] },
  ];
  for (const { name, talk } of cases)
    it(`${name} end the call, and nothing is taken`, async () => {
      const called = await errand([talk]);
      assert.equal(called.result, "protocol 0");
      assert.equal(await housed(), 0);
      await nextTurnWorks();
    });
});

describe("STARTTLS that does not come about", () => {
  const offers: Talk = [
    ...hello.slice(0, 3),
    "P: 250-STARTTLS",
    "P: 250-AUTH PLAIN LOGIN CRAM-MD5",
    "P: 250 ATRN",
  ];
  const cases: readonly { name: string; talk: Talk; result: string }[] = [
    { name: "not offered", talk: [...hello, ...bye], result: "protocol 0" },
    { name: "454", talk: [...offers, "C: STARTTLS", "P: 454 not now", ...bye], result: "protocol 0" },
    { name: "502", talk: [...offers, "C: STARTTLS", "P: 502 what?", ...bye], result: "protocol 0" },
    {
      name: "250 in place of 220",
      talk: [...offers, "C: STARTTLS", "P: 250 go", ...bye],
      result: "protocol 0",
    },
    {
      name: "injected capabilities behind the 220",
      talk: [...offers, "C: STARTTLS", "P: 220 go", "P: 250-p", "P: 250 AUTH PLAIN", "end"],
      result: "protocol 0",
    },
  ];
  for (const { name, talk, result } of cases)
    it(`${name}: the call fails closed, and no secret was sent`, async () => {
      const { result: came, heard } = await errand([talk], { tls: "starttls" });
      assert.equal(came, result);
      assert.doesNotMatch(heard.join(""), /AUTH|home|secret|aG9tZQ|ATRN/);
      await nextTurnWorks();
    });

  it("what was listed before TLS does not count after it", async () => {
    const talk = [
      ...offers,
      "C: STARTTLS",
      "P: 220 go",
      "starttls",
      "C: EHLO house.test",
      "P: 250-p",
      "P: 250 ATRN",
      ...bye,
    ];
    const { result, heard } = await errand([talk], { tls: "starttls" });
    assert.equal(result, "refused 0");
    assert.doesNotMatch(heard.join(""), /AUTH/);
  });

  it("after it the mail comes over TLS", async () => {
    const talk = [...offers, "C: STARTTLS", "P: 220 go", "starttls", ...ready.slice(1), ...message, ...quit];
    assert.equal((await errand([talk], { tls: "starttls" })).result, "taken 1");
    const [entry] = await entries(post.house);
    assert.equal(entry?.source.protocol, "ESMTPS");
  });
});

describe("the mechanism of AUTH", () => {
  const listing = (mechanisms: string): Talk => [
    ...hello.slice(0, 3),
    `P: 250-AUTH ${mechanisms}`,
    "P: 250 ATRN",
  ];
  const offered = (mechanisms: string, chosen: string): Talk => [
    ...listing(mechanisms),
    `C: AUTH ${chosen}`,
    "P: 535 no",
    ...bye,
  ];
  const cases: readonly [string, string][] = [
    ["PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256", "SCRAM-SHA-256 *"],
    ["LOGIN cram-md5 PLAIN", "CRAM-MD5"],
    ["PLAIN LOGIN X-NEW SCRAM-SHA-1 CRAM-MD5", "CRAM-MD5"],
    ["SCRAM-SHA-256-PLUS SCRAM-SHA-256", "SCRAM-SHA-256 *"],
  ];
  for (const [mechanisms, chosen] of cases)
    it(`is ${chosen} of ${mechanisms} without TLS`, async () => {
      assert.equal((await errand([offered(mechanisms, chosen)])).result, "refused 0");
    });

  it("is never PLAIN or LOGIN without TLS", async () => {
    const { result, heard } = await errand([[...listing("PLAIN LOGIN"), ...bye]]);
    assert.equal(result, "refused 0");
    assert.doesNotMatch(heard.join(""), /AUTH/);
  });

  it("may be PLAIN under TLS", async () => {
    const tls = { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" };
    const { heard } = await errand([offered("LOGIN PLAIN", "PLAIN *")], {}, { tls });
    assert.match(heard.join(""), /AUTH PLAIN AGhvbWUAaG9tZSBzZWNyZXQ=\r\n/);
  });

  const impostors: readonly { name: string; talk: Talk }[] = [
    {
      name: "that says 235 at once",
      talk: [...listing("SCRAM-SHA-256"), "C: AUTH SCRAM-SHA-256 *", "P: 235 welcome", "end"],
    },
    {
      name: "whose nonce is its own",
      talk: [
        ...listing("SCRAM-SHA-256"),
        "C: AUTH SCRAM-SHA-256 *",
        `P: 334 ${btoa("r=other,s=c2FsdHNhbHQ=,i=4096")}`,
        "C: ?",
        "P: 235 welcome",
        "end",
      ],
    },
    {
      name: "that wants one iteration",
      talk: [
        ...listing("SCRAM-SHA-256"),
        "C: AUTH SCRAM-SHA-256 *",
        `P: 334 ${btoa("r=other,s=c2FsdHNhbHQ=,i=1")}`,
        "C: ?",
        "P: 501 cancelled",
        "end",
      ],
    },
  ];
  for (const { name, talk } of impostors)
    it(`SCRAM: a provider ${name} does not get ATRN`, async () => {
      const { result, heard } = await errand([talk]);
      assert.equal(result, "refused 0");
      assert.doesNotMatch(heard.join(""), /ATRN|secret/);
      await nextTurnWorks();
    });
});

describe("an errand", () => {
  it("splits a list of domains that fits no command line, and loses none", () => {
    const domains = Array.from({ length: 40 }, (_, i) => `${"d".repeat(40)}${i}.example.org`);
    const split = lists(domains);
    assert.deepEqual(split.flat(), domains);
    assert.ok(split.length > 1);
    for (const list of split) assert.ok(`ATRN ${list.join(",")}\r\n`.length <= 512);
  });

  it("asks for each part of a long list, and adds up what came", async () => {
    const domains = Array.from({ length: 20 }, (_, i) => `${"d".repeat(40)}${i}.example.org`);
    const left = [...lists(domains)];
    const playing: Promise<string>[] = [];
    const dial = async () => {
      const [here, there] = pipe();
      const [domain] = left.shift()!;
      const envelope = ["P: MAIL FROM:<>", "C: 250 *", `P: RCPT TO:<bob@${domain}>`, "C: 250 *"];
      const talk = [
        ...known,
        `C: ATRN ${domain}*`,
        ...ready.slice(-4),
        ...envelope,
        "P: DATA",
        "C: 354 *",
        ...body,
        "C: 250 *",
        ...quit,
      ];
      playing.push(play(there, "P", talk));
      return here;
    };
    const { messages } = await runErrand({ ...post.account, domains }, domains, { ...post.caller, dial });
    assert.equal(messages, lists(domains).length);
    const heard = (await Promise.all(playing)).join("");
    assert.deepEqual(
      [...heard.matchAll(/ATRN (\S+)/g)].flatMap(([, list = ""]) => list.split(",")),
      domains,
    );
  });
});
