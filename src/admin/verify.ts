/** The conservation check over HTTP, as JSON Lines: findings, how far it is, and in the end that it came to its end. */
// A stream may be cut: without its last line nothing is known to be well.
import type { TypedResponse } from "hono";
import type { z } from "zod";
import { type Clock, pause } from "../platform/clock.ts";
import { type Finding, findingOf } from "../spool/finding.ts";
import type { Watch } from "../spool/verify.ts";
import type { AdminApp, AdminTools } from "./app.ts";
import { problem } from "./problem.ts";
import { routes } from "./routes.ts";
import type { verifyLine } from "./schema.ts";

/** Reads every body of the spool. */
export type Verify = (watch: Watch) => AsyncIterable<Finding>;

/** With what the route table says of it. */
type Report = Response & TypedResponse<z.infer<typeof verifyLine>, 200, "json">;

type Line =
  | Finding
  | { readonly type: "progress"; readonly octets: number; readonly of: number }
  | { readonly type: "end" };

/** How often it says how far it is. */
const BEAT = 1000;

/** Every body is read: one such check at a time. */
export function verifyRoute(app: AdminApp, { clock, verify, log }: AdminTools): void {
  let running = false;
  app.openapi(routes.verify, () => {
    if (running) return problem(503, "a check is under way", { headers: { "Retry-After": "60" } });
    running = true;
    const ended = (fault?: unknown): void => {
      running = false;
      if (fault !== undefined) log.log("error", "verify broke off", { why: String(fault) });
    };
    return new Response(report(verify, clock, ended), {
      headers: { "Content-Type": "application/jsonl" },
    }) as Report;
  });
}

/** @param ended called when it is through, has failed, or nobody reads on */
function report(verify: Verify, clock: Clock, ended: (fault?: unknown) => void): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const put = (controller: ReadableStreamDefaultController<Uint8Array>, line: Line) =>
    controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
  let far = { octets: 0, of: 0 };
  const gone = new AbortController();
  const lines = linesOf(
    verify((octets, of) => {
      gone.signal.throwIfAborted();
      far = { octets, of };
    }),
  );
  let coming: Promise<IteratorResult<Line>> | undefined;
  return new ReadableStream<Uint8Array>({
    start: (controller) => put(controller, { type: "progress", ...far }),
    async pull(controller) {
      coming ??= lines.next();
      const quiet = new AbortController();
      try {
        const got = await Promise.race([coming, pause(clock, BEAT, quiet.signal)]);
        if (gone.signal.aborted) return;
        if (got === undefined) return put(controller, { type: "progress", ...far });
        coming = undefined;
        if (got.done !== true) return put(controller, got.value);
        ended();
        controller.close();
      } catch (fault) {
        if (gone.signal.aborted) return;
        ended(fault);
        controller.close();
      } finally {
        quiet.abort();
      }
    },
    /** Nobody waits for it: the check ends at the next body, and then another may begin. */
    cancel() {
      gone.abort();
      void lines.return(undefined).then(
        () => ended(),
        () => ended(),
      );
    },
  });
}

async function* linesOf(findings: AsyncIterable<Finding>): AsyncGenerator<Line> {
  try {
    yield* findings;
  } catch (error) {
    yield findingOf(error);
  }
  yield { type: "end" };
}
