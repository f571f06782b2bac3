/** The routes of the admin interface: what each takes and answers. `/openapi.json` is this table. */
// A handler is given what was checked here and nothing else.
import { createRoute, z } from "@hono/zod-openapi";
import {
  actBody,
  actedShape,
  addedShape,
  addQuery,
  bucketShape,
  bulkBody,
  customerShape,
  entryShape,
  eventShape,
  filterQuery,
  historyQuery,
  idParam,
  moveBody,
  pageOf,
  problemShape,
  queueQuery,
  ruleInput,
  ruleShape,
  seriesQuery,
  statsShape,
  turnShape,
  turnsQuery,
  verifyLine,
} from "./schema.ts";

const json = <T extends z.ZodType>(schema: T, description: string) => ({
  content: { "application/json": { schema } },
  description,
});
const takes = <T extends z.ZodType>(schema: T) => ({
  content: { "application/json": { schema } },
  required: true,
});
const problem = (description: string) => ({
  content: { "application/problem+json": { schema: problemShape } },
  description,
});

/** What any route may say instead (RFC 9457). */
const refusals = {
  400: problem("The request cannot be understood."),
  401: problem("No token, or a wrong one."),
  403: problem("The token may only read, or the Host or Origin is foreign."),
  413: problem("The body is too large."),
  415: problem("The body is not JSON."),
  429: problem("Too many wrong tokens from this address."),
  503: problem("The spool cannot answer now."),
};
const missing = { 404: problem("There is no such thing.") };
const text = (type: string, description: string) => ({
  content: { [type]: { schema: z.string() } },
  description,
});

const security = [{ token: [] }];
const queue = { tags: ["queue"], security };
const look = { tags: ["overview"], security };
const rules = { tags: ["hold rules"], security };

/** POST /api/v1/queue/{id}/… without more to say than why. */
const actOn = <const A extends string>(action: A, summary: string) =>
  createRoute({
    method: "post",
    path: `/api/v1/queue/{id}/${action}`,
    ...queue,
    summary,
    request: { params: idParam, body: { content: { "application/json": { schema: actBody } } } },
    responses: { 200: json(actedShape, "What changed."), ...refusals, ...missing },
  });

