/** Mail that leaves the house: on the provider's line before it turns, or by a smarthost. */
// RFC 2645 knows no MAIL on the customer's side; our own relay takes it after AUTH. A provider that does not says so to the
// first MAIL: that is no answer to the message, which stays as it was.
import type { Delivery } from "../delivery/delivery.ts";
import { dialled } from "../delivery/dialled.ts";
import { lineDelivery } from "../delivery/line.ts";
import type { Talk } from "../net/talk.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { Random } from "../platform/random.ts";
import type { Held, Spool } from "../spool/spool.ts";
import { afterRefusal } from "./backoff.ts";
import type { Login, LoginTools } from "./login.ts";
import type { Carried } from "./porter.ts";
import { LEASE, pump, type Tally } from "./pump.ts";
import { smarthostHop } from "./smarthost.ts";

export interface Sending {
  /** Whose outgoing lane it is. */
  readonly account: string;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Whether a refusal may be final, because the sender will be told. */
  readonly tells: (held: Held) => boolean;
  /** A sender is told that its message is late after so many milliseconds. */
  readonly lateAfter: number;
  /** Where mail goes that the provider does not take; undefined: it waits. */
  readonly smarthost?: Pick<LoginTools, "connect" | "pbkdf2"> & { readonly login: Login };
}

const WINDOW = 256;

/** What a provider says to MAIL that takes no mail on this line. */
const NOT_HERE: ReadonlySet<number> = new Set([500, 502, 503, 530]);

/** Sends an account's outgoing mail, and counts recipients. */
export class Sender {
  readonly #sending: Sending;
  /** A run to the smarthost beside a call. */
  #beside: Promise<void> | undefined;
  #sent = { delivered: 0, deferred: 0, refused: 0 };

  constructor(sending: Sending) {
    this.#sending = sending;
  }

  /** What was sent since this sender began. */
  get sent(): Carried {
    return { ...this.#sent };
  }

  /**
   * All that is due goes over the line; afterwards it is as it was. What is not taken there is on its way to the smarthost
   * before mail is fetched: that may take an hour, or have no end. @throws LineError
   */
  async byLine(talk: Talk): Promise<void> {
    const line = lineDelivery(talk, { compatibility: "auto", spool: this.#sending.spool.id });
    let refused = false;
    const tally = await this.#send(
      whereTaken(line, () => {
        refused = true;
      }),
    );
    if (refused) this.#goBeside();
    // A transaction that failed may be open still, and ATRN in it is out of place (RFC 2645 §5.2.1).
    if (tally !== "nothing") await talk.ask({ verb: "RSET" });
  }

  /** All that is due goes to the account's smarthost, if it has one. */
  async bySmarthost(): Promise<void> {
    await this.#beside;
    await this.#toSmarthost();
  }

  #goBeside(): void {
    const { account, log, smarthost } = this.#sending;
    const level = smarthost === undefined ? "warn" : "debug";
    log.log(level, "provider takes no mail on this line", { account });
    this.#beside ??= this.#toSmarthost().finally(() => {
      this.#beside = undefined;
    });
    this.#beside.catch(() => undefined); // whoever sends by the smarthost next is told
  }

  async #toSmarthost(): Promise<void> {
    const { smarthost, random, log } = this.#sending;
    if (smarthost === undefined) return;
    const delivery = dialled(smarthostHop(smarthost.login, { ...smarthost, random, log }));
    try {
      await this.#send(delivery);
    } finally {
      await delivery.close();
    }
  }

  async #send(delivery: Delivery): Promise<Tally | "nothing"> {
    const { account, spool, clock, random, log, tells, lateAfter } = this.#sending;
    const lane = { direction: "outgoing", customer: account } as const;
    const holder = `outgoing/${account}/${Math.floor(random.fraction() * 1e9)}`;
    const claim = await spool.claim({ lane, lease: LEASE }, holder);
    if (claim === "empty" || claim === "busy") return "nothing";
    const backoff = afterRefusal(random);
    const tally = await pump(claim, delivery, { clock, log, backoff, window: WINDOW, tells, lateAfter });
    for (const what of ["delivered", "deferred", "refused"] as const) this.#sent[what] += tally[what];
    return tally;
  }
}

/** @param refused called once, when the provider takes none */
function whereTaken(line: Delivery, refused: () => void): Delivery {
  let told = false;
  return {
    async deliver(parcel) {
      const outcomes = await line.deliver(parcel);
      if (!outcomes.every(({ reply }) => NOT_HERE.has(reply.code))) return outcomes;
      if (!told) refused();
      told = true;
      return outcomes.map((outcome) => ({ ...outcome, result: "unanswered" }));
    },
    close: () => line.close(),
  };
}
