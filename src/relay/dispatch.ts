/** Outgoing mail is sent: a run for each customer's lane as soon as something in it is due. */
// One lane has one run at a time and lanes do not wait for each other; what was put off comes back by its due time.
import type { Lane } from "../spool/spool.ts";
import { afterRefusal } from "./backoff.ts";
import { Bell } from "./bell.ts";
import { canTell } from "./notices.ts";
import { LEASE, pump } from "./pump.ts";
import type { Relay } from "./relay.ts";

/** Messages under way in one run; the limits of the outbound see to destinations. */
const WINDOW = 100;
/** How long until lanes are looked at again though nothing was heard: due times fall between. */
const LOOK = 15_000;

/** @param latest the relay as it is now: its book may be renewed between runs */
export async function dispatch(latest: () => Relay): Promise<void> {
  const { spool, clock, stopping } = latest();
  const runs = new Map<string, Promise<void>>();
  const bell = new Bell(clock, stopping);
  const deaf = spool.onChange((lane) => {
    if (lane === undefined || lane.direction === "outgoing") bell.ring();
  });
  try {
    while (!stopping.aborted) {
      for (const lane of latest().book.outbound === undefined ? [] : spool.lanes("outgoing")) {
        if (runs.has(lane.customer)) continue;
        const run = send(latest(), lane).finally(() => runs.delete(lane.customer));
        runs.set(lane.customer, run);
      }
      await bell.heard(LOOK);
    }
    await Promise.all(runs.values());
  } finally {
    deaf();
  }
}

/** One run: all that is due in a lane now, and what arrives meanwhile. Trouble is logged; the next look tries again. */
export async function send(relay: Relay, { customer }: Pick<Lane, "customer">): Promise<void> {
  const { spool, clock, random, log, stopping, book } = relay;
  const { outbound } = book;
  if (outbound === undefined) return;
  const holder = `outgoing/${customer}/${Math.floor(random.fraction() * 1e9)}`;
  try {
    const claim = await spool.claim({ lane: { direction: "outgoing", customer }, lease: LEASE }, holder);
    if (claim === "empty" || claim === "busy") return;
    const delivery = outbound.open(customer);
    try {
      await pump(claim, delivery, {
        ...{ clock, log, stopping },
        backoff: afterRefusal(random),
        window: WINDOW,
        tells: (held) => canTell(held.envelope.from, customer, book),
        lateAfter: outbound.warnAfter,
      });
    } finally {
      await delivery.close();
    }
  } catch (fault) {
    log.log("error", "sending failed", {
      customer,
      why: fault instanceof Error ? fault.message : String(fault),
    });
  }
}
