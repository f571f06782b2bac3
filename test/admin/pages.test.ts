import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { rhythmOf } from "../../src/admin/pages/rhythm.ts";
import { HOUR } from "../../src/admin/pages/words.ts";
import { localPath } from "../../src/admin/paths.ts";
import { stored } from "../spool/support.ts";
import { type Admin, FULL, openAdmin, READ } from "./support.ts";

const HOSTILE = `<script>alert("x")</script>&'"><img src=x onerror=alert(1)>`;
const NEVER = /<script>alert|<img|<b>bold|onerror=alert\(1\)>(?!&)/;

/** A browser without a script: it keeps cookies, and takes no redirect by itself. */
class Browser {
  readonly #admin: Admin;
  readonly #cookies = new Map<string, string>();

  constructor(admin: Admin) {
    this.#admin = admin;
  }

  get cookies(): ReadonlyMap<string, string> {
    return this.#cookies;
  }

  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return this.#keep(await this.#admin.app.request(path, { headers: { ...this.#headers(), ...headers } }));
  }

  async post(
    path: string,
    form: Readonly<Record<string, string>>,
    more: Readonly<Record<string, string>> = {},
  ) {
    const headers = {
      ...this.#headers(),
      ...{ origin: "http://localhost", "content-type": "application/x-www-form-urlencoded" },
      ...more,
    };
    const body = String(new URLSearchParams(form));
    return this.#keep(await this.#admin.app.request(path, { method: "POST", headers, body }));
  }

  async page(path: string): Promise<string> {
    const response = await this.get(path);
    assert.equal(response.status, 200, path);
    return await response.text();
  }

  async signIn(secret = FULL): Promise<this> {
    assert.equal((await this.post("/sign-in", { secret })).status, 303);
    return this;
  }

  /** The token in the forms of this session. */
  async token(): Promise<string> {
    return /name="token" value="([^"]+)"/.exec(await this.page("/rules"))?.[1] ?? "";
  }

  #headers() {
    return {
      host: "localhost",
      cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; "),
    };
  }

  #keep(response: Response): Response {
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value === "") this.#cookies.delete(name);
      else this.#cookies.set(name, decodeURIComponent(value));
    }
    return response;
  }
}

