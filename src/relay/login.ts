/** Getting onto somebody's line: dial, greeting, EHLO, TLS, AUTH; at the provider for a call, at a smarthost to send. */
// It fails closed: without the TLS and the identity that were asked for, no secret leaves and no mail moves.
import { type ClientTls, type Connection, ConnectionError } from "../net/connection.ts";
import { LineError, Talk } from "../net/talk.ts";
import type { Random } from "../platform/random.ts";
import { clientAuth, SaslError } from "../smtp/sasl/client.ts";
import type { Pbkdf2 } from "../smtp/sasl/verifier.ts";
import { isPositive, isTransient, replyLine } from "../wire/reply.ts";
import { CallError, type CallFault } from "./callerror.ts";
import { prepared } from "./password.ts";

/** Whom to call, and as whom. */
export interface Login {
  readonly host: string;
  readonly port: number;
  readonly tls: "starttls" | "implicit" | "none";
  /** PEM of the CA, and the pinned fingerprint; at most one of them. */
  readonly ca?: string | Uint8Array;
  readonly pin?: string;
  /** Undefined: there is nothing to prove, and AUTH is not said. */
  readonly user?: string;
  readonly password?: string;
  readonly certificate?: { readonly certificate: string | Uint8Array; readonly key: string | Uint8Array };
  /** Our name in EHLO. */
  readonly hostname: string;
  /** Milliseconds that the other end may take for each step up to the login; undefined: as long as is usual (RFC 5321 §4.5.3.2). */
  readonly patience?: number | undefined;
}

/** What is being waited for: a connection, its first words, its word on who we are, and on our mail; at last nothing. */
export type Stage = "dialling" | "greeting" | "login" | "asking" | "answered";

export interface LoginTools {
  readonly random: Random;
  /** Derives SCRAM's key natively; without it JavaScript does, ten times slower. */
  readonly pbkdf2?: Pbkdf2;
  /** A connection, under TLS already if `tls` is given. */
  connect(tls: ClientTls | undefined): Promise<Connection>;
  /** Told what is waited for from now on. */
  readonly stage?: ((stage: Stage) => void) | undefined;
}

/** Milliseconds for a handshake. */
const HANDSHAKE = 60_000;

/** A line on which we are known, or as known as the login asks for. @throws CallError */
export async function logIn(login: Login, tools: LoginTools): Promise<Talk> {
  let talk = await meet(login, tools);
  try {
    await hello(login, talk);
    if (login.tls === "starttls") {
      talk = await secured(login, talk);
      await hello(login, talk);
    }
    if (login.user !== undefined || login.certificate !== undefined) await authenticate(login, talk, tools);
    return talk;
  } catch (fault) {
    // A goodbye, where the other end is one to talk to.
    await (fault instanceof CallError ? talk.close() : talk.connection.close());
    throw callError(login, fault);
  }
}

/** The line has turned back to us, who are known on it already: the other end greets as at first. @throws CallError */
export async function resume(login: Login, connection: Connection): Promise<Talk> {
  const talk = new Talk(connection);
  const greeting = await talk.greeting();
  if (!isPositive(greeting))
    throw new CallError("later", `${where(login)} ends the line: ${replyLine(greeting)}`);
  await hello(login, talk);
  return talk;
}

export const where = ({ host, port }: Pick<Login, "host" | "port">): string => `${host}:${port}`;

/** Dials and waits for the greeting. */
async function meet(login: Login, { connect, stage }: LoginTools): Promise<Talk> {
  try {
    stage?.("dialling");
    const talk = new Talk(await connect(login.tls === "implicit" ? clientTls(login) : undefined));
    stage?.("greeting");
    const greeting = await talk.greeting(login.patience).catch((fault: unknown) => giveUp(talk, fault));
    stage?.("login");
    if (isPositive(greeting)) return talk;
    await talk.close();
    throw new CallError("later", `${where(login)} does not take calls now: ${replyLine(greeting)}`);
  } catch (fault) {
    throw callError(login, fault);
  }
}

function giveUp(talk: Talk, fault: unknown): never {
  talk.connection.destroy();
  throw fault;
}

/** The line under TLS; without it the call ends here (RFC 3207 §4.1, §6). What was said before counts no more. */
async function secured(login: Login, talk: Talk): Promise<Talk> {
  if (!talk.capabilities.has("STARTTLS"))
    throw new CallError(
      "protocol",
      `${where(login)} offers no STARTTLS; if that is right, write tls: implicit (or none, for tests)`,
    );
  const answer = await talk.ask({ verb: "STARTTLS" }, login.patience);
  if (!talk.turned) throw new CallError("protocol", `${where(login)} refuses STARTTLS: ${replyLine(answer)}`);
  const tls = { as: "client", tls: clientTls(login) } as const;
  return new Talk(await talk.connection.startTls(tls, login.patience ?? HANDSHAKE), "SMTP", "renewed");
}

async function hello(login: Login, talk: Talk): Promise<void> {
  const answer = await talk.ask({ verb: "EHLO", name: login.hostname }, login.patience);
  if (!isPositive(answer))
    throw new CallError(isTransient(answer) ? "later" : "protocol", `EHLO was answered ${replyLine(answer)}`);
}

function clientTls({ host, ca, pin, certificate }: Login): ClientTls {
  return {
    servername: host,
    ...(ca !== undefined && { ca }),
    ...(pin !== undefined && { pin }),
    ...certificate,
  };
}

/** By the strongest mechanism that both have. */
async function authenticate(login: Login, talk: Talk, { random, pbkdf2 }: LoginTools): Promise<void> {
  const { tls } = talk.connection;
  const auth = clientAuth(talk.capabilities.mechanisms, {
    user: login.user ?? "",
    secure: tls !== undefined,
    nonce: random.bytes(18),
    ...(pbkdf2 && { pbkdf2 }),
    ...(login.password !== undefined && { password: prepared(login.password) }),
    ...(login.certificate !== undefined && { certificate: true }),
    ...(tls?.exporter && { exporter: tls.exporter }),
  });
  if (auth === undefined) {
    const offered = talk.capabilities.mechanisms.join(" ") || "nothing";
    throw new CallError(
      "refused",
      offered === "nothing"
        ? `${where(login)} offers no login; is it the right port? On-Demand Mail Relay has 366, submission 587`
        : `no way to authenticate at ${where(login)}: it offers ${offered}, and none of it fits what we have (a password? a certificate?)`,
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
      `${where(login)} refuses the login ${login.user ?? ""}: ${replyLine(answer)}`,
    );
  auth.succeeded();
}

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

/** A failure of the line as a failure of the call; what is no such thing stays as it is. */
export function callError(login: Pick<Login, "host" | "port">, fault: unknown): unknown {
  const place = where(login);
  const say = (of: CallFault, message: string) =>
    new CallError(of, message.startsWith(place) ? message : `${place}: ${message}`, { cause: fault });
  if (fault instanceof ConnectionError) return say(connectionFaults[fault.fault], fault.message);
  if (fault instanceof LineError) return say(lineFaults[fault.fault], fault.message);
  if (fault instanceof SaslError) return say("refused", fault.message);
  return fault;
}
