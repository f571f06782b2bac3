/** Delivery over an SMTP or LMTP line that is open: a turned one or a dialled one, in the way that its peer can take. */
// A message is settled by its own replies alone; what the peer may or may not have got is `unanswered`, never guessed.
import { LineError, noAnswer, type Talk } from "../net/talk.ts";
import type { Capabilities } from "../smtp/session.ts";
import { isAscii } from "../wire/address.ts";
import type { Command, MailParameters, RcptParameters } from "../wire/command.ts";
import { isPositive, isTransient, type Reply, reply } from "../wire/reply.ts";
import { type Delivery, type Outcome, type Parcel, sameForAll } from "./delivery.ts";

/** What an operator says of a peer: auto finds out, bdat prefers BDAT, plain goes line by line. */
export type Compatibility = "auto" | "bdat" | "plain";

/**
 * stream: many messages in flight, each RSET MAIL RCPT BDAT (only between our two ends) · group: one round trip a
 * message (RFC 2920) · chunk: BDAT after all RCPT replies (RFC 3030 §2) · plain: every reply awaited.
 */
type Way = "stream" | "group" | "chunk" | "plain";

function wayFor(peer: Capabilities, compatibility: Compatibility): Way {
  if (compatibility === "plain") return "plain";
  if (peer.has("XODMRID") && peer.has("PIPELINING") && peer.has("CHUNKING")) return "stream";
  if (compatibility === "bdat" && peer.has("CHUNKING")) return "chunk";
  return peer.has("PIPELINING") ? "group" : "plain";
}

export interface LineOptions {
  readonly compatibility: Compatibility;
  /** Our spool's id, for XODMRID; undefined where the hop is to be told nothing. */
  readonly spool?: string;
}

/** The replies of one message, as promises: they come while later messages are being written. */
interface Asked {
  readonly mail: Promise<Reply>;
  readonly rcpts: readonly Promise<Reply>[];
  readonly final: Promise<readonly Reply[]>;
}

const noRecipient = Promise.resolve<readonly Reply[]>([]);
const LF = 10;
/** Octets that gather before they are written. */
const GATHER = 65_536;

/** It backs off like any other that was put off: it must not be the end of every turn. */
class Unreadable extends Error {}
const unreadable = reply(451, "4.3.0", "The body of this message cannot be read here now");

export function lineDelivery(talk: Talk, options: LineOptions): Delivery {
  return new LineDelivery(talk, options);
}

class LineDelivery implements Delivery {
  readonly #talk: Talk;
  readonly #options: LineOptions;
  readonly #way: Way;
  /** The writer's place in the line: parcels are written one after another. */
  #writer: Promise<unknown> = Promise.resolve();

  constructor(talk: Talk, options: LineOptions) {
    this.#talk = talk;
    this.#options = options;
    this.#way = wayFor(talk.capabilities, options.compatibility);
  }

  async deliver(parcel: Parcel): Promise<readonly Outcome[]> {
    const refusal = cannotTake(parcel, this.#talk.capabilities);
    if (refusal !== undefined) return sameForAll(parcel, "refused", refusal);
    const asked = this.#writer.then(() => this.#write[this.#way](parcel));
    this.#writer = asked.catch(() => undefined);
    try {
      return this.#telling(await outcomes(parcel, await asked));
    } catch (fault) {
      if (fault instanceof Unreadable) return sameForAll(parcel, "deferred", unreadable);
      if (!(fault instanceof LineError)) throw fault;
      return sameForAll(parcel, "unanswered", noAnswer(fault));
    }
  }

  #telling(outcomes: readonly Outcome[]): readonly Outcome[] {
    if (!this.#talk.capabilities.has("DSN")) return outcomes;
    return outcomes.map((outcome) =>
      outcome.result === "delivered" ? { ...outcome, tells: true } : outcome,
    );
  }

  async close(): Promise<void> {
    await this.#writer;
    await this.#talk.close();
  }

  readonly #write: Readonly<Record<Way, (parcel: Parcel) => Promise<Asked>>> = {
    stream: async (parcel) => {
      // RSET first: after a failed BDAT only it makes the transaction's state certain.
      void this.#talk.say({ verb: "RSET" });
      const begun = this.#begin(parcel);
      const final = this.#talk.lastChunk(parcel.size);
      await this.#octets(parcel);
      this.#talk.flushSoon();
      return { ...begun, final };
    },
    group: async (parcel) => {
      const begun = this.#begin(parcel);
      const data = this.#talk.say({ verb: "DATA" });
      await this.#talk.flush();
      const goAhead = await data;
      if (goAhead.code !== 354) {
        // The transaction is still open: the next MAIL would be told so, and its body would go by this envelope.
        await this.#reset();
        return { ...begun, final: Promise.resolve([goAhead]) };
      }
      // A peer that says 354 though it accepted nobody gets a lone dot.
      if (await accepted(begun)) await this.#octets(parcel);
      const final = this.#talk.endOfBody();
      await this.#talk.flush();
      return { ...begun, final };
    },
    chunk: async (parcel) => {
      void this.#talk.say({ verb: "RSET" });
      const begun = this.#begin(parcel);
      await this.#talk.flush();
      if (!(await accepted(begun))) return { ...begun, final: noRecipient };
      const final = this.#talk.lastChunk(parcel.size);
      await this.#octets(parcel);
      await this.#talk.flush();
      return { ...begun, final };
    },
    plain: async (parcel) => {
      const mail = await this.#talk.ask(this.#mail(parcel));
      const rcpts: Reply[] = [];
      if (isPositive(mail))
        for (const command of this.#rcpts(parcel)) rcpts.push(await this.#talk.ask(command));
      const begun = { mail: Promise.resolve(mail), rcpts: rcpts.map((r) => Promise.resolve(r)) };
      if (!rcpts.some(isPositive)) {
        await this.#reset();
        return { ...begun, final: noRecipient };
      }
      const goAhead = await this.#talk.ask({ verb: "DATA" });
      if (goAhead.code !== 354) {
        await this.#reset();
        return { ...begun, final: Promise.resolve([goAhead]) };
      }
      await this.#octets(parcel);
      const final = this.#talk.endOfBody();
      await this.#talk.flush();
      return { ...begun, final: Promise.resolve(await final) };
    },
  };

  /** A line that breaks here takes nothing back of what was answered before. */
  async #reset(): Promise<void> {
    await this.#talk.ask({ verb: "RSET" }).catch(() => undefined);
  }

