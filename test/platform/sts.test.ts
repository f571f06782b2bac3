/** MTA-STS: the policy of a domain, from a real HTTPS server, kept for its time and over a restart. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import { afterEach, describe, it } from "node:test";
import { systemFiles } from "../../src/platform/files.ts";
import type { Log } from "../../src/platform/log.ts";
import { policyFetcher } from "../../src/platform/policyfile.ts";
import { policyShelf } from "../../src/platform/policyshelf.ts";
import { type PolicyShelf, policies } from "../../src/platform/sts.ts";
import { temporary } from "../spool/support.ts";
import { certs, type Identity } from "../support/certs.ts";
import { type ManualClock, manualClock } from "../support/clock.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const policy = (mode: string, mx: string, maxAge = 7 * 86_400): string =>
  `version: STSv1\r\nmode: ${mode}\r\nmx: ${mx}\r\nmax_age: ${maxAge}\r\n`;

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A web server of the domain x.test. @returns its port */
async function web(answer: RequestListener, { certificate: cert, key }: Identity = certs().policyHost) {
  const server = createServer({ cert, key }, answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as { port: number }).port;
}

const plain =
  (text: () => string): RequestListener =>
  (_, answer) =>
    void answer.writeHead(200, { "content-type": "text/plain; charset=utf-8" }).end(text());

const fetcherAt = (port: number, clock: ManualClock = manualClock(), at: readonly string[] = ["127.0.0.1"]) =>
  policyFetcher({ names: { addresses: async () => at }, clock, port, ca: certs().ca });

describe("the file of a policy", () => {
  it("is asked for by the policy host's name, at its well-known place", async () => {
    const asked: string[] = [];
    const port = await web((question, answer) => {
      asked.push(`${question.method} ${question.headers.host} ${question.url}`);
      plain(() => "version: STSv1\r\n")(question, answer);
    });
    assert.equal(await fetcherAt(port)("x.test"), "version: STSv1\r\n");
    assert.deepEqual(asked, ["GET mta-sts.x.test /.well-known/mta-sts.txt"]);
  });

  it("comes from the next address where one does not answer", async () => {
    const port = await web(plain(() => "here"));
    assert.equal(await fetcherAt(port, manualClock(), ["127.0.0.2", "127.0.0.1"])("x.test"), "here");
  });

  const text = { "content-type": "text/plain" };
  const wrong: readonly (readonly [name: string, answer: RequestListener, why: RegExp, by?: Identity])[] = [
    ["by a redirect", (_, answer) => void answer.writeHead(302, { location: "/other" }).end(), /answers 302/],
    ["that is not there", (_, answer) => void answer.writeHead(404, text).end("no"), /answers 404/],
    ["in a 203", (_, answer) => void answer.writeHead(203, text).end("yes"), /answers 203/],
    [
      "as a page",
      (_, answer) => void answer.writeHead(200, { "content-type": "text/html" }).end("<p>"),
      /no text\/plain but "text\/html"/,
    ],
    ["of no type", (_, answer) => void answer.writeHead(200).end("x"), /no text\/plain/],
    [
      "without an end",
      (_, answer) => {
        answer.writeHead(200, text);
        const more = (): void => {
          if (!answer.destroyed) answer.write("x".repeat(20_000), () => setImmediate(more));
        };
        more();
      },
      /larger than 65536/,
    ],
    ["of another host", plain(() => "x"), /name/i, certs().server],
    ["of a host that vouches for itself", plain(() => "x"), /self.signed|issuer/i, certs().selfSigned],
  ];
  for (const [name, answer, why, by] of wrong)
    it(`${name} is none`, async () => {
      await assert.rejects(fetcherAt(await web(answer, by))("x.test"), why);
    });

  it("that never comes is given up after a minute", async () => {
    const clock = manualClock();
    let asked = () => {};
    const question = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const fetched = fetcherAt(await web(() => asked()), clock)("x.test");
    const late = assert.rejects(fetched, /no policy from mta-sts.x.test in time/);
    await question;
    await clock.advance(60_000);
    await late;
    assert.equal(clock.timers, 0);
  });
});

interface Scene {
  /** What is published: the record's texts ("trouble": nobody answers), and the file; undefined: nothing. */
  texts: readonly string[] | "trouble";
  file: string | undefined;
  fetched: number;
  readonly clock: ManualClock;
  readonly logged: string[];
}

const scene = (): Scene => ({
  texts: ["v=STSv1; id=one;"],
  file: policy("enforce", "mx.x.test"),
  fetched: 0,
  clock: manualClock(),
  logged: [],
});

function demands(at: Scene, shelf?: PolicyShelf) {
  const log: Log = { log: (_, event) => void at.logged.push(event) };
  const ask = policies({
    ...{ clock: at.clock, log, shelf },
    names: {
      texts: async (name) => {
        assert.equal(name, "_mta-sts.x.test");
        if (at.texts === "trouble") throw new Error("no answer");
        return at.texts;
      },
    },
    fetch: async () => {
      at.fetched++;
      return at.file ?? assert.fail("not there");
    },
  });
  return async () => (await ask("x.test"))?.hosts;
}

