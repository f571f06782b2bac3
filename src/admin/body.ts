/** Bodies of requests: not too long, not too deep. What is in them is the schemas' to judge. */
import type { Context, Next } from "hono";
import { bodyLimit } from "hono/body-limit";
import { problem } from "./problem.ts";

/** Ten thousand ids, and room to spare. */
const OCTETS = 1_048_576;
const DEPTH = 16;

const limit = bodyLimit({
  maxSize: OCTETS,
  onError: () => problem(413, `a body may have ${OCTETS} octets`),
});

/** A message is measured as it goes into the spool, and may be large. */
const isMessage = ({ req }: Context): boolean => req.method === "POST" && req.path === "/api/v1/queue";

/** A DELETE that announces no body has none (RFC 9112 §6.3), but its empty stream cannot be measured on Deno. */
export async function short(context: Context, next: Next): Promise<Response | void> {
  if (isMessage(context)) return await next();
  const announced = ["content-length", "transfer-encoding"].some(
    (name) => context.req.header(name) !== undefined,
  );
  if (context.req.method !== "DELETE" || announced) return await limit(context, next);
  await next();
}

/** Looked at before it is parsed: parsers go down as deep as a text does. */
export async function shallow(context: Context, next: Next): Promise<Response | void> {
  if (context.req.method !== "GET" && !isMessage(context) && depthOf(await context.req.text()) > DEPTH)
    return problem(400, `a body may have ${DEPTH} levels`);
  await next();
}

/** Brackets within texts are not counted. */
export function depthOf(json: string): number {
  let depth = 0;
  let deepest = 0;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[[{\]}]/gs)) {
    if (token === "[" || token === "{") deepest = Math.max(deepest, ++depth);
    else if (token === "]" || token === "}") depth--;
  }
  return deepest;
}
