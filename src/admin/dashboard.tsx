/** The dashboard: pages over the admin interface, for people. */
// Reading is GET, changing is POST with the session's token, and every POST ends in a redirect.
/** @jsxImportSource hono/jsx */
import { type Context, Hono, type Next } from "hono";
import type { HtmlEscapedString } from "hono/utils/html";
import { parseSize } from "../config/units.ts";
import type { Clock } from "../platform/clock.ts";
import type { Random } from "../platform/random.ts";
import { assets } from "./assets.ts";
import { short } from "./body.ts";
import { type Api, type Bulk, type Desk, type Query, Refused } from "./desk.ts";
import { Door, type Visitor } from "./door.tsx";
import type { Gate, Token } from "./gate.ts";
import { isAction, words } from "./pages/actions.ts";
import { confirm } from "./pages/confirm.tsx";
import { customers } from "./pages/customers.tsx";
import type { Flash } from "./pages/layout.tsx";
import { message } from "./pages/message.tsx";
import { overview } from "./pages/overview.tsx";
import { queue } from "./pages/queue.tsx";
import { rules } from "./pages/rules.tsx";
import { Trouble } from "./pages/trouble.tsx";
import { turns } from "./pages/turns.tsx";
import { many } from "./pages/words.ts";
import { localPath } from "./paths.ts";

export interface DashboardOptions {
  /** The admin interface, in this process. */
  readonly api: Api;
  readonly gate: Pick<Gate, "admit">;
  readonly tokens: readonly Token[];
  readonly clock: Clock;
  readonly random: Random;
  /** 32 octets that seal sessions; undefined: they end with the process. */
  readonly key?: Uint8Array<ArrayBuffer>;
}

export type Pages = Hono<Visitor>;

const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join("; ");

export function dashboard(options: DashboardOptions): Pages {
  const pages: Pages = new Hono<Visitor>();
  const door = new Door(options);
  pages.onError(trouble);
  assetRoutes(pages);
  for (const path of ["/sign-in", "/sign-out", "/theme", ...PLACES]) pages.use(path, guarded, short);
  door.routes(pages);
  for (const path of PLACES) pages.use(path, door.visit);
  lookRoutes(pages);
  streamRoutes(pages);
  actRoutes(pages);
  return pages;
}

/** Where one must be signed in. */
const PLACES = ["/", "/queue/*", "/customers", "/turns", "/rules/*", "/live"];

/** No-referrer would take the Origin from our own forms; the same origin may know where it comes from. */
async function guarded(context: Context, next: Next): Promise<void> {
  await next();
  const { headers } = context.res;
  if (!headers.has("Content-Security-Policy")) headers.set("Content-Security-Policy", PAGE_POLICY);
  headers.set("Referrer-Policy", "same-origin");
  headers.set("X-Content-Type-Options", "nosniff");
  headers.set("X-Frame-Options", "DENY");
  if (!headers.has("Cache-Control")) headers.set("Cache-Control", "no-store");
}

function assetRoutes(pages: Pages): void {
  for (const [name, { type, text }] of Object.entries(assets))
    pages.get(`/assets/${name}`, (context) =>
      context.body(text, 200, { "Content-Type": type, "Cache-Control": "public, max-age=86400" }),
    );
}

function lookRoutes(pages: Pages): void {
  const show = (path: string, page: (context: Context<Visitor>) => Promise<HtmlEscapedString>) =>
    pages.get(path, async (context) => context.html(htmlOf(await page(context))));
  show("/", ({ var: { desk, view } }) => overview(desk, view));
  show("/queue", ({ var: { desk, view }, req }) => queue(desk, view, req.query()));
  show("/queue/confirm", (context) => {
    const { action, all, back, ...query } = context.req.query();
    if (!isAction(action)) throw new Refused(400, "There is no such action.");
    const ids = context.req.queries("id") ?? [];
    const wish = { action, ids, all: all === "true", query, back: localPath(back) };
    return confirm(context.var.desk, context.var.view, wish);
  });
  show("/queue/:id", ({ var: { desk, view }, req }) => message(desk, view, req.param("id") ?? ""));
  show("/customers", ({ var: { desk, view } }) => customers(desk, view));
  show("/turns", ({ var: { desk, view }, req }) => turns(desk, view, filled(req.query())));
  show("/rules", ({ var: { desk, view } }) => rules(desk, view));
}