describe("a domain's policy", () => {
  it("demands what it enforces, and nothing while it tests or says none", async () => {
    for (const [mode, hosts] of [
      ["enforce", ["mx.x.test"]],
      ["testing", undefined],
      ["none", undefined],
    ] as const) {
      const at = scene();
      at.file = policy(mode, "mx.x.test");
      assert.deepEqual(await demands(at)(), hosts, mode);
    }
  });

  it("is not asked for where its record is absent, not alone, or of another kind", async () => {
    for (const texts of [[], ["v=STSv1; id=1", "v=STSv1; id=2"], ["v=STSv2; id=1"], ["v=STSv1; x=1"]]) {
      const at = { ...scene(), texts };
      assert.equal(await demands(at)(), undefined);
      assert.equal(at.fetched, 0);
    }
  });

  it("is fetched once for many who ask at once, and looked at again after an hour", async () => {
    const at = scene();
    const ask = demands(at);
    await Promise.all([ask(), ask(), ask()]);
    await ask();
    assert.equal(at.fetched, 1);
    await at.clock.advance(HOUR);
    assert.deepEqual(await ask(), ["mx.x.test"]);
    assert.equal(at.fetched, 1, "the same id: the same policy");
    at.texts = ["v=STSv1; id=two"];
    at.file = policy("enforce", "other.x.test");
    assert.deepEqual(await ask(), ["mx.x.test"]);
    await at.clock.advance(HOUR);
    assert.deepEqual(await ask(), ["other.x.test"]);
    assert.equal(at.fetched, 2);
  });

  it("is read again after a day, so that its time does not run out", async () => {
    const at = scene();
    at.file = policy("enforce", "mx.x.test", (2 * DAY) / 1_000);
    const ask = demands(at);
    for (let day = 0; day < 5; day++) {
      assert.deepEqual(await ask(), ["mx.x.test"]);
      await at.clock.advance(DAY);
    }
    assert.equal(at.fetched, 5);
  });

  it("holds for its time where it is hidden or broken, and no longer", async () => {
    const hidings: readonly ((at: Scene) => void)[] = [
      (at) => {
        at.texts = "trouble";
      },
      (at) => {
        at.texts = [];
      },
      (at) => {
        at.file = undefined;
        at.texts = ["v=STSv1; id=two"];
      },
      (at) => {
        at.file = "version: STSv1\r\nmode: whatever\r\n";
        at.texts = ["v=STSv1; id=two"];
      },
    ];
    for (const hide of hidings) {
      const at = scene();
      const ask = demands(at);
      await ask();
      hide(at);
      await at.clock.advance(7 * DAY - 1);
      assert.deepEqual(await ask(), ["mx.x.test"]);
      await at.clock.advance(HOUR);
      assert.equal(await ask(), undefined);
    }
  });

  it("that cannot be had demands nothing, and is said", async () => {
    const at = { ...scene(), file: undefined };
    assert.equal(await demands(at)(), undefined);
    assert.deepEqual(at.logged, ["no MTA-STS policy"]);
  });
});

describe("policies on a shelf", () => {
  async function inFolder(act: (path: string) => Promise<void>): Promise<void> {
    const folder = temporary();
    try {
      await act(`${folder.path}/spool.db.mta-sts`);
    } finally {
      folder.remove();
    }
  }
  const kept = async (path: string) => {
    let policies: readonly { domain: string }[] = [];
    while (policies.length === 0) {
      await new Promise((resolve) => setImmediate(resolve));
      // What is damaged still cannot be read.
      policies = (await policyShelf(path, systemFiles)
        .load()
        .catch(() => [])) as typeof policies;
    }
    return policies.map(({ domain }) => domain);
  };

  it("outlive the process", () =>
    inFolder(async (path) => {
      const at = scene();
      await demands(at, policyShelf(path, systemFiles))();
      assert.deepEqual(await kept(path), ["x.test"]);
      at.texts = "trouble";
      assert.deepEqual(await demands(at, policyShelf(path, systemFiles))(), ["mx.x.test"]);
      assert.equal(at.fetched, 1);
      await at.clock.advance(7 * DAY);
      assert.equal(await demands(at, policyShelf(path, systemFiles))(), undefined);
    }));

  it("that are damaged are asked for anew", () =>
    inFolder(async (path) => {
      for (const damage of ["", "{", "[1, null, {}]", '{"domain":"x.test"}']) {
        writeFileSync(path, damage);
        const at = scene();
        assert.deepEqual(await demands(at, policyShelf(path, systemFiles))(), ["mx.x.test"]);
        assert.deepEqual(await kept(path), ["x.test"]);
      }
    }));

  it("that cannot be written stop no mail, and that is said", async () => {
    const at = scene();
    assert.deepEqual(await demands(at, policyShelf("/nowhere/at/all", systemFiles))(), ["mx.x.test"]);
    while (at.logged.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(at.logged, ["MTA-STS policies not kept"]);
  });
});
