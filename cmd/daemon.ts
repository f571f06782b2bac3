/** `odmr pull --daemon` and `--follow`: all accounts by their schedules or on the line, until told to end. */
// SIGHUP reads the configuration anew: accounts that did not change go on as they are. SIGTERM ends it within ten seconds.

import type { Outgoing } from "../src/config/config.ts";
import { ConnectionError } from "../src/net/connection.ts";
import { askControl, openControl } from "../src/net/control.ts";
import type { Listener } from "../src/net/listen.ts";
import { pause, systemClock } from "../src/platform/clock.ts";
import type { Log } from "../src/platform/log.ts";
import { systemRandom } from "../src/platform/random.ts";
import { Arrivals } from "../src/relay/arrivals.ts";
import { CallError } from "../src/relay/callerror.ts";
import { lists } from "../src/relay/errand.ts";
import { follow } from "../src/relay/follow.ts";
import { where } from "../src/relay/login.ts";
import { type Charge, type Left, type Line, Watch } from "../src/relay/rota.ts";
import { scheduleOf } from "../src/relay/schedule.ts";
import type { RecordingSpool } from "../src/spool/records.ts";
import type { Lane } from "../src/spool/spool.ts";
import { version } from "../src/version.ts";
import type { Plan } from "./account.ts";
import { callerOf, carriedBy, type Desk, deskOf, finished, type Report, runPlan } from "./errand.ts";
import { Exit, status } from "./exit.ts";
import { HomeDoor } from "./homedoor.ts";
import { notify } from "./systemd.ts";

export interface DaemonOptions {
  readonly plans: readonly Plan[];
  /** Plans and outgoing as the configuration has them now. */
  readonly reload: () => Promise<Pick<DaemonOptions, "plans" | "outgoing">>;
  readonly spool: RecordingSpool;
  /** Where the control socket lies. */
  readonly control: string;
  readonly log: Log;
  /** Where mail from this house comes in; undefined: nowhere. */
  readonly outgoing?: Outgoing | undefined;
  /** Told of each call, and of each round on the line that brought something. */
  readonly told: (report: Report) => void;
}

/** What is being written may be finished; then the process ends whatever hangs. */
const GRACE = 9_000;

/** Resolves when it has been told to end, and has. */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { spool, log } = options;
  const arrivals = new Arrivals();
  const unheard = spool.onChange((lane) => arrivals.came(lane));
  const house = new Household(options, arrivals);
  let control: Listener | undefined;
  try {
    control = await openControl({
      path: options.control,
      clock: systemClock,
      answer: (question) => house.answer(question),
      onError: (error) => log.log("warn", "control failed", { why: textOf(error) }),
    });
    const toldToEnd = untilToldToEnd(
      () => house.reload(),
      () => house.callAll(),
    );
    const accounts = options.plans.map(({ account }) => account.name);
    log.log("info", "started", { version, accounts });
    house.renew(options.plans);
    await house.door.renew(options);
    await notify("READY=1");
    await toldToEnd;
    log.log("info", "ending");
    await notify("STOPPING=1");
    await Promise.race([Promise.all([house.door.close(), house.end()]), pause(systemClock, GRACE)]);
  } finally {
    unheard();
    await control?.close();
  }
}

/** Asks the daemon that runs on this spool for calls now. @throws Exit if there is none */
export async function* askDaemon(control: string, accounts: readonly string[]): AsyncGenerator<Report> {
  try {
    for await (const answer of askControl(control, systemClock, { pull: accounts })) yield reportOf(answer);
  } catch (fault) {
    if (!(fault instanceof ConnectionError)) throw fault;
    if (fault.fault === "closed") throw new Exit(status.tempFail, fault.message, { cause: fault });
    const why = `no odmr pull --daemon runs on this spool (${control}); start it, or call without --now`;
    throw new Exit(status.unavailable, why, { cause: fault });
  }
}

function reportOf(answer: unknown): Report {
  if (typeof answer === "object" && answer !== null && "account" in answer) return answer as Report;
  const { error } = answer as { readonly error?: string };
  throw new Exit(status.usage, error ?? "the daemon gave no report");
}

/** An account that is being looked after: its calls, and the porter who carries its mail. */
interface Tended {
  readonly plan: Plan;
  readonly watch: Watch<Report>;
  readonly end: () => Promise<void>;
}

class Household {
  readonly door: HomeDoor;
  readonly #options: DaemonOptions;
  readonly #arrivals: Arrivals;
  readonly #leaving = new AbortController();
  #tended = new Map<string, Tended>();
  readonly #leavers = new Set<Promise<void>>();

  constructor(options: DaemonOptions, arrivals: Arrivals) {
    this.#options = options;
    this.#arrivals = arrivals;
    this.door = new HomeDoor(options, arrivals);
  }

