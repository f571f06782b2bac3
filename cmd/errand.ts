/** One account's errand: what waits here goes to its targets, the provider is called, and what it brought goes on too. */
// What came is safe before the provider hears 250; what a target cannot take now is tried again later.

import { targetsOf } from "../src/config/config.ts";
import { formatSize } from "../src/config/units.ts";
import type { Delivery } from "../src/delivery/delivery.ts";
import { sorted } from "../src/delivery/sorted.ts";
import type { ClientTls, Connection } from "../src/net/connection.ts";
import { dial } from "../src/net/dial.ts";
import { systemClock } from "../src/platform/clock.ts";
import { pbkdf2Sha256 } from "../src/platform/hash.ts";
import type { Log } from "../src/platform/log.ts";
import { systemRandom } from "../src/platform/random.ts";
import { type Caller, sendOnly } from "../src/relay/call.ts";
import { CallError, type CallFault, type Taken } from "../src/relay/callerror.ts";
import { runNotedErrand } from "../src/relay/errand.ts";
import { homeBook } from "../src/relay/homeoffice.ts";
import type { Login } from "../src/relay/login.ts";
import { canTell, sendNotices } from "../src/relay/notices.ts";
import { Sender, type Sending } from "../src/relay/outgoing.ts";
import { type Carried, Porter } from "../src/relay/porter.ts";
import { abroad } from "../src/relay/redirected.ts";
import type { Book } from "../src/relay/relay.ts";
import type { RecordingSpool } from "../src/spool/records.ts";
import { type Held, HISTORY } from "../src/spool/spool.ts";
import type { Plan } from "./account.ts";
import { describe, type Status, status, statusOf } from "./exit.ts";
import { runHook } from "./hook.ts";
import { progressOf, waitingFor } from "./progress.ts";
import { rulesOf, type TargetTools, targetProblem } from "./targets.ts";

/** What became of one account's errand; `--json` prints it as it is. */
export interface Report {
  readonly account: string;
  readonly result: "mail" | "no mail" | "failed";
  readonly messages: number;
  readonly octets: number;
  /** Recipients of outgoing mail that went. */
  readonly sent: number;
  readonly delivered: number;
  readonly deferred: number;
  readonly refused: number;
  readonly status: Status;
  readonly error?: string;
}

/** What the errands of one account have in common. */
export interface Desk {
  readonly plan: Plan;
  readonly spool: RecordingSpool;
  readonly log: Log;
  /** The house, as notices need it. */
  readonly book: Book;
  readonly porter: Porter;
  /** Undefined: no mail leaves by this account. */
  readonly sender?: Sender;
  /** Aborted when we must leave whatever line we are on. */
  readonly leaving?: AbortSignal;
}

/** What a call came to: its report, and why it failed if it did. */
export interface Done {
  readonly report: Report;
  readonly fault?: CallFault | undefined;
}

/** Recipients, by what became of them: at home, and out. */
export interface Carriage {
  readonly home: Carried;
  readonly out: Carried;
}

const NOBODY: Carried = { delivered: 0, deferred: 0, refused: 0 };

export const carriedBy = ({ porter, sender }: Desk): Carriage => ({
  home: porter.carried,
  out: sender?.sent ?? NOBODY,
});

const NOTHING: Taken = { messages: 0, octets: 0 };

export function deskOf(plan: Plan, spool: RecordingSpool, log: Log, leaving?: AbortSignal): Desk {
  const { account, deliver, timezone, home } = plan;
  const { hostname, name } = account;
  const book = homeBook(home);
  const tools = { account: name, spool, log, clock: systemClock, random: systemRandom };
  const tells = (held: Held): boolean => canTell(held.envelope.from, name, book);
  const open = (): Delivery =>
    sorted(rulesOf(deliver, timezone, targetTools(plan)), abroad({ ...tools, home, hostname }));
  const porter = new Porter({ ...tools, open, tells });
  const sender = home.outgoing?.via === name ? senderOf(plan, { ...tools, tells }) : undefined;
  return { plan, spool, log, book, porter, ...(sender && { sender }), ...(leaving && { leaving }) };
}

function senderOf({ smarthost, warnAfter }: Plan, sending: Omit<Sending, "lateAfter">): Sender {
  const connect = smarthost && ((tls: ClientTls | undefined) => dialHost(smarthost, tls));
  return new Sender({
    ...sending,
    lateAfter: warnAfter,
    ...(smarthost && connect && { smarthost: { login: smarthost, connect, pbkdf2: pbkdf2Sha256 } }),
  });
}

/** Are the targets there, what waits since the last time, the call, and what it brought. */
export async function runPlan(desk: Desk): Promise<Done> {
  const { plan, porter, spool } = desk;
  const problem = await targetsProblem(plan);
  if (problem !== undefined) return await blocked(desk, problem);
  const before = carriedBy(desk);
  await porter.carry();
  const progress = progressOf(plan.account.name);
  const waiting = waitingFor(plan.account, { stderr: process.stderr, clock: systemClock });
  try {
    const caller = { ...callerOf(desk), progress: progress.update, stage: waiting.stage };
    const taken = await runNotedErrand(plan.account, plan.ask, { ...caller, records: spool.records });
    waiting.end();
    progress.end();
    return await finished(desk, { taken, before });
  } catch (error) {
    waiting.end();
    progress.end();
    const taken = (error instanceof CallError ? error.taken : undefined) ?? NOTHING;
    return await finished(desk, { taken, before, error });
  }
}

