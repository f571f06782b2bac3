/** Problem documents (RFC 9457): every error of the admin interface is one. */
// They say what was wrong with the request, and nothing of what is inside.
import type { TypedResponse } from "hono";
import type { StatusCode } from "hono/utils/http-status";
import type { ProblemJson } from "./schema.ts";

const titles: Readonly<Record<number, string>> = {
  400: "Bad request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not found",
  413: "Body too large",
  415: "Unsupported media type",
  429: "Too many requests",
  500: "Internal error",
  503: "Not available now",
};

export interface ProblemMore {
  readonly errors?: ProblemJson["errors"];
  readonly headers?: Readonly<Record<string, string>>;
}

/** A response, with what the route table says of it. */
export type Problem<S extends StatusCode> = Response & TypedResponse<ProblemJson, S, "json">;

export function problem<const S extends StatusCode>(
  status: S,
  detail: string,
  { errors, headers }: ProblemMore = {},
): Problem<S> {
  const document: ProblemJson = {
    type: "about:blank",
    title: titles[status] ?? "Error",
    status,
    detail,
    ...(errors && { errors }),
  };
  return new Response(JSON.stringify(document), {
    status,
    headers: { "Content-Type": "application/problem+json", ...headers },
  }) as Problem<S>;
}

export const notFound = (what: string): Problem<404> => problem(404, `there is no such ${what}`);
