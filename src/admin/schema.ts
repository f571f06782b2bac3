/** What the admin interface says and takes, as zod schemas: they check requests, describe the API, and give the types. */
// One source: what is not here is neither accepted nor documented. Times are RFC 3339 in UTC, sizes octets.
import { z } from "zod";
import { parseDuration, parseSize } from "../config/units.ts";
import { parseAddress } from "../wire/address.ts";

export const DIRECTIONS = ["turn", "local", "outgoing"] as const;
export const STATES = ["waiting", "leased", "held", "delivered", "refused", "expired", "removed"] as const;
export const SORTS = ["oldest", "newest", "largest", "smallest"] as const;
export const EVENTS = [
  ...["accepted", "delivered", "deferred", "refused", "expired"],
  ...["held", "released", "retried", "removed", "moved", "doubled"],
] as const;

/** Entries of one page at most, and ids of one request. */
export const PAGE_MOST = 1000;
export const IDS_MOST = 10_000;

const UUID = /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/;
/** No control characters, and not without end. */
const plain = (most: number) =>
  z
    .string()
    .max(most)
    .regex(/^[^\0-\x1f\x7f]*$/, "no control characters");

export const messageId = z.string().regex(UUID, "this is no id").meta({ id: "MessageId", format: "uuid" });
const instant = z.iso.datetime({ offset: true });
const count = z.number().int().nonnegative();
const name = plain(255).min(1);
const glob = plain(512);

export const recipientShape = z.object({
  address: z.string(),
  state: z.enum(STATES),
  attempts: count,
  nextAttempt: instant.nullable(),
  reply: z.string().nullable().describe("The last reply, on one line."),
});

export const entryShape = z
  .object({
    id: messageId,
    direction: z.enum(DIRECTIONS),
    customer: z.string(),
    state: z.enum(STATES),
    sender: z.string().describe("Empty: the null sender."),
    recipients: z.array(recipientShape),
    size: count,
    arrived: instant,
    expires: instant,
    subject: z.string(),
    source: z.object({ protocol: z.string(), peer: z.string(), auth: z.string().nullable() }),
  })
  .meta({ id: "Entry" });

export const eventShape = z
  .object({
    at: instant,
    id: messageId,
    recipient: z.string().nullable(),
    what: z.enum(EVENTS),
    actor: z.string(),
    reason: z.string(),
  })
  .meta({ id: "Event", description: "One change of a recipient's or an entry's state, with who and why." });

export const turnShape = z
  .object({
    id: messageId,
    side: z.enum(["provider", "customer"]).describe("provider: a customer called us; customer: we called."),
    customer: z.string(),
    peer: z.string(),
    started: instant,
    ended: instant.nullable(),
    state: z.enum(["running", "done", "failed"]),
    delivered: count,
    deferred: count,
    refused: count,
    octets: count,
    why: z.string().nullable().describe("Why it failed."),
  })
  .meta({ id: "Turn" });

export const customerShape = z
  .object({
    name: z.string(),
    configured: z
      .boolean()
      .describe("false: mail waits for a customer that the configuration does not have."),
    domains: z.array(z.string()),
    recipients: z.array(z.string()).nullable().describe("null: any."),
    hold: count.nullable().describe("Seconds."),
    quota: count.nullable(),
    entries: count,
    octets: count,
    oldest: instant.nullable(),
    lastTurn: turnShape.nullable(),
  })
  .meta({ id: "Customer" });

export const laneShape = z
  .object({
    direction: z.enum(DIRECTIONS),
    customer: z.string(),
    entries: count,
    octets: count,
    oldest: instant.nullable(),
    held: count.describe("Recipients."),
    leased: count.describe("Recipients."),
  })
  .meta({ id: "Lane" });

export const nodeShape = z
  .object({
    id: z.string(),
    name: z.string().describe("Its host's."),
    actor: z.string(),
    version: z.string(),
    started: instant,
    seen: instant,
    alive: z.boolean().describe("It was seen within a minute."),
    self: z.boolean().describe("It is the one that answers."),
  })
  .meta({ id: "Node" });

export const statsShape = z
  .object({
    spool: z.string().describe("The spool's id."),
    version: z.string(),
    at: instant,
    entries: count,
    octets: count,
    lanes: z.array(laneShape),
    nodes: z
      .array(nodeShape)
      .describe("Programs at work on a shared spool, those that ended without a word within a day too."),
    totals: z.record(z.string(), count).describe("Changes since the spool was made, by what they were."),
  })
  .meta({ id: "Stats" });

