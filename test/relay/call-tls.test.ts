import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { after, before, describe, it } from "node:test";
import type { ServerTls } from "../../src/net/connection.ts";
import { dial } from "../../src/net/dial.ts";
import { type Account, call } from "../../src/relay/call.ts";
import { CallError } from "../../src/relay/callerror.ts";
import { certs, type Identity } from "../support/certs.ts";
import { withListener } from "../support/net.ts";
import { entries, openPost, type Post } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";

const pinOf = ({ certificate }: Identity) =>
  new X509Certificate(certificate).fingerprint256.replaceAll(":", "").toLowerCase();
const hello: Talk = [
  "C: EHLO house.test",
  "P: 250-relay.test",
  "P: 250-STARTTLS",
  "P: 250-AUTH PLAIN",
  "P: 250 ATRN",
];
const turn: Talk = [
  ...hello,
  "C: AUTH PLAIN *",
  "P: 235 welcome",
  "C: ATRN",
  "P: 250 ok",
  "C: 220 *",
  "P: EHLO relay.test",
  "list",
];
const envelope: Talk = ["P: MAIL FROM:<>", "C: 250 *", "P: RCPT TO:<bob@example.org>", "C: 250 *"];
const message: Talk = [
  ...envelope,
  "P: DATA",
  "C: 354 *",
  "P: Subject: hello",
  "P: ",
  "P: text",
  "P: .",
  "C: 250 *",
];
const quit: Talk = ["P: QUIT", "C: 221 *", "end"];
const starttls: Talk = ["P: 220 relay.test", ...hello, "C: STARTTLS", "P: 220 go", "starttls"];

describe("a call over a real line", () => {
  let post: Post;
  before(async () => {
    post = await openPost();
  });
  after(() => post.close());

  interface Called {
    readonly result: string;
    readonly message: string;
    readonly heard: string;
  }

  /** A call to a provider on loopback with this certificate and talk. */
  function calling(facts: Partial<Account>, identity: Identity, talk: Talk): Promise<Called> {
    const tls: ServerTls = identity;
    let heard: Promise<string> = Promise.resolve("");
    const implicit = facts.tls === "implicit";
    const onConnection = async (connection: Parameters<typeof play>[0]) => {
      heard = play(connection, "P", talk, { tls: { as: "server", tls } });
      await heard;
    };
    return withListener({ onConnection, ...(implicit && { tls }) }, async ({ address }) => {
      const caller = {
        ...post.caller,
        dial: (_: Account, as: Parameters<typeof post.caller.dial>[1]) =>
          dial({
            host: "127.0.0.1",
            port: address.port,
            clock: post.clock,
            within: 20_000,
            ...(as && { tls: as }),
          }),
      };
      try {
        const { messages } = await call({ ...post.account, ...facts }, [], caller);
        return { result: `taken ${messages}`, message: "", heard: await heard };
      } catch (fault) {
        if (!(fault instanceof CallError)) throw fault;
        return { result: fault.fault, message: fault.message, heard: await heard.catch(() => "") };
      }
    });
  }

  const trusted = () => ({ ca: certs().ca });
  const cases: readonly {
    readonly name: string;
    readonly facts: () => Partial<Account>;
    readonly identity: () => Identity;
    readonly result: string;
    readonly why?: RegExp;
  }[] = [
    {
      name: "the CA's certificate is trusted",
      facts: trusted,
      identity: () => certs().server,
      result: "taken 1",
    },
    {
      name: "the pinned certificate is trusted",
      facts: () => ({ pin: pinOf(certs().selfSigned) }),
      identity: () => certs().selfSigned,
      result: "taken 1",
    },
    {
      name: "a wrong name is not",
      facts: trusted,
      identity: () => certs().wrongName,
      result: "refused",
      why: /is for other\.test, not for relay\.test/,
    },
    {
      name: "an expired one is not",
      facts: trusted,
      identity: () => certs().expired,
      result: "refused",
      why: /expired on 2020-02-01/,
    },
    {
      name: "a self-signed one is not",
      facts: trusted,
      identity: () => certs().selfSigned,
      result: "refused",
      why: /self-signed|nobody that we trust/,
    },
    {
      name: "one of another CA is not",
      facts: () => ({ ca: certs().otherCa }),
      identity: () => certs().server,
      result: "refused",
      why: /nobody that we trust/,
    },
    {
      name: "one of no CA that the system knows is not",
      facts: () => ({}),
      identity: () => certs().server,
      result: "refused",
      why: /nobody that we trust/,
    },
    {
      name: "another one than the pinned is not",
      facts: () => ({ pin: pinOf(certs().renewed) }),
      identity: () => certs().server,
      result: "refused",
      why: /not the pinned one/,
    },
  ];
  for (const way of ["starttls", "implicit"] as const)
    for (const { name, facts, identity, result, why = /^$/ } of cases)
      it(`${way}: ${name}`, async () => {
        const opening: Talk = way === "starttls" ? starttls : ["P: 220 relay.test"];
        const before = (await entries(post.house)).length;
        const called = await calling({ ...facts(), tls: way }, identity(), [
          ...opening,
          ...turn,
          ...message,
          ...quit,
        ]);
        assert.equal(called.result, result);
        assert.match(called.message, why);
        if (result === "refused") assert.doesNotMatch(called.heard, /AUTH|ATRN/);
        assert.equal((await entries(post.house)).length - before, result === "taken 1" ? 1 : 0);
      });

  const breaks: readonly [name: string, talk: Talk][] = [
    ["the end behind the 220", [...starttls.slice(0, -1), "close"]],
    [
      "garbage for a handshake",
      [...starttls.slice(0, -1), "part", "P: 220 no TLS here", "P: 250 AUTH PLAIN", "end"],
    ],
  ];
  for (const [name, talk] of breaks)
    it(`${name} ends the call, and no secret was sent`, async () => {
      const { result, heard } = await calling({ ...trusted(), tls: "starttls" }, certs().server, talk);
      assert.match(result, /^(?:refused|later|protocol)$/);
      assert.doesNotMatch(heard, /AUTH|ATRN/);
    });

  const half: readonly [name: string, talk: Talk][] = [
    [
      "FIN without close_notify within DATA",
      ["P: DATA", "C: 354 *", "P: Subject: half", "P: ", "P: te\\", "reset"],
    ],
    ["FIN within BDAT", ["P: BDAT 500 LAST", "P: Subject: half", "close"]],
    [
      "FIN before the LF of the final dot",
      ["P: DATA", "C: 354 *", "P: Subject: half", "P: ", "P: .\r\\", "close"],
    ],
  ];
  for (const [name, talk] of half)
    it(`${name}: the half message is not taken`, async () => {
      const before = (await entries(post.house)).length;
      const called = await calling({ ...trusted(), tls: "starttls" }, certs().server, [
        ...starttls,
        ...turn,
        ...message,
        ...envelope,
        ...talk,
      ]);
      assert.equal(called.result, "later");
      assert.notEqual(called.heard, "", "the talk was played to its end");
      assert.equal((await entries(post.house)).length - before, 1);
    });
});