/** What is no page: a message's octets, and changes as they happen. */
function streamRoutes(pages: Pages): void {
  pages.get("/queue/:id/message.eml", async ({ var: { desk }, req }) => {
    const response = await desk.message(req.param("id") ?? "");
    if (response === undefined) throw new Refused(404, "Its octets have left with its last recipient.");
    return new Response(response.body, response);
  });
  pages.get("/live", async ({ var: { desk }, req }) => {
    const { body, headers } = await desk.events(req.raw.signal, req.header("last-event-id"));
    return new Response(body, { headers });
  });
}

function actRoutes(pages: Pages): void {
  pages.post("/queue/act", changing, async (context) => {
    const { form, desk } = context.var;
    const action = form.action ?? "";
    if (!isAction(action)) throw new Refused(400, "There is no such action.");
    const count = await actOnAll(desk, {
      action,
      filter: JSON.parse(form.filter ?? "{}"),
      reason: form.reason ?? "",
      ...(form.all === "true" && { all: true }),
      ...(action === "move" && { customer: form.customer ?? "" }),
    });
    const text =
      count === 0
        ? "Nothing changed."
        : `${many(count, "message is", "messages are")} ${words[action].done}.`;
    return await done(context, localPath(form.back), { tone: "good", text });
  });
  pages.post("/rules", changing, async (context) => {
    const { desk, form } = context.var;
    const { token: _, largerThan, ...rule } = filled(form);
    const octets = largerThan === undefined ? undefined : parseSize(largerThan);
    if (largerThan !== undefined && octets === undefined)
      throw new Refused(400, `“${largerThan}” is no size; write 10MiB.`);
    await desk.addRule({ ...rule, ...(octets !== undefined && { largerThan: octets }) });
    return await done(context, "/rules", { tone: "good", text: "New mail that fits is held from now on." });
  });
  pages.post("/rules/:id/remove", changing, async (context) => {
    await context.var.desk.removeRule(context.req.param("id") ?? "");
    return await done(context, "/rules", {
      tone: "good",
      text: "The rule is gone; what it held stays held.",
    });
  });
}

/** The interface acts on so many at a time, and says where to go on. */
async function actOnAll(desk: Desk, bulk: Bulk): Promise<number> {
  let count = 0;
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const { ids, next } = await desk.act({ ...bulk, ...(cursor && { cursor }) });
    count += ids.length;
    cursor = next;
  }
  return count;
}

/** Who may only read, changes nothing. */
async function changing(context: Context<Visitor>, next: Next): Promise<void> {
  if (!context.var.view.full) throw new Refused(403, "Your token may only read.");
  await next();
}

/** Back to a page, with a word of what was done. */
async function done(context: Context<Visitor>, to: string, flash: Flash): Promise<Response> {
  await context.var.say(flash);
  return context.redirect(to, 303);
}

/** Without what was left empty. */
function filled(query: Query): Query {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value?.trim()));
}

/** What the interface refused, and what was not understood, as a page; a bug goes on to whoever logs it. */
function trouble(fault: Error, context: Context<Visitor>): Response {
  const { view } = context.var;
  const status = fault instanceof Refused ? fault.status : fault instanceof SyntaxError ? 400 : undefined;
  if (status === undefined || view === undefined) throw fault;
  const page = <Trouble view={view} status={status} why={fault.message} />;
  return context.html(htmlOf(page), status as 400);
}

const htmlOf = (page: unknown): string => `<!doctype html>${page}`;