  /** Accounts that are new or changed begin, those that are gone or changed end with their call. */
  renew(plans: readonly Plan[]): void {
    const before = this.#tended;
    this.#tended = new Map(
      plans.map((plan) => {
        const { name } = plan.account;
        const same = before.get(name);
        return [name, same?.plan.stamp === plan.stamp ? same : this.#tend(plan)];
      }),
    );
    for (const tended of before.values())
      if (!this.#has(tended)) {
        const left = tended.end().finally(() => this.#leavers.delete(left));
        this.#leavers.add(left);
      }
  }

  async reload(): Promise<void> {
    const { log, reload } = this.#options;
    await notify("RELOADING=1");
    try {
      const now = await reload();
      await this.door.renew(now);
      this.renew(now.plans);
      log.log("info", "reloaded");
    } catch (fault) {
      log.log("error", "not reloaded", { why: textOf(fault) });
    }
    await notify("READY=1");
  }

  callAll(): void {
    for (const { watch } of this.#tended.values()) void watch.ask();
  }

  /** `{ pull: [account, …] }`, none: all. One report each, as they come. */
  async *answer(question: unknown): AsyncGenerator<Report> {
    const names = namesIn(question);
    const chosen = names.length > 0 ? names.map((name) => this.#named(name)) : [...this.#tended.values()];
    const asked = chosen.map(({ watch }) => watch.ask());
    for (const each of asked) {
      const report = await each;
      if (report === undefined) throw new Error("the daemon is ending");
      yield report;
    }
  }

  async end(): Promise<void> {
    this.#leaving.abort();
    this.renew([]);
    await Promise.all(this.#leavers);
  }

  #has(tended: Tended): boolean {
    return this.#tended.get(tended.plan.account.name) === tended;
  }

  #named(name: string): Tended {
    const known = [...this.#tended.keys()].join(", ");
    return this.#tended.get(name) ?? fail(`the daemon has no account ${name}; it has ${known}`);
  }

  #tend(plan: Plan): Tended {
    const { spool, log, told } = this.#options;
    const desk = deskOf(plan, spool, log, this.#leaving.signal);
    const stop = new AbortController();
    const carrying = desk.porter.work(this.#arrivals, stop.signal);
    const watch = new Watch(chargeOf(desk, told), { clock: systemClock, random: systemRandom });
    if (desk.sender !== undefined) stop.signal.addEventListener("abort", callForOutgoing(watch, desk));
    const end = async (): Promise<void> => {
      await watch.end();
      stop.abort();
      await carrying;
    };
    return { plan, watch, end };
  }
}

/** Mail that comes to be sent is not kept until the next hour of the schedule. @returns ends it */
function callForOutgoing(watch: Watch<Report>, { plan, spool }: Desk): () => void {
  const lane: Lane = { direction: "outgoing", customer: plan.account.name };
  let before = spool.usage(lane).count;
  return spool.onChange((changed) => {
    if (changed !== undefined && changed.direction !== "outgoing") return;
    const { count } = spool.usage(lane);
    if (count > before) void watch.ask();
    before = count;
  });
}

function chargeOf(desk: Desk, told: (report: Report) => void): Charge<Report> {
  const { account, timing } = desk.plan;
  const charge = {
    name: account.name,
    schedule: scheduleOf(timing),
    call: async () => {
      const done = await runPlan(desk);
      told(done.report);
      return done;
    },
  };
  return timing.follow ? { ...charge, follow: (line) => stay(desk, line, told) } : charge;
}

async function stay(desk: Desk, line: Line<Report>, told: (report: Report) => void): Promise<Left> {
  const { account, ask } = desk.plan;
  let before = carriedBy(desk);
  let rounds: Promise<void> = Promise.resolve();
  let follows = false;
  try {
    const type = await follow(account, lists(ask), callerOf(desk), {
      stopping: line.stopping,
      asked: () => line.asked(),
      waiting: () => {
        if (!follows) desk.log.log("info", "following", { account: account.name, provider: where(account) });
        follows = true;
      },
      brought: (taken) => {
        rounds = rounds.then(async () => {
          const done = await finished(desk, { taken, before });
          before = carriedBy(desk);
          if (taken.messages > 0) told(done.report);
          line.round(done);
        });
      },
    });
    if (type === "cannot wait") desk.log.log("info", "cannot follow", { account: account.name });
    return { type };
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    if (line.stopping.aborted) return { type: "told to leave" };
    await rounds;
    const done = await finished(desk, { taken: error.taken ?? { messages: 0, octets: 0 }, before, error });
    told(done.report);
    return { type: "failed", fault: error.fault };
  } finally {
    await rounds;
  }
}

function namesIn(question: unknown): readonly string[] {
  const names = (question as { readonly pull?: unknown } | null)?.pull;
  if (Array.isArray(names) && names.every((name) => typeof name === "string")) return names;
  return fail("the question was not understood");
}

function fail(message: string): never {
  throw new Error(message);
}

const textOf = (fault: unknown): string => (fault instanceof Error ? fault.message : String(fault));

/** Resolves at SIGTERM or SIGINT. On Deno SIGUSR1 opens the debugger: it is left alone there. */
function untilToldToEnd(hangUp: () => Promise<void>, callAll: () => void): Promise<void> {
  return new Promise((resolve) => {
    process.on("SIGHUP", () => void hangUp());
    if (!("Deno" in globalThis)) process.on("SIGUSR1", callAll);
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
}
