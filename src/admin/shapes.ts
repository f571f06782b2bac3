/** From the spool's values to the JSON of the API: times as RFC 3339 in UTC, null for what is unknown. */
import type { Instant } from "../platform/clock.ts";
import type { Customer } from "../relay/customers.ts";
import type { Bucket, HoldRule, LaneSum, NodeRecord, TurnRecord } from "../spool/records.ts";
import type { Entry, SpoolEvent } from "../spool/spool.ts";
import type {
  BucketJson,
  CustomerJson,
  EntryJson,
  EventJson,
  LaneJson,
  NodeJson,
  RuleJson,
  TurnJson,
} from "./schema.ts";

export const time = (at: Instant): string => new Date(at).toISOString();
const timeOrNull = (at: Instant | undefined): string | null => (at === undefined ? null : time(at));

export function entryJson(entry: Entry): EntryJson {
  const { id, direction, customer, state, sender, size, subject, source } = entry;
  return {
    ...{ id, direction, customer, state, sender, size, subject },
    recipients: entry.recipients.map(({ address, state, attempts, nextAttempt, reply }) => ({
      ...{ address, state, attempts },
      nextAttempt: timeOrNull(nextAttempt),
      reply: reply ?? null,
    })),
    arrived: time(entry.arrived),
    expires: time(entry.expires),
    source: { protocol: source.protocol, peer: source.peer, auth: source.auth ?? null },
  };
}

export function eventJson({ at, id, recipient, what, actor, reason }: SpoolEvent): EventJson {
  return { at: time(at), id, recipient: recipient ?? null, what, actor, reason };
}

export function nodeJson({ started, seen, ...node }: NodeRecord): NodeJson {
  return { ...node, started: time(started), seen: time(seen) };
}

export function turnJson({ started, ended, why, ...turn }: TurnRecord): TurnJson {
  return { ...turn, started: time(started), ended: timeOrNull(ended), why: why ?? null };
}

export function laneJson({ count, oldest, ...lane }: LaneSum): LaneJson {
  return { ...lane, entries: count, oldest: timeOrNull(oldest) };
}

export function ruleJson({ made, customer, sender, recipient, largerThan, ...rule }: HoldRule): RuleJson {
  return {
    ...rule,
    customer: customer ?? null,
    sender: sender ?? null,
    recipient: recipient ?? null,
    largerThan: largerThan ?? null,
    made: time(made),
  };
}

export function bucketJson({ at, counts }: Bucket): BucketJson {
  return { at: time(at), counts: { ...counts } };
}

/** @param customer undefined: mail waits for a name that the configuration does not have */
export function customerJson(
  name: string,
  customer: Customer | undefined,
  lane: LaneSum | undefined,
  lastTurn: TurnRecord | undefined,
): CustomerJson {
  return {
    name,
    configured: customer !== undefined,
    domains: [...(customer?.domains ?? [])],
    recipients: customer?.recipients === undefined ? null : [...customer.recipients],
    hold: customer === undefined ? null : Math.round(customer.hold / 1000),
    quota: customer?.quota ?? null,
    entries: lane?.count ?? 0,
    octets: lane?.octets ?? 0,
    oldest: timeOrNull(lane?.oldest),
    lastTurn: lastTurn === undefined ? null : turnJson(lastTurn),
  };
}
