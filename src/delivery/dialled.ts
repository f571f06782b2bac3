/** Delivery to an SMTP or LMTP server that we dial when there is something for it, and dial again when the line broke. */
// At least once: what was under way when the line broke is deferred, and may then come twice.
import type { Connection } from "../net/connection.ts";
import { ConnectionError } from "../net/connection.ts";
import { LineError, Talk } from "../net/talk.ts";
import { isPositive, type Reply, reply, replyLine } from "../wire/reply.ts";
import { type Delivery, type Outcome, type Parcel, sameForAll } from "./delivery.ts";
import { lineDelivery } from "./line.ts";

export interface Hop {
  readonly dialect: "SMTP" | "LMTP";
  /** For messages: "lmtp://127.0.0.1:24". */
  readonly name: string;
  /** Our name in EHLO or LHLO. */
  readonly hostname: string;
  dial(): Promise<Connection>;
}

/** A hop that needs more than a greeting before mail: TLS, a login, a choice of hosts. */
export interface ReadyHop {
  /** For messages: "smtp.example.net". */
  readonly name: string;
  /** A line on which MAIL may be said. @throws LineError, ConnectionError */
  open(): Promise<Talk>;
}

export function dialled(hop: Hop | ReadyHop): Delivery {
  return new Dialled(hop);
}

/** Whether the hop can be reached and greets us. @returns why not, or undefined. */
export async function hopTrouble(hop: Hop): Promise<string | undefined> {
  try {
    await (await open(hop)).close();
    return undefined;
  } catch (fault) {
    return replyLine(trouble(hop, fault));
  }
}

/** A hop that could not be reached is not dialled again for each of the messages that wait behind. */
const RESPITE = 16;

interface Line {
  readonly talk: Talk;
  readonly delivery: Delivery;
}

class Dialled implements Delivery {
  readonly #hop: Hop | ReadyHop;
  #line: Promise<Line> | undefined;
  #spared = 0;
  #lastTrouble: Reply | undefined;

  constructor(hop: Hop | ReadyHop) {
    this.#hop = hop;
  }

  async deliver(parcel: Parcel): Promise<readonly Outcome[]> {
    if (this.#lastTrouble !== undefined && this.#spared++ < RESPITE)
      return sameForAll(parcel, "deferred", this.#lastTrouble);
    this.#spared = 0;
    const used = this.#line !== undefined;
    const outcomes = await this.#try(parcel);
    // A line that was used before may be worn: its peer was tired of waiting, or takes only so many messages on one.
    const worn = used && outcomes.every(({ result }) => result === "unanswered");
    return (worn ? await this.#try(parcel) : outcomes).map((outcome) =>
      outcome.result === "unanswered" ? { ...outcome, result: "deferred" } : outcome,
    );
  }

  async #try(parcel: Parcel): Promise<readonly Outcome[]> {
    this.#line ??= this.#open();
    const line = this.#line;
    try {
      const { talk, delivery } = await line;
      this.#lastTrouble = undefined;
      const outcomes = await delivery.deliver(parcel);
      if (talk.error !== undefined || outcomes.some(({ result }) => result === "unanswered")) {
        this.#forget(line);
        talk.connection.destroy();
      }
      return outcomes;
    } catch (fault) {
      this.#forget(line);
      this.#lastTrouble = trouble(this.#hop, fault);
      return sameForAll(parcel, "deferred", this.#lastTrouble);
    }
  }

  async close(): Promise<void> {
    const line = await this.#line?.catch(() => undefined);
    await line?.delivery.close();
  }

  async #open(): Promise<Line> {
    const talk = await open(this.#hop);
    return { talk, delivery: lineDelivery(talk, { compatibility: "auto" }) };
  }

  #forget(line: Promise<Line>): void {
    if (this.#line === line) this.#line = undefined;
  }
}

async function open(hop: Hop | ReadyHop): Promise<Talk> {
  if ("open" in hop) return hop.open();
  const talk = new Talk(await hop.dial(), hop.dialect);
  try {
    const greeting = await talk.greeting();
    if (!isPositive(greeting)) throw new LineError("closed", "refuses the call", greeting);
    const hello = await talk.ask({ verb: hop.dialect === "LMTP" ? "LHLO" : "EHLO", name: hop.hostname });
    if (!isPositive(hello)) throw new LineError("closed", "refuses our name", hello);
    return talk;
  } catch (fault) {
    talk.connection.destroy();
    throw fault;
  }
}

function trouble(hop: Pick<Hop, "name">, fault: unknown): Reply {
  if (fault instanceof LineError && fault.fault === "closed" && fault.reply !== undefined)
    return reply(451, "4.4.1", `${hop.name}: ${replyLine(fault.reply)}`);
  if (!(fault instanceof LineError || fault instanceof ConnectionError)) throw fault;
  const { message } = fault;
  return reply(451, "4.4.1", message.startsWith(hop.name) ? message : `${hop.name}: ${message}`);
}
