/** The admin interface as a `fetch` handler: the gate, the routes, and what each of them answers. */
// It runs wherever Request and Response do: sockets, files and the process belong to whoever mounts it.
import { OpenAPIHono } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { Random } from "../platform/random.ts";
import type { Customer } from "../relay/customers.ts";
import type { RecordingSpool } from "../spool/records.ts";
import { SpoolError } from "../spool/spool.ts";
import { version } from "../version.ts";
import { shallow, short } from "./body.ts";
import { dashboard } from "./dashboard.tsx";
import { Gate, secure, type Token, type Visit } from "./gate.ts";
import { type Intake, intakeRoute } from "./intake.ts";
import { lookRoutes } from "./look.ts";
import { metricsText, type ProcessFacts } from "./metrics.ts";
import { Overview } from "./overview.ts";
import { problem } from "./problem.ts";
import { queueRoutes } from "./queue.ts";
import { type Verify, verifyRoute } from "./verify.ts";

export interface AdminOptions {
  readonly spool: RecordingSpool;
  /** The customers of the configuration as they are now. */
  readonly customers: () => Iterable<Customer>;
  /** What the configuration says of new mail, as it is now. */
  readonly intake: () => Intake;
  readonly verify: Verify;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly tokens: readonly Token[];
  /** Names and addresses that the Host field may have, without port. */
  readonly hosts: readonly string[];
  /** The address at the other end, from what the server gave beside the request. */
  readonly peerOf?: (env: unknown) => string;
  readonly process?: () => ProcessFacts;
}

/** What the routes share. */
export interface AdminTools extends AdminOptions {
  readonly overview: Overview;
  readonly gate: Gate;
}

export type AdminApp = OpenAPIHono<Visit>;

export function adminApp(options: AdminOptions): AdminApp {
  const tools: AdminTools = { ...options, overview: new Overview(options), gate: new Gate(options) };
  const app: AdminApp = new OpenAPIHono<Visit>({
    defaultHook: (result) => {
      if (result.success) return;
      const errors = result.error.issues.map(({ path, message }) => ({ at: path.join("."), message }));
      return problem(400, `what is in the ${result.target} cannot be used`, { errors });
    },
  });
  app.use(secure, tools.gate.place);
  for (const path of ["/api/*", "/openapi.json", "/metrics"]) app.use(path, tools.gate.token);
  app.use("/api/*", short, shallow);
  app.notFound(() => problem(404, "there is no such place; see /openapi.json"));
  app.onError((fault) => problemOf(fault, tools.log));
  intakeRoute(app, tools);
  queueRoutes(app, tools);
  verifyRoute(app, tools);
  lookRoutes(app, tools);
  watchRoutes(app, tools);
  document(app);
  app.route(
    "/",
    dashboard({ ...options, gate: tools.gate, api: async (request) => await app.fetch(request) }),
  );
  return app;
}

/** For those who watch over the process. */
function watchRoutes(app: AdminApp, { spool, clock, process }: AdminTools): void {
  app.get("/healthz", (context) => context.text("ok\n"));
  app.get("/readyz", async (context) => {
    await spool.records.totals();
    return context.text("ok\n");
  });
  app.get("/metrics", async (context) =>
    context.body(await metricsText(spool, clock, process?.()), 200, {
      "Content-Type": "text/plain; version=0.0.4; charset=utf-8",
    }),
  );
}

function document(app: AdminApp): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "token", { type: "http", scheme: "bearer" });
  app.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: {
      title: "odmr",
      version,
      description: "The queue of an On-Demand Mail Relay: see it and mend it. Errors are RFC 9457 problems.",
    },
  });
}

/** Trouble of the spool is not a bug of ours, and may pass. */
function problemOf(fault: unknown, log: Log): Response {
  if (fault instanceof HTTPException) return problem(fault.status, fault.message);
  const why = fault instanceof Error ? fault.message : String(fault);
  log.log("error", "request failed", { why });
  if (fault instanceof SpoolError)
    return problem(503, `the spool: ${fault.fault}`, { headers: { "Retry-After": "10" } });
  return problem(500, "a bug; the log says more");
}
