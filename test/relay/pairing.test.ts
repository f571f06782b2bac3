import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { dial } from "../../src/net/dial.ts";
import { fingerprintOf } from "../../src/platform/selfsigned.ts";
import { CallError } from "../../src/relay/callerror.ts";
import { introduce } from "../../src/relay/introduce.ts";
import type { Pairing } from "../../src/relay/pairing.ts";
import { receive } from "../../src/relay/reception.ts";
import type { DoorSettings } from "../../src/relay/relay.ts";
import { certs, type Identity } from "../support/certs.ts";
import { manualClock } from "../support/clock.ts";
import { withListener } from "../support/net.ts";
import { pipe } from "../support/pipe.ts";
import { openPost, type Post } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";

const TOKEN = "5TCkZGyXMjoALSXyxMbzCw";
const OURS = "0a".repeat(32);
const WORDS = `XODMRPAIR ${TOKEN} sha256:${OURS}`;
const DOMAINS = Array.from({ length: 60 }, (_, i) => `number-${i}.example.org`);

/** Knows one token, and keeps what it was asked. */
function desk(): Pairing & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    async redeem(token, certificate) {
      asked.push(`${token} ${certificate}`);
      return token === TOKEN ? { name: "home", domains: DOMAINS } : "refused";
    },
  };
}

