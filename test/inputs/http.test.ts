/** The admin interface's door, over real sockets: what is no HTTP, what is too much of it, and who has no business there. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { capped } from "../../src/platform/capped.ts";
import { type HttpServer, peerOf, serveHttp } from "../../src/platform/http.ts";
import { type Admin, FULL, openAdmin, READ } from "../admin/support.ts";
import { stored } from "../spool/support.ts";

let admin: Admin;
let server: HttpServer;
before(async () => {
  admin = await openAdmin({ peerOf });
  server = await serveHttp((request, env) => admin.app.fetch(request, env as object), {
    ...{ host: "127.0.0.1", port: 0 },
  });
});
after(async () => {
  await server.close();
  await admin.close();
});

const knock = (from = "127.0.0.1"): Socket => {
  const port = "port" in server.address ? server.address.port : 0;
  return connect({ host: "127.0.0.1", port, localAddress: from }).on("error", () => undefined);
};

/** Says these octets, and listens to the end. @returns what was heard */
function said(octets: string, from?: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = knock(from);
    let heard = "";
    socket.on("data", (piece) => {
      heard += piece.toString("latin1");
    });
    socket.on("close", () => resolve(heard));
    socket.write(octets, "latin1");
  });
}

const fields = (...more: readonly string[]): string =>
  ["Host: localhost", `Authorization: Bearer ${FULL}`, "Connection: close", ...more].join("\r\n");
const get = (path: string, ...more: readonly string[]): string =>
  `GET ${path} HTTP/1.1\r\n${fields(...more)}\r\n\r\n`;
const post = (body: string, ...more: readonly string[]): string =>
  `POST /api/v1/queue/actions HTTP/1.1\r\n${fields("Content-Type: application/json", ...more)}\r\n\r\n${body}`;
const sized = (body: string, ...more: readonly string[]): string =>
  post(body, `Content-Length: ${Buffer.byteLength(body)}`, ...more);
const as = (request: string, ...to: readonly [from: string | RegExp, to: string]): string =>
  request.replace(...to);
const QUEUE = "/api/v1/queue";
const HOLD = '{"action":"hold","all":true}';

const rows: Readonly<Record<string, readonly [octets: string, status: RegExp]>> = {
  SMTP: ["EHLO x\r\nMAIL FROM:<a@b.test>\r\n", /^400$/],
  "a TLS ClientHello": [`\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03${"x".repeat(500)}`, /^400$/],
  "no token": [as(get(QUEUE), /Authorization.*\r\n/, ""), /^401$/],
  "wrong token": [as(get(QUEUE), FULL, "nothing"), /^401$/],
  "a token that may only read, to change something": [as(sized(HOLD), FULL, READ), /^403$/],
  "cross-site POST": [sized(HOLD, "Origin: https://evil.example"), /^403$/],
  "cross-site POST, as browsers say it": [sized(HOLD, "Sec-Fetch-Site: cross-site"), /^403$/],
  "foreign Host": [as(get(QUEUE), "localhost", "evil.example"), /^403$/],
  "foreign Host beside ours": [
    as(get(QUEUE), "Host: localhost", "Host: evil.example\r\nHost: localhost"),
    /^40[03]$/,
  ],
  "no Host": [as(get(QUEUE), "Host: localhost\r\n", ""), /^400$/],
  "%2e%2e": [get("/%2e%2e/%2e%2e/etc/passwd"), /^40[04]$/],
  "dots in the path": [get(`${QUEUE}/../../../../etc/passwd`), /^40[04]$/],
  "a NUL in a field": [get(QUEUE, "X: a\0b"), /^400$/],
  "bare line ends": [as(get(QUEUE), /\r\n/g, "\n"), /^400$/],
  "a path of 1 MB": [get(`/${"x".repeat(1_000_000)}`), /^(?:414|431)$/],
  "a field of 1 MB": [get("/", `X: ${"x".repeat(1_000_000)}`), /^431$/],
  "100,000 fields": [get("/", `${"X: y\r\n".repeat(100_000)}X: y`), /^431$/],
  "JSON bombs": [sized(`{"action":"hold","filter":${"[".repeat(100_000)}${"]".repeat(100_000)}}`), /^400$/],
  "a body that is too long": [sized(`{"reason":"${"x".repeat(1_100_000)}"}`), /^413$/],
  "a body that is announced as 100 GB": [post("{", "Content-Length: 99999999999"), /^413$/],
  "a body without end in chunks": [
    post(`10000\r\n${"x".repeat(65_536)}\r\n`.repeat(40), "Transfer-Encoding: chunked"),
    /^413$/,
  ],
  "a chunk of no size": [post("zz\r\n", "Transfer-Encoding: chunked"), /^400$/],
  "a length of -1": [post("{}", "Content-Length: -1"), /^400$/],
  "two lengths": [post("{}", "Content-Length: 2", "Content-Length: 20"), /^400$/],
  "a length and chunks: a second request behind": [
    post(`0\r\n\r\n${get(QUEUE)}`, "Content-Length: 5", "Transfer-Encoding: chunked"),
    /^400$/,
  ],
};

