/** At home: what was taken in and is due goes to its targets; what they cannot take now stays and is tried again. */
import type { Delivery } from "../delivery/delivery.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { Random } from "../platform/random.ts";
import type { Spool } from "../spool/spool.ts";
import { afterRefusal } from "./backoff.ts";
import { LEASE, type PumpOptions, pump, type Tally } from "./pump.ts";

export interface Distribution {
  readonly account: string;
  readonly delivery: Delivery;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Whether a refusal may be final, because the sender will be told; without it what is refused is held. */
  readonly tells?: PumpOptions["tells"];
}

/** A Maildir syncs each message: a few at once keep the disk busy, more do not help. */
const WINDOW = 16;

/** Delivers all that is due of an account's mail. The delivery is left open. */
export async function distribute({
  account,
  delivery,
  spool,
  clock,
  random,
  log,
  tells,
}: Distribution): Promise<Tally | "nothing"> {
  const lane = { direction: "local", customer: account } as const;
  const claim = await spool.claim(
    { lane, lease: LEASE },
    `local/${account}/${Math.floor(random.fraction() * 1e9)}`,
  );
  if (claim === "empty" || claim === "busy") return "nothing";
  return pump(claim, delivery, {
    clock,
    log,
    backoff: afterRefusal(random),
    window: WINDOW,
    ...(tells && { tells }),
  });
}
