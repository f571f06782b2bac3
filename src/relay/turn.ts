/** The turned line, at the provider: we are the client now, and the customer's mail leaves (RFC 2645 §5.3). */
// The customer greets first. After our QUIT both close; XODMRTURN in its place begins another round (dist/docs/extensions.md).
import { lineDelivery } from "../delivery/line.ts";
import type { Connection } from "../net/connection.ts";
import { LineError, Talk } from "../net/talk.ts";
import { isPositive, replyLine } from "../wire/reply.ts";
import type { Turn } from "./atrn.ts";
import { afterRefusal } from "./backoff.ts";
import { canTell } from "./notices.ts";
import { pump } from "./pump.ts";
import type { Relay } from "./relay.ts";

/** Messages in flight at most; the pump also bounds their octets. */
const WINDOW = 512;
/** Messages of one turn at most; mail that arrives while it runs goes out in it up to this. */
const MOST = 1_000_000;

/**
 * Sends what the turn's claim holds over the line, says goodbye, and releases the claim.
 * @param mayStay asked at the end: whether the customer may have another round, if it offers one
 * @returns whether the line was turned back, and is open
 */
export async function drain(
  relay: Relay,
  { customer, claim, holder }: Turn,
  connection: Connection,
  mayStay: () => boolean = () => false,
): Promise<boolean> {
  const { log, clock, random, spool } = relay;
  const started = clock.steady();
  const talk = new Talk(connection);
  const facts = { side: "provider", customer: customer.name, peer: connection.peer.address } as const;
  const record = spool.records.turn(facts);
  let failure: string | undefined = "it broke off";
  let turnedBack = false;
  const failed = (why: string): boolean => {
    failure = why;
    log.log("warn", "turn failed", { customer: customer.name, why });
    return false;
  };
  try {
    const refusal = await greet(talk, relay.hostname);
    if (refusal !== undefined) return failed(refusal);
    const largest = talk.capabilities.keywords.get("XODMRLIMIT")?.[0];
    if (largest !== undefined && /^\d{1,15}$/.test(largest)) await claim.limit(Number(largest));
    const delivery = lineDelivery(talk, { compatibility: customer.compatibility, spool: spool.id });
    const tally = await pump(claim, delivery, {
      clock,
      log,
      backoff: afterRefusal(random),
      window: WINDOW,
      most: MOST,
      stopping: relay.stopping,
      tells: (held) => canTell(held.envelope.from, customer.name, relay.book),
      settled: (_held, _outcomes, tally) => record.progress(tally),
    });
    failure = tally.unanswered > 0 ? "the line was lost" : undefined;
    log.log("info", "turned", {
      customer: customer.name,
      holder,
      ...tally,
      ms: Math.round(clock.steady() - started),
    });
    if (failure === undefined && mayStay()) turnedBack = await turnBack(talk);
    return turnedBack;
  } catch (fault) {
    if (!(fault instanceof LineError)) throw fault;
    return failed(fault.message);
  } finally {
    await claim.release();
    if (!turnedBack) await talk.close();
    await record.end(failure);
  }
}

/** Where the customer offers it: we are the server again, if nothing came behind the answer. */
async function turnBack(talk: Talk): Promise<boolean> {
  if (!talk.capabilities.has("XODMRTURN")) return false;
  await talk.ask({ verb: "XODMRTURN" });
  return talk.turned && talk.connection.pending === 0;
}

/** Waits for the customer's greeting and says EHLO. @returns why it cannot go on, or undefined. */
async function greet(talk: Talk, hostname: string): Promise<string | undefined> {
  const greeting = await talk.greeting();
  if (!isPositive(greeting)) return `greeted with ${replyLine(greeting)}`;
  const hello = await talk.ask({ verb: "EHLO", name: hostname });
  if (isPositive(hello)) return undefined;
  const plainly = await talk.ask({ verb: "HELO", name: hostname });
  return isPositive(plainly) ? undefined : `EHLO was answered ${replyLine(hello)}`;
}
