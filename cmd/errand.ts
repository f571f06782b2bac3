/** One account's errand: what waits here goes to its targets, the provider is called, and what it brought goes on too. */
// What came is safe before the provider hears 250; what a target cannot take now is tried again later.
import { formatSize } from "../src/config/units.ts";
import { sorted } from "../src/delivery/sorted.ts";
import { dial } from "../src/net/dial.ts";
import { systemClock } from "../src/platform/clock.ts";
import { pbkdf2Sha256 } from "../src/platform/hash.ts";
import type { Log } from "../src/platform/log.ts";
import { systemRandom } from "../src/platform/random.ts";
import type { Caller } from "../src/relay/call.ts";
import { CallError, type CallFault, type Taken } from "../src/relay/callerror.ts";
import { runNotedErrand } from "../src/relay/errand.ts";
import { type Carried, Porter } from "../src/relay/porter.ts";
import type { RecordingSpool } from "../src/spool/records.ts";
import type { Plan } from "./account.ts";
import { describe, type Status, status, statusOf } from "./exit.ts";
import { runHook } from "./hook.ts";
import { progressOf } from "./progress.ts";
import { deliveryTo, type TargetTools, targetProblem } from "./targets.ts";

/** What became of one account's errand; `--json` prints it as it is. */
export interface Report {
  readonly account: string;
  readonly result: "mail" | "no mail" | "failed";
  readonly messages: number;
  readonly octets: number;
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
  readonly porter: Porter;
  /** Aborted when we must leave whatever line we are on. */
  readonly leaving?: AbortSignal;
}

/** What a call came to: its report, and why it failed if it did. */
export interface Done {
  readonly report: Report;
  readonly fault?: CallFault | undefined;
}

const NOTHING: Taken = { messages: 0, octets: 0 };

export function deskOf(plan: Plan, spool: RecordingSpool, log: Log, leaving?: AbortSignal): Desk {
  const { account, deliver } = plan;
  const open = () =>
    sorted(deliver.map(({ match, to }) => ({ match, delivery: deliveryTo(to, targetTools(plan)) })));
  const clocks = { clock: systemClock, random: systemRandom };
  const porter = new Porter({ account: account.name, open, spool, log, ...clocks });
  return { plan, spool, log, porter, ...(leaving && { leaving }) };
}

/** Are the targets there, what waits since the last time, the call, and what it brought. */
export async function runPlan(desk: Desk): Promise<Done> {
  const { plan, porter, spool } = desk;
  const problem = await targetsProblem(plan);
  if (problem !== undefined) return await failed(desk, `no call was made: ${problem}`);
  const before = porter.carried;
  await porter.carry();
  const progress = progressOf(plan.account.name);
  try {
    const caller = { ...callerOf(desk), progress: progress.update };
    const taken = await runNotedErrand(plan.account, plan.ask, { ...caller, records: spool.records });
    progress.end();
    return await finished(desk, { taken, before });
  } catch (error) {
    progress.end();
    const taken = (error instanceof CallError ? error.taken : undefined) ?? NOTHING;
    return await finished(desk, { taken, before, error });
  }
}

/** How calls are made. */
export function callerOf({ spool, log, leaving }: Desk): Caller {
  return {
    dial: ({ host, port }, tls) =>
      dial({ host, port, clock: systemClock, within: DIAL_WITHIN, ...(tls && { tls }) }),
    spool,
    clock: systemClock,
    random: systemRandom,
    log,
    pbkdf2: pbkdf2Sha256,
    ...(leaving && { leaving }),
  };
}

/** For a name, an address and a handshake together. */
const DIAL_WITHIN = 60_000;

interface Ended {
  readonly taken: Taken;
  /** What the porter had carried when the call began. */
  readonly before: Carried;
  readonly error?: unknown;
}

/** Carries what came, says what it all came to, and runs the account's hook. */
export async function finished(desk: Desk, { taken, before, error }: Ended): Promise<Done> {
  await desk.porter.carry();
  const { carried } = desk.porter;
  const tally = {
    delivered: carried.delivered - before.delivered,
    deferred: carried.deferred - before.deferred,
    refused: carried.refused - before.refused,
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

function failed(desk: Desk, error: string): Promise<Done> {
  const none = { ...NOTHING, delivered: 0, deferred: 0, refused: 0 };
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
  for (const { to } of plan.deliver) {
    const problem = await targetProblem(to, targetTools(plan));
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
export function sentence({ account, error, messages, octets, delivered, deferred, refused }: Report): string {
  const came =
    messages === 0
      ? "no mail"
      : `${messages} ${messages === 1 ? "message" : "messages"} (${formatSize(octets)})`;
  const parts = [
    ...(error === undefined || messages > 0 ? [came] : []),
    ...(delivered > 0 ? [`${delivered} delivered`] : []),
    ...(deferred > 0 ? [`${deferred} to be tried again`] : []),
    ...(refused > 0 ? [`${refused} refused by the target and held`] : []),
    ...(error === undefined ? [] : [error.replace(/^odmr: /, "")]),
  ];
  return `${account}: ${parts.join(", ")}`;
}