describe("the admin interface's door", () => {
  for (const [what, [octets, status]] of Object.entries(rows))
    it(`${what}: refused once, nothing is changed, and the next one is served`, async () => {
      const id = await stored(admin.spool);
      const heard = await said(octets);
      assert.match(/^HTTP\/1\.1 (\d+)/.exec(heard)?.[1] ?? heard, status);
      assert.equal(heard.split("HTTP/1.1 ").length, 2, "one answer");
      assert.doesNotMatch(heard, /root:|\/src\/|at .*\.ts:/);
      assert.equal(await admin.spool.count({ state: "held" }), 0);
      assert.match(await said(get(`${QUEUE}/${id}`)), /^HTTP\/1\.1 200 /);
    });

  it("HTML and ANSI escapes in Subject come as the text that they are", async () => {
    const id = await stored(admin.spool, { subject: "<script>\x1b[2J" });
    const heard = await said(get(`${QUEUE}/${id}`));
    assert.match(heard, /^content-type: application\/json/im);
    assert.match(heard, /"<script>\\u001b\[2J"/);
    assert.doesNotMatch(heard, /\x1b/);
  });

  it("a guesser is slowed down, and its neighbour is not", async () => {
    const wrong = as(get(QUEUE), FULL, "nothing");
    const statuses = new Set<string>();
    for (let i = 0; i < 12; i++) statuses.add((await said(wrong, "127.0.0.9")).slice(9, 12));
    assert.deepEqual([...statuses], ["401", "429"]);
    assert.match(await said(get(QUEUE), "127.0.0.9"), /^HTTP\/1\.1 429 /);
    assert.match(await said(get(QUEUE), "127.0.0.10"), /^HTTP\/1\.1 200 /);
  });

  it("has 256 connections at most: who comes then is let go, and there is room when somebody has left", async () => {
    const sockets = Array.from({ length: 300 }, () => knock());
    let gone = 0;
    const some = new Promise<void>((resolve) => {
      for (const socket of sockets)
        socket.on("close", () => {
          if (++gone === 44) resolve();
        });
    });
    for (const socket of sockets) socket.resume();
    await some;
    assert.equal(await said(get(QUEUE)), "");
    for (const socket of sockets) socket.destroy();
    let heard = "";
    while (heard === "") heard = await said(get(QUEUE));
    assert.match(heard, /^HTTP\/1\.1 200 /);
    assert.ok(gone >= 44);
  });
});

const onDeno =
  "Deno" in globalThis && "the runtime keeps these deadlines itself, and looks every half a minute";

describe("an HTTP server with a deadline", { skip: onDeno }, () => {
  const beginnings: Readonly<Record<string, string>> = {
    "says nothing": "",
    "stops within its fields": "GET / HTTP/1.1\r\nHost: loc",
    "stops within its body": "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n123",
    "asks once and stays": "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
  };
  for (const [what, octets] of Object.entries(beginnings))
    it(`lets who ${what} go`, async () => {
      const http = createServer(
        (request, response) => void request.resume().on("end", () => response.end("hi")),
      );
      http.headersTimeout = 30;
      http.requestTimeout = 30;
      const { front, drop } = capped(http, 9);
      front.listen(0, "127.0.0.1");
      await once(front, "listening");
      const socket = connect({ host: "127.0.0.1", port: (front.address() as { port: number }).port });
      socket.on("error", () => undefined).resume();
      socket.write(octets);
      await once(socket, "close");
      drop();
      front.close();
    });

  it("lets who listens stay, however long the answer takes", async () => {
    const { promise: othersGone, resolve } = Promise.withResolvers<void>();
    const http = createServer((_, response) => void othersGone.then(() => response.end("still here")));
    http.headersTimeout = 30;
    http.requestTimeout = 30;
    const { front, drop } = capped(http, 9);
    front.listen(0, "127.0.0.1");
    await once(front, "listening");
    const to = { host: "127.0.0.1", port: (front.address() as { port: number }).port };
    const listener = connect(to).on("error", () => undefined);
    listener.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    // Three that say nothing, one after the other: three times the deadline.
    for (let i = 0; i < 3; i++) await once(connect(to).resume(), "close");
    resolve();
    const [heard] = await once(listener, "data");
    assert.match(String(heard), /^HTTP\/1\.1 200 /);
    drop();
    front.close();
  });
});
