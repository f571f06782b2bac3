/** The routes that look over the whole: customers, turns, sums, series, history, changes as they happen; and hold rules. */
import type { AdminApp, AdminTools } from "./app.ts";
import { eventStream } from "./events.ts";
import { given, placeOf } from "./filters.ts";
import { notFound, problem } from "./problem.ts";
import { routes } from "./routes.ts";
import { ruleJson } from "./shapes.ts";

/** Who follows the events holds a line open: not without end. */
const STREAMS = 64;

const HOUR = 3_600_000;
const MINUTE = 60_000;

export function lookRoutes(app: AdminApp, tools: AdminTools): void {
  const { overview } = tools;
  app.openapi(routes.customers, async (context) => context.json({ items: await overview.customers() }, 200));
  app.openapi(routes.turns, async (context) => {
    const { cursor: before, ...filter } = context.req.valid("query");
    return context.json(await overview.turns(given({ ...filter, before })), 200);
  });
  app.openapi(routes.stats, async (context) => context.json(await overview.stats(), 200));
  app.openapi(routes.series, async (context) => {
    const { hours, bucket } = context.req.valid("query");
    if (bucket < MINUTE) return problem(400, "a bucket is a minute at least");
    return context.json({ items: await overview.series(hours * HOUR, bucket) }, 200);
  });
  app.openapi(routes.history, async (context) => {
    const { ids, after, newest, limit, cursor } = context.req.valid("query");
    if (newest) return context.json(await overview.latest(limit), 200);
    const from =
      cursor ?? (after === undefined ? undefined : `${Date.parse(after)}-${Number.MAX_SAFE_INTEGER}`);
    return context.json(await overview.events(ids?.map(lower), placeOf({ limit, cursor: from })), 200);
  });
  ruleRoutes(app, tools);
  eventRoute(app, tools);
}

const lower = (id: string): string => id.toLowerCase();

function ruleRoutes(app: AdminApp, { overview, spool }: AdminTools): void {
  app.openapi(routes.rules, async (context) => context.json({ items: await overview.rules() }, 200));
  app.openapi(routes.addRule, async (context) => {
    const { reason, ...rule } = context.req.valid("json");
    const made = await spool.records.addHoldRule({ ...given(rule), reason, actor: context.var.who });
    return context.json(ruleJson(made), 201);
  });
  app.openapi(routes.removeRule, async (context) => {
    const removed = await spool.records.removeHoldRule(context.req.valid("param").id);
    return removed ? context.body(null, 204) : notFound("rule");
  });
}

function eventRoute(app: AdminApp, { spool, clock }: AdminTools): void {
  let open = 0;
  app.openapi(routes.events, (context) => {
    if (open >= STREAMS)
      return problem(503, "too many follow the events", { headers: { "Retry-After": "30" } });
    open++;
    const seen = context.req.header("last-event-id") ?? "";
    const stream = eventStream(spool.records, clock, {
      lastEventId: /^\d{1,15}$/.test(seen) ? Number(seen) : undefined,
      ended: () => open--,
    });
    return new Response(stream, {
      headers: {
        "Content-Type": "text/event-stream",
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",
      },
    });
  });
}