export const bucketShape = z
  .object({ at: instant.describe("Where it begins."), counts: z.partialRecord(z.enum(EVENTS), count) })
  .meta({ id: "Bucket" });

/** Where a rule matches, new mail is held. */
export const ruleInput = z
  .strictObject({
    customer: name.optional(),
    sender: glob.min(1).optional().describe('A glob; "<>" is the null sender.'),
    recipient: glob.min(1).optional().describe("A glob."),
    largerThan: count.optional().describe("Octets."),
    reason: plain(500).default(""),
  })
  .refine(({ reason: _, ...rest }) => Object.values(rest).some((value) => value !== undefined), {
    message: "give one of customer, sender, recipient, largerThan",
  });

export const ruleShape = z
  .object({
    id: messageId,
    customer: z.string().nullable(),
    sender: z.string().nullable(),
    recipient: z.string().nullable(),
    largerThan: count.nullable(),
    reason: z.string(),
    actor: z.string(),
    made: instant,
  })
  .meta({ id: "HoldRule" });

/** What adding a message made: one entry for each way that its recipients go. */
export const addedShape = z
  .object({
    items: z.array(
      z.object({
        id: messageId,
        direction: z.enum(DIRECTIONS),
        customer: z.string(),
        recipients: z.array(z.string()),
      }),
    ),
  })
  .meta({ id: "Added" });

const found = z.array(z.string());
const usage = z.object({ count: z.number().int(), octets: z.number().int() });

/** One thing that the conservation check finds wrong. */
export const findingShape = z
  .discriminatedUnion("type", [
    z.object({ type: z.enum(["missing", "damaged"]), ids: found }).describe("Bodies."),
    z.object({ type: z.literal("unreadable"), entries: count, ids: found }),
    z.object({
      type: z.literal("unbalanced"),
      accepted: z.number().int(),
      states: z.record(z.enum(STATES), z.number().int()),
    }),
    z.object({
      type: z.literal("miscounted"),
      direction: z.enum(DIRECTIONS),
      customer: z.string(),
      counted: usage,
      found: usage,
    }),
    z.object({ type: z.literal("inconsistent"), ids: found }),
    z.object({ type: z.literal("database"), problem: z.string() }),
    z.object({ type: z.literal("orphan"), file: z.string() }).describe("Nothing is lost."),
  ])
  .meta({ id: "Finding" });

/** One line of `GET /api/v1/verify`; without the `end` it was cut. */
export const verifyLine = z
  .union([
    findingShape,
    z.object({ type: z.literal("progress"), octets: count, of: count }).describe("Read so far."),
    z.object({ type: z.literal("end") }).describe("All was looked at."),
  ])
  .meta({ id: "VerifyLine" });

