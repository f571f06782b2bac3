/** Which recipients of a message wait together: one posting for each lane. */
import type { Instant } from "../platform/clock.ts";
import type { Lane, Posting } from "./spool.ts";

/** A recipient and its way. */
export interface Addressee {
  readonly lane: Lane;
  /** How long it is held, in milliseconds. */
  readonly hold: number;
  readonly recipient: Posting["recipients"][number];
}

/** In the order in which the lanes are met; the first of a lane says how long it is held. */
export function postingsOf(addressees: Iterable<Addressee>, arrived: Instant): readonly Posting[] {
  const byLane = new Map<string, Posting & { readonly recipients: Addressee["recipient"][] }>();
  for (const { lane, hold, recipient } of addressees) {
    const key = `${lane.direction}/${lane.customer}`;
    const posting = byLane.get(key);
    if (posting === undefined) byLane.set(key, { lane, expires: arrived + hold, recipients: [recipient] });
    else posting.recipients.push(recipient);
  }
  return [...byLane.values()];
}
