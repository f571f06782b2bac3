/** The sessions and the admin interface run in a Web Worker that has nothing but the web: no node:, no process, no Buffer. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { binaryOf } from "../support/binaries.ts";
import { run, withPeers } from "../support/processes.ts";
import type { Findings } from "./edge/worker.ts";

const entry = fileURLToPath(new URL("./edge/worker.ts", import.meta.url));

/** Runtimes bring these along; a platform at the edge does not. */
const WITHOUT = `for (const name of ["process", "Buffer", "require", "global", "module", "setImmediate", "Bun", "Deno"])
  if (!Reflect.deleteProperty(globalThis, name)) Reflect.set(globalThis, name, undefined);
`;

async function bundle(): Promise<string> {
  const args = ["build", "--target=browser", "--external", "node:*", entry];
  const { status, stdout, stderr } = await run(binaryOf("bun"), args);
  assert.equal(status, 0, stderr);
  return stdout;
}
const bundled = bundle();

/** Runs a script in a Worker of this runtime. */
function inWorker(script: string): Promise<Findings> {
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module" });
  return new Promise<Findings>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
  }).finally(() => {
    worker.terminate();
    URL.revokeObjectURL(url);
  });
}

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"];

/** The same in a Worker of a browser, in which there never was anything else. No request leaves it. */
async function inBrowser(script: string): Promise<Findings> {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium-headless-shell", args: FLAGS });
  try {
    const page = await browser.newPage();
    await page.route("**", (route) => {
      const isScript = route.request().url().endsWith("/worker.js");
      return route.fulfill(
        isScript ? { contentType: "text/javascript", body: script } : { contentType: "text/html", body: "" },
      );
    });
    await page.goto("http://localhost/");
    const begin = `new Promise((resolve, reject) => {
      const worker = new Worker("/worker.js", { type: "module" });
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    })`;
    return (await page.evaluate(begin)) as Findings;
  } finally {
    await browser.close();
  }
}

const CALL = [
  ...["house: greeting 220", "provider: greeted", "house: reply 250"],
  ...["provider: auth", "house: challenge", "provider: response", "house: reply 235"],
  ...["provider: atrn", "house: reply 250", "provider: greeting 220"],
  ...["house: greeted", "provider: reply 250", "house: mail", "provider: reply 250"],
  ...["house: rcpt", "provider: reply 250", "house: body", "provider: reply 354"],
  ...["house: complete", 'house: "Subject: Dots\\r\\n\\r\\n.\\r\\n..\\r\\n.one\\r\\nEnd.\\r\\n"'],
  ...["provider: settled 250", "house: quit", "provider: reply 221"],
];

function holds({ whole, parted, broken, desk }: Findings): void {
  assert.deepEqual(whole, CALL);
  assert.ok(parted.count > 700, `${parted.count} octets`);
  assert.deepEqual(parted.wrong, []);
  assert.deepEqual(broken, { count: parted.count, wrong: [] });
  const id = "01900000-0000-7000-8000-000000000001";
  const expected: Readonly<Record<string, RegExp>> = {
    "GET /healthz": /^200 ok\n$/,
    "GET /api/v1/queue?limit=1": /^401 .*this token is not known/,
    "POST /api/v1/queue?from=ann@world.test&to=bob@example.org": new RegExp(`^201 .*"${id}"`),
    [`POST /api/v1/queue/${id}/hold`]: new RegExp(`^200 .*"${id}"`),
    "GET /api/v1/queue?state=held": /^200 .*"subject":"To the edge"/,
    [`GET /api/v1/queue/${id}/message`]: /^200 Received: .*\r\nSubject: To the edge\r\n\r\nText\.\r\n$/s,
    "GET /metrics": /^200 # HELP odmr_/,
    "GET /openapi.json": /^200 \{"openapi":"3\.1\.0"/,
    "GET /assets/dashboard.css": /^200 .*\{/s,
    "GET /sign-in": /^200 <!doctype html>/,
    "the dashboard": /^303 200 <!doctype html>.*To the edge/s,
  };
  for (const [what, answer] of Object.entries(desk)) assert.match(answer, expected[what] ?? /^no such/, what);
}

describe("the core and the admin interface, bundled for the web", () => {
  it("ask for no module", async () => {
    // What Bun puts in the place of Node's modules for a browser would be named in a comment.
    assert.doesNotMatch(await bundled, /^import\b|^\/\/ .*\bnode:|\brequire\(|\bimport\(/m);
  });

  it("run in a Worker of this runtime from which everything of its own is gone", async () => {
    const findings = await inWorker(WITHOUT + (await bundled));
    // Bun does not let its own name go; nothing else of it is left.
    assert.deepEqual(findings.foreign, "Bun" in globalThis ? ["Bun"] : []);
    holds(findings);
    assert.equal(Object.keys(findings.desk).length, 11);
  });

  // A browser lets no page handle the dashboard's cookies.
  it("run in a Worker of Chromium", withPeers("chromium-headless-shell"), async () => {
    const findings = await inBrowser(await bundled);
    assert.deepEqual(findings.foreign, []);
    holds(findings);
    assert.equal(Object.keys(findings.desk).length, 10);
  });
});