/** How calls are made. */
export function callerOf({ spool, log, sender, leaving }: Desk): Caller {
  return {
    dial: dialHost,
    spool,
    clock: systemClock,
    random: systemRandom,
    log,
    pbkdf2: pbkdf2Sha256,
    ...(sender && { sender }),
    ...(leaving && { leaving }),
  };
}

const dialHost = (
  { host, port, patience = DIAL_WITHIN }: Pick<Login, "host" | "port" | "patience">,
  tls?: ClientTls,
): Promise<Connection> =>
  dial({ host, port, clock: systemClock, within: Math.min(patience, DIAL_WITHIN), ...(tls && { tls }) });

/** For a name, an address and a handshake together. */
const DIAL_WITHIN = 60_000;

interface Ended {
  readonly taken: Taken;
  /** What had been carried when the call began. */
  readonly before: Carriage;
  readonly error?: unknown;
}

/** Carries what came, says what it all came to, and runs the account's hook. */
export async function finished(desk: Desk, { taken, before, error }: Ended): Promise<Done> {
  await desk.porter.carry();
  await desk.sender?.bySmarthost();
  await keepHouse(desk);
  const { home, out } = carriedBy(desk);
  const tally = {
    sent: out.delivered - before.out.delivered,
    delivered: home.delivered - before.home.delivered,
    deferred: home.deferred + out.deferred - before.home.deferred - before.out.deferred,
    refused: home.refused + out.refused - before.home.refused - before.out.refused,
  };
  const came = { account: desk.plan.account.name, ...taken, ...tally };
  const waits = tally.deferred + tally.refused > 0;
  if (error === undefined)
    return await told(desk, {
      ...came,
      result: taken.messages > 0 ? "mail" : "no mail",
      status: waits ? status.tempFail : status.ok,
    });
  const report: Report = {
    ...came,
    result: "failed",
    status: statusOf(error),
    error: describe(error, false),
  };
  return await told(desk, report, error instanceof CallError ? error.fault : "later");
}

/** What outlived its time goes back, and senders are told; letters to the house itself go on at once. */
async function keepHouse({ plan, spool, log, book, porter }: Desk): Promise<void> {
  for (const id of await spool.expire(systemClock.now())) log.log("warn", "expired", { id });
  await spool.prune(systemClock.now() - HISTORY);
  const { hostname } = plan.account;
  await sendNotices({ hostname, spool, log, book, clock: systemClock, random: systemRandom });
  await porter.carry();
}

/** A target is not there: nothing is fetched for it, and what leaves the house leaves. */
async function blocked(desk: Desk, problem: string): Promise<Done> {
  const { plan, spool, sender } = desk;
  const lane = { direction: "outgoing", customer: plan.account.name } as const;
  if (sender === undefined || (await spool.soonest({ lane })) === undefined)
    return await failed(desk, `no call was made: ${problem}`);
  const before = sender.sent.delivered;
  const fault = await sendOnly(plan.account, callerOf(desk)).catch((error: unknown) =>
    describe(error, false),
  );
  await sender.bySmarthost();
  const sent = sender.sent.delivered - before;
  return await failed(
    desk,
    `nothing was fetched: ${problem}${fault === undefined ? "" : `; ${fault}`}`,
    sent,
  );
}

function failed(desk: Desk, error: string, sent = 0): Promise<Done> {
  const none = { ...NOTHING, sent, delivered: 0, deferred: 0, refused: 0 };
  const report: Report = {
    ...{ account: desk.plan.account.name, ...none },
    ...{ result: "failed", status: status.tempFail, error },
  };
  return told(desk, report, "later");
}

async function told({ plan, log }: Desk, report: Report, fault?: CallFault): Promise<Done> {
  if (plan.after !== undefined) await runHook(plan.after, report, log);
  return { report, fault };
}

async function targetsProblem(plan: Plan): Promise<string | undefined> {
  for (const target of plan.deliver.flatMap(targetsOf)) {
    const problem = await targetProblem(target, targetTools(plan));
    if (problem !== undefined) return problem;
  }
  return undefined;
}

const targetTools = ({ account }: Plan): TargetTools => ({
  hostname: account.hostname,
  clock: systemClock,
  random: systemRandom,
});

/** A report as one line for people. */
export function sentence(report: Report): string {
  const { account, error, messages, octets, sent, delivered, deferred, refused } = report;
  const came =
    messages === 0
      ? "no mail"
      : `${messages} ${messages === 1 ? "message" : "messages"} (${formatSize(octets)})`;
  const parts = [
    ...(sent > 0 ? [`${sent} sent`] : []),
    ...(error === undefined || messages > 0 ? [came] : []),
    ...(delivered > 0 ? [`${delivered} delivered`] : []),
    ...(deferred > 0 ? [`${deferred} to be tried again`] : []),
    ...(refused > 0 ? [`${refused} refused by the target and held`] : []),
    ...(error === undefined ? [] : [error.replace(/^odmr: /, "")]),
  ];
  return `${account}: ${parts.join(", ")}`;
}