/** RFC 9457. */
export const problemShape = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string().optional(),
    errors: z.array(z.object({ at: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: "Problem" });

// What a query string says.

/** A text that `parse` reads, described by its pattern. */
function read<T>(parse: (text: string) => T | undefined, pattern: RegExp, hint: string) {
  return z
    .string()
    .max(64)
    .regex(pattern, hint)
    .transform((text, context) => {
      const value = parse(text);
      if (value !== undefined) return value;
      context.issues.push({ code: "custom", message: hint, input: text });
      return z.NEVER;
    });
}

const duration = () => read(parseDuration, /^(?:\d+(?:ms|[smhdw]))+$/, "write 3d, 12h or 30m");
const size = () => read(parseSize, /^\d+(?:\.\d+)? ?(?:[kMGT]i?|Ki)?B?$/, "write 10MiB, or octets");
const whole = (most: number) =>
  read(
    (text) => (Number(text) >= 1 && Number(text) <= most ? Number(text) : undefined),
    /^[1-9]\d{0,6}$/,
    `a number from 1 to ${most}`,
  );
const flag = z.enum(["true", "false"]).transform((word) => word === "true");
const ids = z
  .string()
  .max(IDS_MOST * 37)
  .regex(/^[0-9a-fA-F-]{36}(?:,[0-9a-fA-F-]{36})*$/, "ids, with commas between")
  .transform((text) => text.split(","))
  .pipe(z.array(messageId).max(IDS_MOST));
const cursor = z
  .string()
  .max(64)
  .regex(/^\d{1,16}(?:-\d{1,16})?$/, "this is no cursor of ours");

const chooses = {
  direction: z.enum(DIRECTIONS).optional(),
  customer: name.optional(),
  state: z.enum(STATES).optional().describe("With a recipient in this state."),
  sender: glob.optional().describe('A glob; "<>" is the null sender.'),
  recipient: glob.optional().describe("A glob."),
  domain: glob.optional().describe("A recipient's domain, a glob."),
  arrivedBefore: instant.optional(),
  arrivedAfter: instant.optional(),
};

/** The filters of `GET /api/v1/queue`; those of `odmr queue`. */
export const filterQuery = z.object({
  ids: ids.optional(),
  ...chooses,
  olderThan: duration().optional(),
  newerThan: duration().optional(),
  largerThan: size().optional(),
  smallerThan: size().optional(),
  gone: flag.optional().describe("Also what has left."),
});

const paging = { limit: whole(PAGE_MOST).prefault("100"), cursor: cursor.optional() };

export const queueQuery = filterQuery.extend({ sort: z.enum(SORTS).optional(), ...paging });
export const historyQuery = z.object({
  ids: ids.optional(),
  after: instant.optional(),
  newest: flag.optional().describe("The last changes of all, newest first, on one page; with limit alone."),
  ...paging,
});
export const turnsQuery = z.object({
  customer: name.optional(),
  side: z.enum(["provider", "customer"]).optional(),
  state: z.enum(["running", "done", "failed"]).optional(),
  limit: whole(PAGE_MOST).prefault("100"),
  cursor: messageId.optional(),
});
export const seriesQuery = z.object({
  hours: whole(24 * 7).prefault("24"),
  bucket: duration().prefault("15m").describe("How long one bucket is; a minute at least."),
});

const address = z
  .string()
  .max(1024)
  .transform((text, context) => {
    const parsed = parseAddress(text);
    if (parsed !== undefined) return parsed;
    context.issues.push({ code: "custom", message: "this is no mail address", input: text });
    return z.NEVER;
  });

/** Who a new message is from and for whom. */
export const addQuery = z.object({
  from: z
    .union([z.enum(["", "<>"]).transform(() => ""), address])
    .describe('The sender; empty or "<>" for none.'),
  to: z
    .union([z.array(address).min(1), address.transform((one) => [one])])
    .describe("A recipient; may be given more than once."),
  customer: name.optional().describe("It waits for this customer's call, whatever its recipients' domains."),
});

// What a body says.

/** The same filters in JSON. */
export const filterBody = z.strictObject({
  ids: z.array(messageId).max(IDS_MOST).optional(),
  ...chooses,
  largerThan: count.optional(),
  smallerThan: count.optional(),
});

const reason = plain(500).default("").describe("Why, for the history.");

export const actBody = z.strictObject({ reason });
export const moveBody = z.strictObject({ customer: name, reason });

/** An action on all that a filter chooses. */
export const bulkBody = z
  .strictObject({
    action: z.enum(["hold", "release", "retry", "remove", "bounce", "move"]),
    customer: name.optional().describe("move: whose they become."),
    filter: filterBody.default({}),
    all: z.boolean().default(false).describe("Everything, where the filter is empty."),
    dryRun: z.boolean().default(false),
    reason,
    limit: z.number().int().min(1).max(IDS_MOST).default(PAGE_MOST),
    cursor: cursor.optional().describe("`next` of the answer before; until it is null, there is more to do."),
  })
  .refine(({ action, customer }) => (action === "move") === (customer !== undefined), {
    message: "customer goes with move, and only with it",
    path: ["customer"],
  })
  .refine(({ filter, all }) => all || Object.keys(filter).length > 0, {
    message: "on which entries? give a filter, or all: true",
    path: ["filter"],
  });

export const idParam = z.object({ id: messageId });

/** One page of something. */
export const pageOf = <T extends z.ZodType>(items: T) =>
  z.object({ items: z.array(items), next: z.string().nullable().describe("The cursor of the next page.") });

export const actedShape = z.object({
  action: z.string(),
  dryRun: z.boolean(),
  ids: z.array(messageId).describe("What changed, or with dryRun would change."),
  next: z.string().nullable(),
});

export type EntryJson = z.infer<typeof entryShape>;
export type EventJson = z.infer<typeof eventShape>;
export type TurnJson = z.infer<typeof turnShape>;
export type CustomerJson = z.infer<typeof customerShape>;
export type LaneJson = z.infer<typeof laneShape>;
export type StatsJson = z.infer<typeof statsShape>;
export type NodeJson = z.infer<typeof nodeShape>;
export type BucketJson = z.infer<typeof bucketShape>;
export type RuleJson = z.infer<typeof ruleShape>;
export type ProblemJson = z.infer<typeof problemShape>;