describe("the dashboard", () => {
  const opened: Admin[] = [];
  after(async () => {
    for (const admin of opened) await admin.close();
  });
  const fresh = async (): Promise<{ readonly admin: Admin; readonly browser: Browser }> => {
    const admin = await openAdmin();
    opened.push(admin);
    return { admin, browser: new Browser(admin) };
  };

  it("asks who is there, and comes back to where one wanted to go", async () => {
    const { browser } = await fresh();
    const sent = await browser.get("/queue?state=held");
    assert.equal(sent.status, 303);
    assert.equal(sent.headers.get("location"), "/sign-in?next=%2Fqueue%3Fstate%3Dheld");
    const door = await browser.page("/sign-in?next=%2Fqueue%3Fstate%3Dheld");
    assert.match(door, /name="next" value="\/queue\?state=held"/);
    const signedIn = await browser.post("/sign-in", { secret: FULL, next: "/queue?state=held" });
    assert.equal(signedIn.headers.get("location"), "/queue?state=held");
    assert.match(await browser.page("/"), /The post is out\./);
  });

  it("sends nobody to another site", async () => {
    const { browser } = await fresh();
    for (const next of [
      "//evil.example/",
      "https://evil.example",
      "/\\evil.example",
      "javascript:alert(1)",
      "/\t/evil",
    ]) {
      assert.equal(localPath(next), "/", next);
      const response = await browser.post("/sign-in", { secret: FULL, next });
      assert.equal(response.headers.get("location"), "/");
    }
    await browser.signIn();
    assert.doesNotMatch(
      await browser.page("/queue/confirm?action=hold&all=true&state=waiting&back=javascript:alert(1)"),
      /="javascript:/,
    );
  });

  it("keeps the session in a cookie that no script reads, no other site sends, and that is not the token", async () => {
    const { browser } = await fresh();
    const plain = (await browser.post("/sign-in", { secret: FULL })).headers.getSetCookie()[0] ?? "";
    assert.match(plain, /^odmr-session=[^;]+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/);
    assert.ok(!plain.includes(FULL));
    const proxied = await browser.post("/sign-in", { secret: FULL }, { "x-forwarded-proto": "https" });
    assert.match(proxied.headers.getSetCookie()[0] ?? "", /; Secure/);
  });

  it("takes no cookie that was changed, is too old, or was signed out", async () => {
    const { admin, browser } = await fresh();
    await browser.signIn();
    const session = browser.cookies.get("odmr-session") ?? "";
    const [body = "", seal = ""] = session.split(".");
    const forged = btoa(atob(body.replace(/-/g, "+").replace(/_/g, "/")).replace('"full"', '"read"'));
    const ask = async (cookie: string) =>
      (await admin.app.request("/", { headers: { host: "localhost", cookie: `odmr-session=${cookie}` } }))
        .status;
    assert.equal(await ask(session), 200);
    for (const cookie of [`${forged}.${seal}`, `${body}.`, `${body}.AAAA`, "x", "..", `%00.${seal}`])
      assert.equal(await ask(cookie), 303, cookie);
    const left = await browser.post("/sign-out", { token: await browser.token() });
    assert.equal(left.headers.get("location"), "/sign-in");
    assert.equal(await ask(session), 303);
    await browser.signIn();
    const later = browser.cookies.get("odmr-session") ?? "";
    admin.clock.sleep(13 * HOUR);
    assert.equal(await ask(later), 303);
  });

  it("slows down who guesses", async () => {
    const { browser } = await fresh();
    const statuses: number[] = [];
    for (let i = 0; i < 12; i++)
      statuses.push((await browser.post("/sign-in", { secret: `guess ${i}` })).status);
    assert.deepEqual(statuses, [...Array(10).fill(401), 429, 429]);
    const right = await browser.post("/sign-in", { secret: FULL });
    assert.equal(right.status, 429);
    assert.ok(Number(right.headers.get("retry-after")) > 0);
  });

  it("allows its pages nothing but its own script, style and forms", async () => {
    const { admin, browser } = await fresh();
    await browser.signIn();
    const id = await stored(admin.spool);
    const policy =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
      "form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    for (const path of ["/", "/sign-in", "/queue", `/queue/${id}`, "/customers", "/turns", "/rules"]) {
      const response = await browser.get(path);
      assert.equal(response.headers.get("content-security-policy"), policy, path);
      assert.equal(response.headers.get("cache-control"), "no-store", path);
      assert.equal(response.headers.get("x-content-type-options"), "nosniff", path);
      const page = await response.text();
      assert.ok(page.startsWith("<!doctype html>"), path);
      assert.doesNotMatch(
        page,
        /\sstyle="|<style|\son[a-z]+="|<script(?! src="\/assets)|(?:src|href|action)="(?:https?:)?\/\//,
      );
    }
  });

  it("shows what strangers wrote as text", async () => {
    const { admin, browser } = await fresh();
    await browser.signIn();
    const id = await stored(admin.spool, {
      ...{ from: `"<b>bold</b>"@evil.example`, subject: HOSTILE },
      body:
        `From: ${HOSTILE}\r\nSubject: ${HOSTILE}\r\nX-${HOSTILE}: ${HOSTILE}\r\n` +
        `Content-Type: text/html\r\n\r\n<p>${HOSTILE} &lt;script&gt;alert(2)&lt;/script&gt;</p>\r\n`,
    });
    const gone = [
      `/queue?sender=${encodeURIComponent(HOSTILE)}`,
      `/queue?olderThan=${encodeURIComponent(HOSTILE)}`,
    ];
    for (const path of ["/", "/queue", `/queue/${id}`, `/queue/confirm?action=remove&id=${id}`, ...gone])
      assert.doesNotMatch(await browser.page(path), NEVER, path);
    assert.match(await browser.page(`/queue/${id}`), /&lt;script&gt;alert\(&quot;x&quot;\)/);
  });

  it("gives a message away as a file that no browser shows", async () => {
    const { admin, browser } = await fresh();
    await browser.signIn();
    const id = await stored(admin.spool);
    const response = await browser.get(`/queue/${id}/message.eml`);
    assert.equal(response.headers.get("content-type"), "message/rfc822");
    assert.match(response.headers.get("content-disposition") ?? "", /^attachment;/);
    assert.match(response.headers.get("content-security-policy") ?? "", /^sandbox/);
    assert.match(await response.text(), /^Received: from mx\r\nSubject: hello\r\n/);
  });

  it("holds, releases and removes what was selected, after asking once more", async () => {
    const { admin, browser } = await fresh();
    await browser.signIn();
    const ids = [await stored(admin.spool), await stored(admin.spool, { subject: "second" })];
    const token = await browser.token();
    const asked = await browser.page(`/queue/confirm?action=hold&id=${ids[0]}&id=${ids[1]}`);
    assert.match(asked, /Hold: 2 messages/);
    const filter = /name="filter" value="([^"]+)"/.exec(asked)?.[1]?.replace(/&quot;/g, '"') ?? "";
    const done = await browser.post("/queue/act", {
      token,
      action: "hold",
      filter,
      reason: "odd",
      back: "/queue",
    });
    assert.equal(done.status, 303);
    assert.equal(done.headers.get("location"), "/queue");
    assert.match(await browser.page("/queue"), /2 messages are held\./);
    assert.doesNotMatch(await browser.page("/queue"), /2 messages are held\./);
    assert.equal(await admin.spool.count({ state: "held" }), 2);
    for (const [action, state, count] of [
      ["release", "waiting", 2],
      ["remove", "waiting", 0],
    ] as const) {
      await browser.post("/queue/act", { token, action, filter, reason: "" });
      assert.equal(await admin.spool.count({ state }), count, action);
    }
    assert.match(await browser.page(`/queue/${ids[0]}`), /Its octets have left/);
  });

  it("acts on all that fit as they were when it asked", async () => {
    const { admin, browser } = await fresh();
    await browser.signIn();
    await stored(admin.spool, { from: "ann@one.example" });
    await stored(admin.spool, { from: "ann@two.example" });
    const asked = await browser.page("/queue/confirm?action=remove&all=true&sender=one.ex&olderThan=1m");
    assert.match(asked, /Remove: 0 messages/);
    assert.match(asked, /arrivedBefore/);
    assert.match(asked, /\*one\.ex\*/);
  });

  it("believes a form with the token of its own session alone", async () => {
    const { admin, browser } = await fresh();
    await browser.signIn();
    const id = await stored(admin.spool);
    const foreign = await (await new Browser(admin).signIn()).token();
    const form = { action: "remove", filter: JSON.stringify({ ids: [id] }) };
    for (const token of ["", "x", foreign])
      assert.equal((await browser.post("/queue/act", { ...form, token })).status, 403, token);
    const token = await browser.token();
    for (const headers of [{ origin: "https://evil.example" }, { "sec-fetch-site": "cross-site" }])
      assert.equal((await browser.post("/queue/act", { ...form, token }, headers)).status, 403);
    assert.equal(await admin.spool.count({}), 1);
  });

  it("hides from a token that may only read what it refuses it", async () => {
    const { admin, browser } = await fresh();
    await browser.signIn(READ);
    const id = await stored(admin.spool);
    for (const path of ["/queue", `/queue/${id}`])
      assert.doesNotMatch(await browser.page(path), /name="action"/);
    const rules = await browser.page("/rules");
    assert.doesNotMatch(rules, /Hold such mail/);
    const token = /name="token" value="([^"]+)"/.exec(rules)?.[1] ?? "";
    const filter = JSON.stringify({ ids: [id] });
    assert.equal((await browser.post("/queue/act", { token, action: "remove", filter })).status, 403);
    assert.equal((await browser.post("/rules", { token, sender: "*" })).status, 403);
    assert.equal(await admin.spool.count({}), 1);
  });

  it("keeps hold rules, and says what is wrong with one", async () => {
    const { admin, browser } = await fresh();
    await browser.signIn();
    const token = await browser.token();
    const bad = await browser.post("/rules", { token, largerThan: "huge" });
    assert.equal(bad.status, 400);
    assert.match(await bad.text(), /“huge” is no size/);
    await browser.post("/rules", { token, sender: "*@prize.example", largerThan: "1MiB", reason: "scam" });
    const [rule] = await admin.spool.records.holdRules();
    assert.equal(rule?.largerThan, 1_048_576);
    assert.match(await browser.page("/rules"), /mail from \*@prize\.example over 1\.0 MiB/);
    await browser.post(`/rules/${rule?.id}/remove`, { token });
    assert.deepEqual(await admin.spool.records.holdRules(), []);
  });

  it("says what cannot be found or understood on a page", async () => {
    const { browser } = await fresh();
    await browser.signIn();
    const none = await browser.get("/queue/01900000-0000-7000-8000-000000000000");
    assert.equal(none.status, 404);
    assert.match(await none.text(), /There is no such thing/);
    assert.equal((await browser.get("/queue/..%2f..%2fetc")).status, 400);
    assert.match(await browser.page("/queue?olderThan=tomorrow"), /These filters are not understood/);
  });

  it("keeps the colours that were chosen, and no others", async () => {
    const { browser } = await fresh();
    await browser.signIn();
    const token = await browser.token();
    await browser.post("/theme", { token, theme: "dark", back: "/turns" });
    assert.match(await browser.page("/turns"), /<html lang="en" data-theme="dark">/);
    await browser.post("/theme", { token, theme: '"><b>', back: "/turns" });
    assert.match(await browser.page("/turns"), /<html lang="en" data-theme="dark">/);
  });

  it("tells of changes as they happen to who is signed in", async () => {
    const { admin, browser } = await fresh();
    assert.equal((await browser.get("/live")).status, 303);
    await browser.signIn();
    const response = await browser.get("/live");
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    const reader = response.body!.getReader();
    let text = "";
    const more = async () => {
      const { value } = await reader.read();
      text += new TextDecoder().decode(value);
    };
    await more();
    await stored(admin.spool);
    while (!text.includes("event: change")) await more();
    await reader.cancel();
    assert.match(text, /"what":"accepted"/);
  });
});

describe("a customer's rhythm", () => {
  const calls = (...hours: readonly number[]) => hours.map((hour) => -hour * HOUR);

  it("is the middle of its pauses; one long night does not change it", () => {
    assert.deepEqual(rhythmOf(calls(1, 2, 3, 15, 16), 0), { every: HOUR, expected: 0, late: false });
  });

  it("is late after three of them", () => {
    assert.equal(rhythmOf(calls(4, 5, 6, 7), 0).late, true);
    assert.equal(rhythmOf(calls(2.9, 3.9, 4.9, 5.9), 0).late, false);
  });

  it("is not guessed from too few calls", () => {
    assert.deepEqual(rhythmOf(calls(1, 2), 0), { late: false });
    assert.deepEqual(rhythmOf([], 0), { late: false });
  });
});
