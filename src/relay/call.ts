/** A call to the provider: dial, TLS, AUTH, ATRN; then the line turns and the house takes its mail in (RFC 2645). */
// It fails closed: without the TLS and the identity that the account asks for, no secret leaves and no mail moves.

import type { ClientTls, Connection } from "../net/connection.ts";
import type { Talk } from "../net/talk.ts";
import type { Clock, Instant } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { Random } from "../platform/random.ts";
import type { Pbkdf2 } from "../smtp/sasl/verifier.ts";
import type { Spool } from "../spool/spool.ts";
import { isTransient, type Reply, replyLine } from "../wire/reply.ts";
import { CallError, type CallFault, type Taken } from "./callerror.ts";
import { type House, takeIn } from "./house.ts";
import { callError, type Login, logIn, resume, type Stage, where } from "./login.ts";
import type { Sender } from "./outgoing.ts";

export interface Account extends Login {
  readonly name: string;
  readonly user: string;
  /** The largest message that is taken, in octets. */
  readonly messageSize: number;
  /** What is taken at a time of day is at most so large, in octets; undefined: up to messageSize. */
  readonly largest?: (now: Instant) => number | undefined;
  /** The same mail by another relay within a day; kept, if nothing is said. */
  readonly doubles?: "keep" | "remove";
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
  /** Given: mail that waits to leave goes first. */
  readonly sender?: Pick<Sender, "byLine">;
  /** Aborted when we must leave: what is under way is finished, and nothing new is taken. */
  readonly leaving?: AbortSignal;
  /** Told what is waited for from now on. */
  readonly stage?: (stage: Stage) => void;
  /** Told while mail comes in; `expected` is how many messages the provider spoke of, if it did. */
  readonly progress?: (taken: Taken, expected: number | undefined) => void;
}

/**
 * One call: asks for the mail of `ask` (none: all) and takes it in.
 * @returns what was taken; nothing at all if the provider had no mail. @throws CallError
 */
export async function call(account: Account, ask: readonly string[], caller: Caller): Promise<Taken> {
  const talk = await begin(account, caller);
  try {
    const { taken, talk: left } = await round(talk, { account, ask, caller });
    await left?.close();
    return taken;
  } catch (fault) {
    throw callError(account, fault);
  } finally {
    await talk.connection.close();
  }
}

/** A line to the provider, on which we are known. What is to happen at the beginning of every call happens here. */
export function begin(account: Account, caller: Caller): Promise<Talk> {
  return logIn(account, { ...caller, connect: (tls) => caller.dial(account, tls) });
}

/** A call that fetches nothing: what is to come in has nowhere to go now. @throws CallError */
export async function sendOnly(account: Account, caller: Caller): Promise<void> {
  const talk = await begin(account, caller);
  try {
    await caller.sender?.byLine(talk);
    await talk.close();
  } catch (fault) {
    throw callError(account, fault);
  } finally {
    await talk.connection.close();
  }
}

export interface Asking {
  readonly account: Account;
  readonly ask: readonly string[];
  readonly caller: Caller;
  /** We would stay on the line afterwards. */
  readonly stay?: boolean;
}

/** What a round brought, and the talk that goes on: none if the provider has said goodbye. */
export interface Round {
  readonly taken: Taken;
  readonly talk: Talk | undefined;
}

/** ATRN once, and what follows from it. @throws CallError, ConnectionError or LineError */
export async function round(talk: Talk, asking: Asking): Promise<Round> {
  // After ATRN we are no client any more: what leaves goes first.
  await asking.caller.sender?.byLine(talk);
  asking.caller.stage?.("asking");
  const answer = await talk.ask({ verb: "ATRN", domains: asking.ask });
  asking.caller.stage?.("answered");
  if (talk.turned) {
    const { connection } = talk;
    const { again, ...taken } = await takeIn(houseOf(asking, answer), connection);
    return { taken, talk: again ? await resume(asking.account, connection) : undefined };
  }
  if (answer.code === 453) return { taken: nothing, talk };
  await talk.close();
  throw refusal(answer, asking);
}

export const nothing: Taken = { messages: 0, octets: 0 };

/** What the codes to ATRN mean beside 250 and 453 (RFC 2645 §5.2.1, and what real providers make of them). */
const atrnFaults: Readonly<Record<number, readonly [CallFault, string]>> = {
  450: ["refused", "gives us no mail (a domain is not this account's there, or we ask too often)"],
  451: ["later", "cannot say now whether there is mail"],
  502: ["unreachable", "is no ODMR provider: it does not know ATRN"],
  503: ["protocol", "says that ATRN came at the wrong time"],
  530: ["refused", "wants authentication"],
  535: ["refused", "refuses the authentication"],
};

function refusal(answer: Reply, { account, ask }: Asking): CallError {
  const [fault, text] =
    atrnFaults[answer.code] ??
    (isTransient(answer) ? ["later", "gives us no mail now"] : ["refused", "gives us no mail"]);
  const asked = ["ATRN", ...(ask.length > 0 ? [ask.join(",")] : [])].join(" ");
  return new CallError(
    fault as CallFault,
    `${where(account)} ${text}; to ${asked} it said ${replyLine(answer)}`,
  );
}

function houseOf({ account, ask, caller, stay }: Asking, turning: Reply): House {
  const domains = ask.length > 0 ? ask : account.domains;
  // Our own provider says how much waits; the text of a reply is for people, so this is no more than a hint.
  const hint = /\b(\d{1,9}) messages?\b/.exec(turning.text.join(" "))?.[1];
  const expected = hint === undefined ? undefined : Number(hint);
  const { spool, clock, log, progress, leaving } = caller;
  return {
    ...{ spool, clock, log, domains },
    hostname: account.hostname,
    account: account.name,
    messageSize: account.messageSize,
    largest: account.largest?.(clock.now()),
    doubles: account.doubles,
    again: stay === true,
    ...(leaving && { stopping: leaving }),
    ...(progress && { progress: (taken) => progress(taken, expected) }),
  };
}