describe("an invitation at the relay's door", () => {
  let post: Post;
  before(async () => {
    post = await openPost();
  });
  after(() => post.close());

  const door: DoorSettings = { service: "odmr", startTls: true, requireTls: true, bareLineEnds: "refuse" };
  const open = ["P: 220 *", "C: EHLO house.test", "list"];
  const gone = ["C: QUIT", "P: 221 *", "end"];

  /** A talk in memory. @returns what the relay said, and what its desk was asked */
  async function visit(
    talk: Talk,
    { secure = true, settings = {}, pairing = desk(), relay = post.relay } = {},
  ) {
    const tls = { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" };
    const [here, there] = pipe({ clock: relay.clock, ...(secure && { tls }) });
    const book = { ...relay.book, tls: certs().server };
    const over = receive({ ...relay, book, pairing }, { ...door, ...settings }, there);
    const heard = await play(here, "C", talk, { clock: relay.clock });
    await here.close();
    await over;
    return { heard, asked: pairing.asked };
  }

  it("is not taken in the clear, nor announced there, whatever else the door lets pass", async () => {
    for (const requireTls of [true, false]) {
      const talk = [...open, `C: ${WORDS}`, "P: 530 5.7.0 Must issue a STARTTLS command first", ...gone];
      const { heard, asked } = await visit(talk, { secure: false, settings: { requireTls } });
      assert.doesNotMatch(heard, /XODMRPAIR/);
      assert.deepEqual(asked, []);
    }
  });

  it("is taken under TLS, from who is nobody yet, after EHLO and outside of mail", async () => {
    const { asked } = await visit([
      `P: 220 *`,
      `C: ${WORDS}`,
      "P: 503 *",
      "C: HELO house.test",
      "P: 250 *",
      `C: ${WORDS}`,
      "P: 503 *",
      ...gone,
    ]);
    assert.deepEqual(asked, []);
    const known = [
      ...open,
      `C: AUTH PLAIN ${btoa("\0home\0home secret")}`,
      "P: 235 *",
      `C: ${WORDS}`,
      "P: 503 5.5.1 Authenticated already",
      ...gone,
    ];
    assert.deepEqual((await visit(known)).asked, []);
  });

  it("is for the customers' door alone", async () => {
    for (const service of ["intake", "submission"] as const) {
      const { heard, asked } = await visit([...open, `C: ${WORDS}`, "P: 502 *", ...gone], {
        settings: { service },
      });
      assert.doesNotMatch(heard, /XODMRPAIR/);
      assert.deepEqual(asked, []);
    }
  });

  it("makes nobody known on this line: the certificate does, on another", async () => {
    const { asked } = await visit([
      ...open,
      `C: ${WORDS}`,
      "P: 250-2.0.0 home",
      "list",
      "C: ATRN",
      "P: 530 5.7.0 *",
      ...gone,
    ]);
    assert.deepEqual(asked, [`${TOKEN} ${OURS}`]);
  });

  it("that is wrong is answered the slower the more there were, and at the fifth the line ends", async () => {
    const clock = manualClock();
    const slow = await openPost({ clock });
    try {
      const wrong = [`C: XODMRPAIR ${"A".repeat(22)} sha256:${OURS}`, "P: 535 5.7.8 *"];
      const talk = [...open, ...Array.from({ length: 5 }, () => wrong).flat(), "P: 421 4.7.0 *", "end"];
      const began = clock.steady();
      let over = false;
      const visiting = visit(talk, { relay: slow.relay }).finally(() => {
        over = true;
      });
      for (let i = 0; !over && i < 100; i++) await clock.advance(500);
      assert.equal((await visiting).asked.length, 5);
      assert.ok(clock.steady() - began >= 3_000, `it took ${clock.steady() - began} ms`);
      // The right one waits as well: how long an answer takes says nothing of it.
      let answered = false;
      const right = visit([...open, `C: ${WORDS}`, "P: 250-2.0.0 home", "list", ...gone], {
        relay: slow.relay,
      }).finally(() => {
        answered = true;
      });
      await clock.advance(3_000);
      assert.equal(answered, false);
      for (let i = 0; !answered && i < 100; i++) await clock.advance(500);
      await right;
    } finally {
      await slow.close();
    }
  });
});

describe("whoever has an invitation", () => {
  const relayIdentity = () => certs().selfSigned;
  const starttls: Talk = [
    "P: 220 relay.test",
    "C: EHLO house.test",
    "P: 250-relay.test",
    "P: 250 STARTTLS",
    "C: STARTTLS",
    "P: 220 go",
    "starttls",
  ];
  const hello: Talk = [...starttls, "C: EHLO house.test", "P: 250-relay.test", "P: 250 XODMRPAIR"];

  const bye: Talk = ["C: QUIT", "P: 221 bye", "end"];

  interface Introduced {
    readonly result: unknown;
    readonly heard: string;
  }

  /** Goes to a provider on loopback that shows this certificate and says this. */
  function going(talk: Talk, identity: Identity = relayIdentity()): Promise<Introduced> {
    let heard: Promise<string> = Promise.resolve("");
    const onConnection = async (connection: Parameters<typeof play>[0]) => {
      heard = play(connection, "P", talk, { tls: { as: "server", tls: identity } });
      await heard;
    };
    return withListener({ onConnection }, async ({ address: { port } }) => {
      const post = await openPost();
      const inviter = {
        host: "relay.test",
        port,
        tls: "starttls",
        pin: fingerprintOf(relayIdentity().certificate),
        hostname: "house.test",
      } as const;
      const connect = () => dial({ host: "127.0.0.1", port, clock: post.clock, within: 20_000 });
      try {
        const result = await introduce(
          inviter,
          { token: TOKEN, certificate: OURS },
          { random: post.random, connect },
        );
        return { result, heard: await heard };
      } catch (fault) {
        if (!(fault instanceof CallError)) throw fault;
        const result = [fault.fault, fault.message.replace(`:${port}`, "")];
        return { result, heard: await heard.catch(() => "") };
      } finally {
        await post.close();
      }
    });
  }

  it("is told who it is from now on, and goes", async () => {
    const { result } = await going([
      ...hello,
      `C: ${WORDS}`,
      "P: 250-2.0.0 home",
      "P: 250-2.0.0 example.org,Example.COM",
      "P: 250 2.0.0 example.net",
      "C: QUIT",
      "P: 221 bye",
      "end",
    ]);
    assert.deepEqual(result, {
      name: "home",
      domains: ["example.org", "example.com", "example.net"],
      vouchedFor: false,
    });
  });

  it("keeps the token from whoever shows another certificate", async () => {
    const { result, heard } = await going([...starttls, "rest"], certs().server);
    assert.equal((result as string[])[0], "refused");
    assert.match(
      (result as string[])[1]!,
      /showed the certificate sha256:[0-9a-f]{64}, which is not the pinned one/,
    );
    assert.doesNotMatch(heard, /XODMRPAIR|5TCk/);
  });

  it("keeps it where there is no TLS, or TLS is taken off on the way", async () => {
    for (const listed of [["P: 250 relay.test"], ["P: 250-relay.test", "P: 250 XODMRPAIR"]]) {
      const { result, heard } = await going(["P: 220 relay.test", "C: EHLO house.test", ...listed, ...bye]);
      assert.deepEqual(result, [
        "protocol",
        "relay.test offers no STARTTLS; if that is right, write tls: implicit (or none, for tests)",
      ]);
      assert.doesNotMatch(heard, /5TCk/);
    }
  });

  it("keeps it where nobody takes invitations", async () => {
    const { result, heard } = await going([...starttls, "C: EHLO house.test", "P: 250 relay.test", ...bye]);
    assert.deepEqual(result, [
      "protocol",
      "relay.test takes no invitations; is it another program, or an older one?",
    ]);
    assert.doesNotMatch(heard, /5TCk/);
  });

  for (const [answer, result] of [
    ["535 5.7.8 no", ["refused", "relay.test does not take us in: 535 5.7.8 no"]],
    ["451 4.3.0 later", ["later", "relay.test does not take us in: 451 4.3.0 later"]],
    ["250 2.0.0 home", ["protocol", "relay.test took us in, but as nobody: 250 2.0.0 home"]],
  ] as const)
    it(`says what "${answer}" is`, async () => {
      assert.deepEqual((await going([...hello, `C: ${WORDS}`, `P: ${answer}`, ...bye])).result, result);
    });

  it("believes no name and no domain that is none", async () => {
    for (const [name, domain] of [
      ["../home", "example.org"],
      ["home", "example"],
      ["home", "a.example,*"],
      ["home", "a.example:"],
    ]) {
      const { result } = await going([
        ...hello,
        `C: ${WORDS}`,
        `P: 250-2.0.0 ${name}`,
        `P: 250 2.0.0 ${domain}`,
        ...bye,
      ]);
      assert.equal((result as string[])[0], "protocol");
    }
  });
});
