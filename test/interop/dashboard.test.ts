/** The dashboard in a real browser, on a real relay: what people do with it, and how it looks. */
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import {
  type Browser,
  type BrowserContextOptions,
  type CDPSession,
  chromium,
  type Page,
} from "playwright-core";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { openSpool } from "../../src/spool/open.ts";
import { HandClock, START } from "../spool/support.ts";
import { commandLine } from "../support/cli.ts";
import { inOpenFolder, start, withPeers } from "../support/processes.ts";
import { quickFolder } from "../support/quick.ts";
import { PASSWORD, pull } from "../support/served.ts";
import { liveADay } from "../support/town.ts";
import { CUSTOMERS } from "../support/townsfolk.ts";

const TOKEN = "a-token-for-the-dashboard";
const HOURS = 36;
const TIMEOUT = { timeout: 120_000 };
const screens = fileURLToPath(new URL("../../reports/screens", import.meta.url));

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"].concat([
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
]);

interface Place {
  readonly folder: string;
  readonly url: string;
  /** Where customers call. */
  readonly port: number;
}

/** What all tests share: a spool with a day behind it, of which each relay has a copy, and a browser. */
let day: string;
let browser: Browser;

async function open(): Promise<void> {
  day = await mkdtemp(join(quickFolder(), "odmr-day-"));
  await settle(join(day, "relay.db"));
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium-headless-shell", args: FLAGS });
}

async function close(): Promise<void> {
  await browser?.close();
  await rm(day, { recursive: true, force: true });
}

/** A relay with a day behind it, and its dashboard. */
async function inTown(use: (place: Place) => Promise<void>): Promise<void> {
  await inOpenFolder(async (folder) => {
    await cp(day, folder, { recursive: true });
    const [program, ...args] = commandLine(["serve", "--config", await configured(folder), "--log", "json"]);
    const relay = start(program, args);
    const addressOf = (service: string) =>
      new RegExp(`"service":"${service}","address":"([^"]+)"`).exec(relay.said.stderr)?.[1];
    try {
      await relay.until(() => addressOf("admin") !== undefined && addressOf("odmr") !== undefined);
      const port = Number(addressOf("odmr")?.split(":").at(-1));
      await use({ folder, url: `http://${addressOf("admin")}`, port });
    } finally {
      // Before the relay: a page would complain of the stream that breaks.
      await Promise.all(browser.contexts().map((context) => context.close()));
      await relay.stop();
    }
  });
}

async function settle(path: string): Promise<void> {
  const clock = new HandClock();
  clock.sleep(Date.now() - HOURS * 3_600_000 - 600_000 - START);
  const options = {
    path,
    clock,
    random: systemRandom,
    log: silent,
    files: systemFiles,
    thread: "here",
  } as const;
  const spool = await openSpool(options);
  await liveADay({ spool, clock }, HOURS);
  await spool.close();
}

async function configured(folder: string): Promise<string> {
  await writeFile(join(folder, "admin.token"), `${TOKEN}\n`, { mode: 0o600 });
  await writeFile(join(folder, "secret"), `${PASSWORD}\n`, { mode: 0o600 });
  const customers = CUSTOMERS.map(({ name, domains, quota }) => ({
    ...{ name, domains, password: { file: "secret" } },
    ...(quota !== undefined && { quota }),
  }));
  const config = {
    hostname: "relay.test",
    spool: join(folder, "relay.db"),
    serve: { listen: [{ service: "odmr", address: "127.0.0.1:0", tls: "none" }], customers },
    admin: { listen: "127.0.0.1:0", token: { file: "admin.token" } },
  };
  const file = join(folder, "relay.yaml");
  await writeFile(file, JSON.stringify(config));
  return file;
}