  #begin(parcel: Parcel): Omit<Asked, "final"> {
    return {
      mail: this.#talk.say(this.#mail(parcel)),
      rcpts: this.#rcpts(parcel).map((command) => this.#talk.say(command)),
    };
  }

  /** Writes the body in pieces. Where it cannot be read to its end, the line is broken: half a message must not be taken. */
  async #octets(parcel: Parcel): Promise<void> {
    try {
      const sent = await (this.#options.compatibility === "plain"
        ? this.#lines(parcel)
        : this.#pieces(parcel));
      if (sent !== parcel.size) throw new Error(`there are ${sent} octets and not ${parcel.size}`);
    } catch (fault) {
      this.#talk.connection.destroy();
      throw new Unreadable("the body cannot be read", { cause: fault });
    }
  }

  /** @returns how many octets it was */
  async #pieces(parcel: Parcel): Promise<number> {
    let sent = 0;
    let gathered = 0;
    for await (const piece of parcel.content()) {
      this.#talk.octets(piece);
      sent += piece.length;
      gathered += piece.length;
      if (gathered < GATHER) continue;
      gathered = 0;
      await this.#talk.flush();
    }
    return sent;
  }

  /** Each line in a TLS record of its own: with a second line in the first one's record fetchmail waits for ever. */
  async #lines(parcel: Parcel): Promise<number> {
    let sent = 0;
    for await (const piece of parcel.content())
      for (const line of linesOf(piece)) {
        this.#talk.octets(line);
        sent += line.length;
        await this.#talk.flushThrough();
      }
    return sent;
  }

  #mail({ id, size, envelope }: Parcel): Command {
    const peer = this.#talk.capabilities;
    const { spool } = this.#options;
    const parameters: MailParameters = {
      ...(peer.has("SIZE") && { size }),
      ...(peer.has("8BITMIME") && envelope.body !== undefined && { body: envelope.body }),
      ...(envelope.smtputf8 && { smtputf8: true as const }),
      ...(peer.has("DSN") && envelope.ret !== undefined && { ret: envelope.ret }),
      ...(peer.has("DSN") && envelope.envid !== undefined && { envid: envelope.envid }),
      ...(peer.has("XODMRID") && spool !== undefined && { origin: { spool, message: id } }),
    };
    return { verb: "MAIL", from: envelope.from, parameters };
  }

  #rcpts({ envelope }: Parcel): readonly Command[] {
    const dsn = this.#talk.capabilities.has("DSN");
    return envelope.recipients.map(({ address, notify, orcpt }) => {
      const parameters: RcptParameters = {
        ...(dsn && notify.length > 0 && { notify }),
        ...(dsn && orcpt !== undefined && { orcpt }),
      };
      return { verb: "RCPT", to: address, parameters };
    });
  }
}

function* linesOf(piece: Uint8Array): Iterable<Uint8Array> {
  for (let from = 0; from < piece.length; ) {
    const end = piece.indexOf(LF, from) + 1 || piece.length;
    yield piece.subarray(from, end);
    from = end;
  }
}

/** What this peer can never take (protocol: 5.6.7 and 5.3.4); undefined: it may be tried. */
function cannotTake({ size, envelope }: Parcel, peer: Capabilities): Reply | undefined {
  const utf8 =
    envelope.smtputf8 ||
    !isAscii(envelope.from) ||
    envelope.recipients.some(({ address }) => !isAscii(address));
  if (utf8 && !peer.has("SMTPUTF8")) return reply(553, "5.6.7", "The next hop does not offer SMTPUTF8");
  if (peer.size !== undefined && size > peer.size)
    return reply(552, "5.3.4", `Message of ${size} octets is over the next hop's limit of ${peer.size}`);
  return undefined;
}

async function accepted({ mail, rcpts }: Omit<Asked, "final">): Promise<boolean> {
  return isPositive(await mail) && (await Promise.all(rcpts)).some(isPositive);
}

/** One outcome a recipient: by MAIL's reply if that failed, else by its RCPT's, else by the body's (LMTP: its own). */
async function outcomes(parcel: Parcel, asked: Asked): Promise<readonly Outcome[]> {
  const mail = await asked.mail;
  // The peer closes: that says nothing of this message, which was not even named (RFC 5321 §3.8).
  if (mail.code === 421) return sameForAll(parcel, "unanswered", mail);
  if (!isPositive(mail)) return sameForAll(parcel, resultOf(mail), mail);
  const rcpts = await Promise.all(asked.rcpts);
  const final = await asked.final;
  let taken = 0;
  return parcel.envelope.recipients.map(({ address }, i) => {
    const rcpt = rcpts[i]!;
    const said = isPositive(rcpt) ? (final[taken++] ?? final.at(-1)!) : rcpt;
    return { to: address, result: resultOf(said), reply: said };
  });
}

function resultOf(said: Reply): Outcome["result"] {
  if (isPositive(said)) return "delivered";
  return isTransient(said) ? "deferred" : "refused";
}
