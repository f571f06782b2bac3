/** What the CA may do wrong, on the wire: an order fails in words, once, and says when to come again. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { OrderError, order, type Showcase } from "../../src/acme/order.ts";
import { newKey } from "../../src/platform/selfsigned.ts";
import { manualClock } from "../support/clock.ts";

const START = Date.UTC(2026, 0, 1);
const accountKey = newKey();

interface Said {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}
/** By method and path; whatever is not in it is a CA at work, up to the order. */
type Script = Readonly<Record<string, Said | "hang up">>;

const nowhere: Showcase = { type: "http-01", show: async () => {}, hide: async () => {} };

/** @returns what the order came to, and what the CA was asked */
async function orderFrom(script: Script, showcase = nowhere) {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const what = `${request.method} ${request.url}`;
    const { port } = server.address() as AddressInfo;
    asked.push(what);
    await drained(request);
    const said = script[what] ?? usual(port)[what];
    if (said === undefined || said === "hang up") return void request.socket.destroy();
    const { status = 200, headers, body } = said;
    response.writeHead(status, { "Replay-Nonce": "bm9uY2U", "Content-Type": "application/json", ...headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body ?? {}));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    const fault = await order(
      {
        ...{ directory: `http://127.0.0.1:${port}/directory`, names: ["relay.test"], accountKey },
        ...{ contact: "postmaster@relay.test", external: undefined, profile: undefined, ca: undefined },
      },
      { clock: manualClock(START), showcase, signal: new AbortController().signal, patience: 1 },
    ).then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.ok(fault instanceof OrderError);
    return { said: fault.message.replaceAll(String(port), "PORT"), later: fault.later, asked };
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

async function drained(request: IncomingMessage): Promise<void> {
  for await (const _ of request);
}

const usual = (port: number): Script => {
  const at = (path: string) => `http://127.0.0.1:${port}${path}`;
  const identifier = { type: "dns", value: "relay.test" };
  return {
    "GET /directory": {
      body: { newNonce: at("/nonce"), newAccount: at("/account"), newOrder: at("/order") },
    },
    "HEAD /nonce": {},
    "POST /account": { status: 201, headers: { Location: at("/account/1") } },
    "POST /order": {
      status: 201,
      headers: { Location: at("/order/1") },
      body: { status: "pending", authorizations: [at("/authorization/1")], finalize: at("/finalize") },
    },
    "POST /authorization/1": {
      body: {
        ...{ status: "pending", identifier },
        challenges: [{ type: "http-01", url: at("/challenge/1"), token: "t0ken", status: "pending" }],
      },
    },
    "POST /challenge/1": { body: { status: "pending" } },
  };
};
const problem = (status: number, type: string, detail: string, headers = {}): Said => ({
  ...{ status, headers },
  body: { type: `urn:ietf:params:acme:error:${type}`, detail },
});

describe("an order", () => {
  it("that is one too many says when to come again", async () => {
    const detail = "too many certificates already issued for relay.test";
    for (const [retry, later] of [
      ["3600", START + 3_600_000],
      ["Thu, 01 Jan 2026 02:00:00 GMT", START + 7_200_000],
      ["yesterday", undefined],
    ] as const) {
      const script = { "POST /order": problem(429, "rateLimited", detail, { "Retry-After": retry }) };
      const found = await orderFrom(script);
      assert.deepEqual({ said: found.said, later: found.later }, { said: detail, later });
      assert.equal(found.asked.filter((each) => each === "POST /order").length, 1, "it is not asked again");
    }
  });

  it("at a CA that is broken fails with what it said", async () => {
    const { said } = await orderFrom({ "POST /order": problem(500, "serverInternal", "the disk is full") });
    assert.equal(said, "the disk is full");
    assert.match(
      (await orderFrom({ "GET /directory": { status: 503, body: "<h1>maintenance</h1>" } })).said,
      /directory returned error 503: http:\/\/127\.0\.0\.1:PORT\/directory/,
    );
    assert.match(
      (await orderFrom({ "GET /directory": { body: "<h1>hello</h1>" } })).said,
      /ACME directory: "newAccount"/,
    );
  });

  it("at a CA that hangs up, or is not there, names it", async () => {
    assert.match(
      (await orderFrom({ "POST /order": "hang up" })).said,
      /^127\.0\.0\.1:PORT cannot be asked: /,
    );
  });

  it("is tried again with the nonce that is offered, five times and no more", async () => {
    const { said, asked } = await orderFrom({ "POST /account": problem(400, "badNonce", "an old nonce") });
    assert.equal(said, "an old nonce");
    assert.equal(asked.filter((each) => each === "POST /account").length, 6);
  });

  it("whose proof is not found says which name, and why, and takes the proof back", async () => {
    const shown: string[] = [];
    const showcase: Showcase = {
      type: "http-01",
      show: async (proofs) => void shown.push(...proofs.map(({ name, token }) => `show ${name} ${token}`)),
      hide: async (proofs) => void shown.push(...proofs.map(({ name }) => `hide ${name}`)),
    };
    const found = { status: "invalid", error: { detail: "connection refused" } };
    const { said } = await orderFrom({ "POST /challenge/1": { body: found } }, showcase);
    assert.equal(said, "relay.test is not proved: connection refused");
    assert.deepEqual(shown, ["show relay.test t0ken", "hide relay.test"]);
  });

  it("that could not be shown is not announced to the CA", async () => {
    const showcase: Showcase = {
      ...nowhere,
      show: async () => {
        throw new Error("dns: it ended with status 1");
      },
    };
    const { said, asked } = await orderFrom({}, showcase);
    assert.equal(said, "dns: it ended with status 1");
    assert.ok(!asked.includes("POST /challenge/1"));
  });
});
