import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { nameOf } from "../../src/admin/gate.ts";
import type { ProblemJson } from "../../src/admin/schema.ts";
import { stored } from "../spool/support.ts";
import { type Admin, FULL, openAdmin } from "./support.ts";

describe("the gate", () => {
  let admin: Admin;
  before(async () => {
    admin = await openAdmin({ peerOf: (env) => String(env ?? "") });
  });
  after(() => admin.close());

  const status = async (path: string, init: RequestInit = {}) => (await admin.ask(path, init)).status;
  const QUEUE = "/api/v1/queue";

  it("no token, a wrong one, or another scheme is 401 with a problem document", async () => {
    for (const authorization of ["", "Bearer nothing", `Basic ${FULL}`, `Bearer ${FULL}x`, "Bearer "]) {
      const response = await admin.app.request(
        QUEUE,
        { headers: { host: "localhost", authorization } },
        authorization,
      );
      assert.equal(response.status, 401, authorization);
      assert.equal(response.headers.get("content-type"), "application/problem+json");
      assert.match(response.headers.get("www-authenticate") ?? "", /^Bearer/);
      const document = (await response.json()) as ProblemJson;
      assert.deepEqual(
        [document.status, document.title, document.type],
        [401, "Unauthorized", "about:blank"],
      );
    }
    for (const path of ["/metrics", "/openapi.json", "/api/v1/nothing"])
      assert.equal((await admin.app.request(path, { headers: { host: "localhost" } })).status, 401, path);
  });

  it("wrong tokens are slowed down by address, and for a while only", async () => {
    const guess = (peer: string, token: string) =>
      admin.app.request(QUEUE, { headers: { host: "localhost", authorization: `Bearer ${token}` } }, peer);
    for (let i = 0; i < 10; i++) assert.equal((await guess("192.0.2.1", `guess${i}`)).status, 401);
    const slowed = await guess("192.0.2.1", FULL);
    assert.equal(slowed.status, 429);
    assert.equal(slowed.headers.get("retry-after"), "6");
    assert.equal((await guess("192.0.2.2", FULL)).status, 200);
    admin.clock.pass(6000);
    assert.equal((await guess("192.0.2.1", FULL)).status, 200);
    assert.equal((await guess("192.0.2.1", "again")).status, 401);
    assert.equal((await guess("192.0.2.1", FULL)).status, 429);
  });

  it("a foreign Host is refused, whatever the token", async () => {
    for (const host of [
      "evil.example",
      "localhost.evil.example",
      "127.0.0.1.evil.example",
      "",
      "[::1",
      "a b",
    ])
      assert.equal(await status(QUEUE, { headers: { host } }), 403, host);
    for (const host of ["localhost", "LOCALHOST:8366", "localhost:1"])
      assert.equal(await status(QUEUE, { headers: { host } }), 200, host);
    assert.deepEqual(["[::1]:80", "[::1]", "A.test:1"].map(nameOf), ["::1", "::1", "a.test"]);
  });

  it("a page of another site changes nothing", async () => {
    const id = await stored(admin.spool);
    const hold = (headers: Record<string, string>) =>
      status(`/api/v1/queue/${id}/hold`, { method: "POST", headers });
    assert.equal(await hold({ origin: "https://evil.example" }), 403);
    assert.equal(await hold({ origin: "null" }), 403);
    assert.equal(await hold({ origin: "http://localhost:81" }), 403);
    assert.equal(await hold({ "sec-fetch-site": "cross-site" }), 403);
    assert.equal(await hold({ "sec-fetch-site": "same-site" }), 403);
    assert.equal(await admin.spool.count({ state: "held" }), 0);
    assert.equal(await hold({ origin: "http://localhost", "sec-fetch-site": "same-origin" }), 200);
  });

  it("everything that leaves is hardened, errors too", async () => {
    for (const path of [QUEUE, "/healthz", "/nothing", "/metrics"]) {
      const { headers } = await admin.ask(path);
      assert.equal(headers.get("x-content-type-options"), "nosniff", path);
      assert.equal(headers.get("x-frame-options"), "DENY", path);
      assert.match(headers.get("content-security-policy") ?? "", /default-src 'none'/, path);
    }
  });

  it("dots and escapes in paths lead nowhere", async () => {
    for (const id of [
      "%2e%2e",
      "..%2f..%2fetc%2fpasswd",
      "%00",
      "%ff",
      "a%2fb",
      "'; DROP TABLE message --",
    ]) {
      const found = await status(`/api/v1/queue/${id}`);
      assert.ok(found === 400 || found === 404 || found === 200, `${id}: ${found}`);
      if (found === 200) assert.match(id, /^%2e%2e$/);
      assert.ok([400, 404].includes(await status(`/api/v1/queue/${id}/message`)), id);
    }
  });

  it("bodies that are no JSON, too deep, too long or of another type are refused", async () => {
    const post = async (body: string, type = "application/json") =>
      (await admin.post("/api/v1/queue/actions", body, { headers: { "content-type": type } })).status;
    const deep = (levels: number) => `{"action":"hold","filter":${"[".repeat(levels)}${"]".repeat(levels)}}`;
    assert.equal(await post("{"), 400);
    assert.equal(await post(""), 400);
    assert.equal(await post("null"), 400);
    assert.equal(await post(deep(5)), 400);
    assert.equal(await post(deep(400_000)), 400);
    assert.equal(await post(`{"action":"hold","all":true,"__proto__":{"all":true}}`), 400);
    assert.equal(await post(`{"action":"hold","all":true,"reason":"${"x".repeat(1_100_000)}"}`), 413);
    assert.equal(await post(`{"action":"hold","all":true}`, "text/plain"), 415);
    assert.equal(await post(`{"action":"hold","all":true,"reason":"\\u001b[31m"}`), 400);
    assert.equal(await post(`{"action":"hold","all":true,"reason":"<b>\\"[[[[[[[[[[[[[[[[[[[["}`), 200);
  });

  it("what a hostile sender wrote comes back as the text it is", async () => {
    const subject = '<img src=x onerror=alert(1)>\x1b[31m"\u2028';
    const id = await stored(admin.spool, { subject });
    const response = await admin.ask(`/api/v1/queue/${id}`);
    assert.equal(response.headers.get("content-type"), "application/json");
    assert.equal(((await response.json()) as { subject: string }).subject, subject);
  });
});
