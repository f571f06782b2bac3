/** A call to the provider: dial, TLS, AUTH, ATRN; then the line turns and the house takes its mail in (RFC 2645). */
// It fails closed: without the TLS and the identity that the account asks for, no secret leaves and no mail moves.

import type { ClientTls, Connection } from "../net/connection.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { Random } from "../platform/random.ts";
import type { Pbkdf2 } from "../smtp/sasl/verifier.ts";
import type { Spool } from "../spool/spool.ts";
import { isTransient, type Reply, replyLine } from "../wire/reply.ts";
import { CallError, type CallFault, type Taken } from "./callerror.ts";
import { type House, takeIn } from "./house.ts";
import { callError, type Login, logIn } from "./login.ts";

export interface Account extends Login {
  readonly name: string;
  readonly user: string;
  /** The largest message that is taken, in octets. */
  readonly messageSize: number;
  /** Domains whose mail this house takes; undefined: whatever the provider has for us. */
  readonly domains: readonly string[] | undefined;
}

export interface Caller {
  /** A connection to the account's provider, under TLS already if `tls` is given. */
  dial(account: Account, tls: ClientTls | undefined): Promise<Connection>;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly random: Random;
  /** Derives SCRAM's key natively; without it JavaScript does, ten times slower. */
  readonly pbkdf2?: Pbkdf2;
  readonly log: Log;
  /** Told while mail comes in; `expected` is how many messages the provider spoke of, if it did. */
  readonly progress?: (taken: Taken, expected: number | undefined) => void;
}

/**
 * One call: asks for the mail of `ask` (none: all) and takes it in.
 * @returns what was taken; nothing at all if the provider had no mail. @throws CallError
 */
export async function call(account: Account, ask: readonly string[], caller: Caller): Promise<Taken> {
  const talk = await logIn(account, { ...caller, connect: (tls) => caller.dial(account, tls) });
  let connection: Connection | undefined = talk.connection;
  try {
    const answer = await talk.ask({ verb: "ATRN", domains: ask });
    if (!talk.turned) {
      const empty = answer.code === 453 ? nothing : undefined;
      await talk.close();
      connection = undefined;
      return empty ?? refused(answer);
    }
    return await takeIn(houseOf(account, ask, caller, answer), connection);
  } catch (fault) {
    throw callError(account, fault);
  } finally {
    await connection?.close();
  }
}

const nothing: Taken = { messages: 0, octets: 0 };

/** What the codes to ATRN mean beside 250 and 453 (RFC 2645 §5.2.1, and what real providers make of them). */
const atrnFaults: Readonly<Record<number, readonly [CallFault, string]>> = {
  450: ["refused", "the provider refuses: a domain is not this account's, or it asks too often"],
  451: ["later", "the provider cannot say now"],
  502: ["unreachable", "this host is no ODMR provider: it does not know ATRN"],
  503: ["protocol", "the provider says that ATRN came at the wrong time"],
  530: ["refused", "the provider wants authentication"],
  535: ["refused", "the provider refuses the authentication"],
};

function refused(answer: Reply): never {
  const [fault, text] =
    atrnFaults[answer.code] ?? (isTransient(answer) ? ["later", "not now"] : ["refused", "ATRN was refused"]);
  throw new CallError(fault as CallFault, `${text}: ${replyLine(answer)}`);
}

function houseOf(account: Account, ask: readonly string[], caller: Caller, turning: Reply): House {
  const domains = ask.length > 0 ? ask : account.domains;
  // Our own provider says how much waits; the text of a reply is for people, so this is no more than a hint.
  const hint = /\b(\d{1,9}) messages?\b/.exec(turning.text.join(" "))?.[1];
  const expected = hint === undefined ? undefined : Number(hint);
  const { spool, clock, log, progress } = caller;
  return {
    ...{ spool, clock, log, domains },
    hostname: account.hostname,
    account: account.name,
    messageSize: account.messageSize,
    ...(progress && { progress: (taken) => progress(taken, expected) }),
  };
}
