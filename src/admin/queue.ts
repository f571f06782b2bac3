/** The queue's routes: look at entries, and act on them, one by one or by filter. */
// What fits and what changes is decided in the spool, the same for the command line and for this.
import type { Context } from "hono";
import type { z } from "zod";
import type { Action, Actor } from "../spool/spool.ts";
import type { AdminApp, AdminTools } from "./app.ts";
import { filterOfBody, filterOfQuery, placeOf } from "./filters.ts";
import type { Visit } from "./gate.ts";
import { notFound, type Problem, problem } from "./problem.ts";
import { routes } from "./routes.ts";
import type { bulkBody } from "./schema.ts";

export function queueRoutes(app: AdminApp, tools: AdminTools): void {
  const { clock, overview, spool } = tools;

  app.openapi(routes.list, async (context) => {
    const query = context.req.valid("query");
    return context.json(await overview.queue(filterOfQuery(query, clock.now()), placeOf(query)), 200);
  });
  app.openapi(routes.count, async (context) => {
    const filter = filterOfQuery(context.req.valid("query"), clock.now());
    return context.json({ count: await spool.count(filter) }, 200);
  });
  app.openapi(routes.bulk, async (context) => {
    const body = context.req.valid("json");
    const action = actionOf(body);
    const wrong = wrongMove(tools, action);
    if (wrong !== undefined) return wrong;
    const by = { name: context.var.who, reason: body.reason };
    const { items, next } = await spool.records.actPage(
      action,
      filterOfBody(body.filter),
      by,
      placeOf(body),
      body.dryRun ? "dry" : undefined,
    );
    return context.json(
      { action: body.action, dryRun: body.dryRun, ids: [...items], next: next ?? null },
      200,
    );
  });
  // Behind /queue/count and /queue/actions, which are no ids.
  lookAtEntries(app, tools);
  actOnEntries(app, tools);
}

function lookAtEntries(app: AdminApp, { overview, spool }: AdminTools): void {
  app.openapi(routes.message, async (context) => {
    const { id } = context.req.valid("param");
    const content = await spool.content(id);
    if (content === undefined) return notFound("message; or its octets have left");
    return new Response(streamOf(content), { headers: { ...asAttachment, ...named(id) } });
  });
  app.openapi(routes.entryHistory, async (context) => {
    const { id } = context.req.valid("param");
    if ((await overview.entry(id)) === undefined) return notFound("message");
    return context.json(await overview.history(id), 200);
  });
}

function actOnEntries(app: AdminApp, tools: AdminTools): void {
  const { overview } = tools;
  const act = async (context: Context<Visit>, id: string, action: Action, reason: string) => {
    if ((await overview.entry(id)) === undefined) return notFound("message");
    const wrong = wrongMove(tools, action);
    if (wrong !== undefined) return wrong;
    const by: Actor = { name: context.var.who, reason };
    const { items } = await tools.spool.records.actPage(action, { ids: [id] }, by, { limit: 1 });
    return context.json({ action: action.type, dryRun: false, ids: [...items], next: null }, 200);
  };
  for (const type of ["hold", "release", "retry", "bounce"] as const)
    app.openapi(routes[type], (context) => {
      const { reason = "" } = context.req.valid("json");
      return act(context, context.req.valid("param").id, { type }, reason);
    });
  app.openapi(routes.move, (context) => {
    const { customer, reason } = context.req.valid("json");
    return act(context, context.req.valid("param").id, { type: "move", customer }, reason);
  });
  app.openapi(routes.entry, async (context) => {
    const entry = await overview.entry(context.req.valid("param").id);
    return entry === undefined ? notFound("message") : context.json(entry, 200);
  });
  app.openapi(routes.remove, (context) =>
    act(context, context.req.valid("param").id, { type: "remove" }, context.req.valid("query").reason),
  );
}

function actionOf({ action, customer = "" }: z.infer<typeof bulkBody>): Action {
  return action === "move" ? { type: "move", customer } : { type: action };
}

/** Mail moves to a customer that may call for it; where no customers are known, the operator is believed. */
function wrongMove({ customers }: AdminTools, action: Action): Problem<400> | undefined {
  if (action.type !== "move") return undefined;
  const names = [...customers()].map(({ name }) => name);
  if (names.length === 0 || names.includes(action.customer)) return undefined;
  return problem(400, `there is no customer ${JSON.stringify(action.customer)}`);
}

/** Never shown by a browser as a page of ours, whatever is in it. */
const asAttachment = {
  "Content-Type": "message/rfc822",
  "X-Content-Type-Options": "nosniff",
  "Content-Security-Policy": "sandbox; default-src 'none'",
} as const;

const named = (id: string) => ({ "Content-Disposition": `attachment; filename="${id.toLowerCase()}.eml"` });

function streamOf(content: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const pieces = content[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await pieces.return?.();
    },
  });
}