export const routes = {
  list: createRoute({
    method: "get",
    path: "/api/v1/queue",
    ...queue,
    summary: "What waits, or what filters choose",
    request: { query: queueQuery },
    responses: { 200: json(pageOf(entryShape), "A page of entries."), ...refusals },
  }),
  add: createRoute({
    method: "post",
    path: "/api/v1/queue",
    ...queue,
    summary: "Add a message; it goes where its recipients go",
    request: {
      query: addQuery,
      body: {
        content: { "message/rfc822": { schema: z.string().meta({ format: "binary" }) } },
        description: "The message; LF line ends become CRLF, every other octet stays.",
        required: true,
      },
    },
    responses: {
      201: json(addedShape, "The entries that were made: they are safe."),
      ...refusals,
      415: problem("The body is not message/rfc822."),
    },
  }),
  count: createRoute({
    method: "get",
    path: "/api/v1/queue/count",
    ...queue,
    summary: "How many entries filters choose",
    request: { query: filterQuery },
    responses: { 200: json(z.object({ count: z.number().int() }), "The count."), ...refusals },
  }),
  bulk: createRoute({
    method: "post",
    path: "/api/v1/queue/actions",
    ...queue,
    summary: "An action on all that a filter chooses",
    request: { body: takes(bulkBody) },
    responses: { 200: json(actedShape, "What changed; go on with next until it is null."), ...refusals },
  }),
  entry: createRoute({
    method: "get",
    path: "/api/v1/queue/{id}",
    ...queue,
    summary: "One entry, also one that has left",
    request: { params: idParam },
    responses: { 200: json(entryShape, "The entry."), ...refusals, ...missing },
  }),
  remove: createRoute({
    method: "delete",
    path: "/api/v1/queue/{id}",
    ...queue,
    summary: "Delete an entry, without a word to its sender",
    request: { params: idParam, query: actBody },
    responses: { 200: json(actedShape, "What changed."), ...refusals, ...missing },
  }),
  message: createRoute({
    method: "get",
    path: "/api/v1/queue/{id}/message",
    ...queue,
    summary: "An entry's octets",
    request: { params: idParam },
    responses: { 200: text("message/rfc822", "The message."), ...refusals, ...missing },
  }),
  entryHistory: createRoute({
    method: "get",
    path: "/api/v1/queue/{id}/history",
    ...queue,
    summary: "What happened to an entry, oldest first",
    request: { params: idParam },
    responses: { 200: json(pageOf(eventShape), "Its events."), ...refusals, ...missing },
  }),
  hold: actOn("hold", "Keep an entry back until it is released"),
  release: actOn("release", "Let a held entry go on"),
  retry: actOn("retry", "Make a waiting entry due now"),
  bounce: actOn("bounce", "Refuse an entry: its sender is told"),
  move: createRoute({
    method: "post",
    path: "/api/v1/queue/{id}/move",
    ...queue,
    summary: "Give an entry to another customer",
    request: { params: idParam, body: takes(moveBody) },
    responses: { 200: json(actedShape, "What changed."), ...refusals, ...missing },
  }),
  history: createRoute({
    method: "get",
    path: "/api/v1/history",
    ...look,
    summary: "What happened, oldest first",
    request: { query: historyQuery },
    responses: { 200: json(pageOf(eventShape), "A page of events."), ...refusals },
  }),
  customers: createRoute({
    method: "get",
    path: "/api/v1/customers",
    ...look,
    summary: "The customers, what waits for each, and when each called last",
    responses: {
      200: json(z.object({ items: z.array(customerShape) }), "All customers."),
      ...refusals,
    },
  }),
  turns: createRoute({
    method: "get",
    path: "/api/v1/turns",
    ...look,
    summary: "Turns of the line, newest first",
    request: { query: turnsQuery },
    responses: { 200: json(pageOf(turnShape), "A page of turns."), ...refusals },
  }),
  stats: createRoute({
    method: "get",
    path: "/api/v1/stats",
    ...look,
    summary: "What waits in all, by direction and customer",
    responses: { 200: json(statsShape, "The sums."), ...refusals },
  }),
  verify: createRoute({
    method: "get",
    path: "/api/v1/verify",
    ...look,
    summary: "Check that nothing is lost: every body's checksum, and every counter (JSON Lines)",
    responses: {
      200: {
        content: { "application/jsonl": { schema: verifyLine } },
        description: "One object a line: what is wrong, how far it is, and in the end the end.",
      },
      ...refusals,
    },
  }),
  series: createRoute({
    method: "get",
    path: "/api/v1/stats/series",
    ...look,
    summary: "Changes over the last hours, in buckets of time",
    request: { query: seriesQuery },
    responses: {
      200: json(z.object({ items: z.array(bucketShape) }), "Oldest first; none is left out."),
      ...refusals,
    },
  }),
  events: createRoute({
    method: "get",
    path: "/api/v1/events",
    ...look,
    summary: "Changes as they happen (server-sent events): change, turn, missed",
    responses: { 200: text("text/event-stream", "A stream without end."), ...refusals },
  }),
  rules: createRoute({
    method: "get",
    path: "/api/v1/hold-rules",
    ...rules,
    summary: "The rules that hold new mail",
    responses: { 200: json(z.object({ items: z.array(ruleShape) }), "All rules."), ...refusals },
  }),
  addRule: createRoute({
    method: "post",
    path: "/api/v1/hold-rules",
    ...rules,
    summary: "Hold new mail that matches all that is given",
    request: { body: takes(ruleInput) },
    responses: { 201: json(ruleShape, "The rule."), ...refusals },
  }),
  removeRule: createRoute({
    method: "delete",
    path: "/api/v1/hold-rules/{id}",
    ...rules,
    summary: "Take a rule away; what it held stays held",
    request: { params: idParam },
    responses: { 204: { description: "It is gone." }, ...refusals, ...missing },
  }),
} as const;
