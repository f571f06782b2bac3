/** A call to the provider: dial, TLS, AUTH, ATRN; then the line turns and the house takes its mail in (RFC 2645). */
// It fails closed: without the TLS and the identity that the account asks for, no secret leaves and no mail moves.

import { type ClientTls, type Connection, ConnectionError } from "../net/connection.ts";
import { LineError, Talk } from "../net/talk.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { Random } from "../platform/random.ts";
import { clientAuth, SaslError } from "../smtp/sasl/client.ts";
import type { Pbkdf2 } from "../smtp/sasl/verifier.ts";
import type { Spool } from "../spool/spool.ts";
import { isPositive, isTransient, type Reply, replyLine } from "../wire/reply.ts";
import { CallError, type CallFault, type Taken } from "./callerror.ts";
import { type House, takeIn } from "./house.ts";
import { prepared } from "./password.ts";

export interface Account {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly tls: "starttls" | "implicit" | "none";
  /** PEM of the CA, and the pinned fingerprint; at most one of them. */
  readonly ca?: string | Uint8Array;
  readonly pin?: string;
  readonly user: string;
  readonly password?: string;
  readonly certificate?: { readonly certificate: string | Uint8Array; readonly key: string | Uint8Array };
  /** Our name in EHLO and in the greeting after the turn. */
  readonly hostname: string;
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

/** Milliseconds for a handshake. */
const HANDSHAKE = 60_000;

/**
 * One call: asks for the mail of `ask` (none: all) and takes it in.
 * @returns what was taken; nothing at all if the provider had no mail. @throws CallError
 */
export async function call(account: Account, ask: readonly string[], caller: Caller): Promise<Taken> {
  const greeted = await meet(account, caller);
  let connection: Connection | undefined = greeted.connection;
  try {
    const talk = await secure(account, greeted);
    connection = talk.connection;
    await authenticate(account, talk, caller);
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

/** Dials and waits for the greeting. */
async function meet(account: Account, caller: Caller): Promise<Talk> {
  try {
    const talk = new Talk(
      await caller.dial(account, account.tls === "implicit" ? clientTls(account) : undefined),
    );
    const greeting = await talk.greeting().catch((fault: unknown) => giveUp(talk, fault));
    if (isPositive(greeting)) return talk;
    await talk.close();
    throw new CallError("later", `${where(account)} does not take calls now: ${replyLine(greeting)}`);
  } catch (fault) {
    throw callError(account, fault);
  }
}

function giveUp(talk: Talk, fault: unknown): never {
  talk.connection.destroy();
  throw fault;
}

/** EHLO, and STARTTLS where the account asks for it; without it the call ends here (RFC 3207 §4.1, §6). */
async function secure(account: Account, talk: Talk): Promise<Talk> {
  await hello(account, talk);
  if (account.tls !== "starttls") return talk;
  if (!talk.capabilities.has("STARTTLS"))
    throw new CallError(
      "protocol",
      `${where(account)} offers no STARTTLS; if that is right, write tls: implicit (or none, for tests)`,
    );
  const answer = await talk.ask({ verb: "STARTTLS" });
  if (!talk.turned)
    throw new CallError("protocol", `${where(account)} refuses STARTTLS: ${replyLine(answer)}`);
  const renewed = new Talk(
    await talk.connection.startTls({ as: "client", tls: clientTls(account) }, HANDSHAKE),
    "SMTP",
    "renewed",
  );
  await hello(account, renewed);
  return renewed;
}

async function hello(account: Account, talk: Talk): Promise<void> {
  const answer = await talk.ask({ verb: "EHLO", name: account.hostname });
  if (!isPositive(answer))
    throw new CallError(isTransient(answer) ? "later" : "protocol", `EHLO was answered ${replyLine(answer)}`);
}

function clientTls({ host, ca, pin, certificate }: Account): ClientTls {
  return {
    servername: host,
    ...(ca !== undefined && { ca }),
    ...(pin !== undefined && { pin }),
    ...certificate,
  };
}

/** By the strongest mechanism that both have. */
async function authenticate(account: Account, talk: Talk, { random, pbkdf2 }: Caller): Promise<void> {
  const { tls } = talk.connection;
  const auth = clientAuth(talk.capabilities.mechanisms, {
    user: account.user,
    secure: tls !== undefined,
    nonce: random.bytes(18),
    ...(pbkdf2 && { pbkdf2 }),
    ...(account.password !== undefined && { password: prepared(account.password) }),
    ...(account.certificate !== undefined && { certificate: true }),
    ...(tls?.exporter && { exporter: tls.exporter }),
  });
  if (auth === undefined) {
    const offered = talk.capabilities.mechanisms.join(" ") || "nothing";
    throw new CallError(
      "refused",
      `no way to authenticate at ${where(account)}: it offers ${offered}, and none of it fits the account`,
    );
  }
  let broke: unknown;
  const answer = await talk.authenticate(
    { verb: "AUTH", mechanism: auth.mechanism, initial: auth.initial },
    (challenge) => {
      try {
        return auth.step(challenge);
      } catch (fault) {
        broke = fault;
        return undefined;
      }
    },
  );
  if (broke !== undefined) throw broke;
  if (!isPositive(answer))
    throw new CallError(
      isTransient(answer) ? "later" : "refused",
      `${where(account)} refuses the login ${account.user}: ${replyLine(answer)}`,
    );
  auth.succeeded();
}

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

const where = ({ host, port }: Account): string => `${host}:${port}`;

const connectionFaults = {
  timeout: "unreachable",
  reset: "later",
  refused: "unreachable",
  unreachable: "unreachable",
  name: "unreachable",
  tls: "refused",
  injection: "protocol",
  closed: "later",
} as const;

const lineFaults = {
  closed: "later",
  timeout: "later",
  protocol: "protocol",
  injection: "protocol",
} as const;

function callError(account: Account, fault: unknown): unknown {
  const say = (of: CallFault, message: string) =>
    new CallError(of, `${where(account)}: ${message}`, { cause: fault });
  if (fault instanceof ConnectionError) return say(connectionFaults[fault.fault], fault.message);
  if (fault instanceof LineError) return say(lineFaults[fault.fault], fault.message);
  if (fault instanceof SaslError) return say("refused", fault.message);
  return fault;
}