/** A page that is signed in; whatever its console complains of fails the test. */
async function signedIn({ url }: Place, options: BrowserContextOptions = {}): Promise<Page> {
  const page = await (await browser.newContext(options)).newPage();
  page.on("console", (message) => assert.notEqual(message.type(), "error", message.text()));
  page.on("pageerror", (error) => assert.fail(error.message));
  await page.goto(`${url}/queue`);
  await page.getByLabel("Token").fill(TOKEN);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${url}/queue`);
  return page;
}

async function filterBySender(page: Page, text: string): Promise<void> {
  await page.getByLabel("Sender", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  await page.waitForURL(/sender=/);
}

/** Selects all that the list shows, acts, and says yes. */
async function act(page: Page, action: string): Promise<string> {
  for (const box of await page.locator('td input[name="id"]').all()) await box.check();
  await page.getByRole("button", { name: action, exact: true }).click();
  await page.getByLabel("Why").fill("a test");
  await page.getByRole("button", { name: action, exact: true }).click();
  return (await page.locator(".flash").textContent()) ?? "";
}

describe("the dashboard in Chromium", withPeers("chromium-headless-shell"), () => {
  before(open, TIMEOUT);
  after(close);

  for (const javaScriptEnabled of [true, false])
    it(
      `filters, holds, releases and removes ${javaScriptEnabled ? "with" : "without"} its script`,
      TIMEOUT,
      () =>
        inTown(async (place) => {
          const page = await signedIn(place, { javaScriptEnabled });
          await filterBySender(page, "prize.example");
          const count = await page.locator("[data-row]").count();
          assert.ok(count > 0);
          assert.equal(await page.locator(".stamp-held").count(), count);
          assert.match(await act(page, "Release"), / (?:is|are) released\.$/);
          assert.equal(await page.locator(".stamp-waiting").count(), count);
          assert.match(await act(page, "Hold"), / (?:is|are) held\.$/);
          assert.equal(await page.locator(".stamp-held").count(), count);
          assert.match(await act(page, "Remove"), / (?:is|are) removed\.$/);
          await page.getByText("No message fits.").waitFor();
        }),
    );

  it("shows a turn while it happens", TIMEOUT, () =>
    inTown(async (place) => {
      const page = await signedIn(place);
      await page.goto(`${place.url}/queue?customer=home`);
      const before = (await page.locator("#count").textContent()) ?? "";
      assert.match(before, /^\d+ messages fit/);
      const { status, stderr } = await pull(place.folder, {
        port: place.port,
        domains: ["example.org", "example.com"],
        to: "discard:",
      });
      assert.equal(status, 0, stderr);
      await page
        .locator("#news", { hasText: /The turn of home has ended: \d+ delivered\./ })
        .waitFor({ state: "attached" });
      await page.waitForFunction((text) => document.querySelector("#count")?.textContent !== text, before);
      await page.goto(place.url);
      await page.locator(".event-what", { hasText: "delivered" }).first().waitFor();
    }),
  );

  it("is worked from the keyboard", TIMEOUT, () =>
    inTown(async (place) => {
      const page = await signedIn(place);
      await page.keyboard.press("j");
      await page.keyboard.press("j");
      await page.keyboard.press("x");
      assert.equal(await page.locator("tr.at").getByRole("checkbox").isChecked(), true);
      assert.equal(await page.locator("[data-selected]").textContent(), "With the 1 selected:");
      await page.keyboard.press("/");
      await page.keyboard.type("bob");
      assert.equal(await page.getByLabel("Recipient", { exact: true }).inputValue(), "bob");
    }),
  );

  it("is whole and open to all on a phone and on a desktop, light and dark", TIMEOUT, () => inTown(look));
});

const sizes = { phone: { width: 390, height: 844 }, desktop: { width: 1440, height: 900 } } as const;
const schemes = ["light", "dark"] as const;
/** On each size and in each scheme once: the rest is the same page to axe. */
const AXED = ["phone-dark", "desktop-light"];

/** Every page: photographed, not wider than the screen, and without fault to axe. */
async function look(place: Place): Promise<void> {
  await mkdir(screens, { recursive: true });
  const door = await (await browser.newContext()).newPage();
  await door.goto(place.url);
  await inspect(door, "sign-in");
  const page = await signedIn(place);
  const message = await page.locator(".what a").first().getAttribute("href");
  const pages = {
    overview: "/",
    queue: "/queue",
    "queue-filtered": "/queue?sender=district&largerThan=100B",
    "queue-empty": "/queue?sender=nobody",
    message: message ?? "",
    confirm: `/queue/confirm?action=remove&id=${message?.split("/").at(-1)}`,
    customers: "/customers",
    turns: "/turns",
    rules: "/rules",
    trouble: "/queue/confirm?action=hold",
  };
  for (const [name, path] of Object.entries(pages)) {
    if (name === "trouble") page.removeAllListeners("console"); // a 400 is an error to the console
    await page.goto(place.url + path);
    await inspect(page, name);
  }
}

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** Looks at a page on each size and in each scheme; they are its style sheet's alone, so it is loaded once. */
async function inspect(page: Page, name: string): Promise<void> {
  // By the debugger: the page's own policy lets no foreign script in.
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: await readFile(axe, "utf8") });
  for (const [size, viewport] of Object.entries(sizes)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of schemes) {
      await page.emulateMedia({ colorScheme });
      const each = `${name}-${size}-${colorScheme}`;
      await page.screenshot({ path: join(screens, `${each}.png`), fullPage: true });
      assert.equal(
        await page.evaluate("document.documentElement.scrollWidth > innerWidth"),
        false,
        `${each} is too wide`,
      );
      if (AXED.includes(`${size}-${colorScheme}`)) assert.equal(await faults(session), "[]", each);
    }
  }
}

async function faults(session: CDPSession): Promise<unknown> {
  const expression = `axe.run({ resultTypes: ["violations"] }).then(({ violations }) =>
    JSON.stringify(violations.map(({ id, nodes }) => [id, nodes[0].html])))`;
  const { result } = await session.send("Runtime.evaluate", { expression, awaitPromise: true });
  return result.value;
}
