/** `odmr pull`: the call. Mail that waits at the provider comes into our spool, and from there to its targets. */
// What came is safe before the provider hears 250; what a target cannot take now is tried again at the next call.
import { buildCommand } from "@stricli/core";
import type { Outgoing } from "../src/config/config.ts";
import { ConfigError } from "../src/config/error.ts";
import { loadConfig, readConfig } from "../src/config/load.ts";
import { parseFingerprint } from "../src/config/names.ts";
import { parseTarget, TargetError } from "../src/config/target.ts";
import { parseDuration, parseSize } from "../src/config/units.ts";
import { isAccountUri, parseAccountUri, UriError } from "../src/config/uri.ts";
import { systemClock } from "../src/platform/clock.ts";
import { systemFiles } from "../src/platform/files.ts";
import type { Log } from "../src/platform/log.ts";
import { systemRandom } from "../src/platform/random.ts";
import { openSpool } from "../src/spool/open.ts";
import { controlOf, type Plan, planOf, planOfUri, uriSpool } from "./account.ts";
import { deskOf, type Report, runPlan, sentence } from "./errand.ts";
import { UsageError } from "./exit.ts";
import { type CommonFlags, type Context, commonFlags, helpText, switchFlag, textFlag } from "./flags.ts";
import { logOf } from "./log.ts";
import { keepPrivate, workAs } from "./user.ts";

interface PullFlags extends CommonFlags {
  readonly to?: string;
  readonly passwordFile?: string;
  readonly ca?: string;
  readonly pin?: string;
  readonly spool?: string;
  readonly messageSize?: number;
  readonly timeout?: number;
  readonly json: boolean;
  readonly daemon: boolean;
  readonly follow: boolean;
  readonly now: boolean;
}

export const pullCommand = buildCommand<PullFlags, string[], Context>({
  async func(flags, ...names) {
    const log = logOf(flags, systemClock);
    const print = (report: Report): void => {
      this.process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : `${sentence(report)}\n`);
    };
    const tell = (report: Report): void => {
      print(report);
      this.process.exitCode ||= report.status;
    };
    const { daemon, follow, now } = flags;
    if (Number(daemon) + Number(follow) + Number(now) > 1) fail("one of --daemon, --follow and --now");
    if (now && flags.timeout !== undefined) fail("--timeout is not for --now: the daemon makes the call");
    const { plans, spoolPath, outgoing } = await plansOf(flags, names);
    keepPrivate();
    const control = controlOf(spoolPath);
    if (now) {
      const { askDaemon } = await import("./daemon.ts");
      const accounts = plans.map(({ account }) => account.name);
      for await (const report of askDaemon(control, accounts)) tell(report);
      return;
    }
    const spool = await openSpool({
      path: spoolPath,
      clock: systemClock,
      random: systemRandom,
      log,
      files: systemFiles,
      thread: "worker",
      actor: "pull",
    });
    try {
      if (daemon || follow) {
        const { runDaemon } = await import("./daemon.ts");
        const timed = (all: readonly Plan[]) => (follow ? all.map(following) : all);
        const reload = async () => {
          const { plans, outgoing } = await plansOf(flags, names);
          return { plans: timed(plans), outgoing };
        };
        const told = follow ? print : (report: Report) => logCall(report, log);
        await runDaemon({ plans: timed(plans), reload, spool, control, log, told, outgoing });
      } else for (const plan of plans) tell((await runPlan(deskOf(plan, spool, log))).report);
    } finally {
      await spool.close();
    }
    if (daemon || follow) process.exit(0);
  },
  parameters: {
    positional: {
      kind: "array",
      parameter: {
        parse: String,
        placeholder: "ACCOUNT",
        brief: "Accounts, or one odmr:// address; all accounts if none",
      },
    },
    flags: {
      ...commonFlags,
      to: textFlag("TARGET", "Where mail goes, with an odmr:// address (maildir:/path, lmtp://host:port, …)"),
      passwordFile: textFlag("FILE", "The password, on one line, with an odmr:// address"),
      ca: textFlag("FILE", "The CA of the provider's certificate, with an odmr:// address"),
      pin: textFlag("FINGERPRINT", "The provider's very certificate, sha256:…, with an odmr:// address"),
      spool: textFlag("FILE", "Another spool than the configuration's, or than the user's state folder"),
      messageSize: {
        kind: "parsed",
        parse: sizeOf,
        optional: true,
        placeholder: "SIZE",
        brief: "The largest message to take, with an odmr:// address (50MiB)",
      },
      timeout: {
        kind: "parsed",
        parse: durationOf,
        optional: true,
        placeholder: "DURATION",
        brief: "How long the provider may take for each step up to the login (dialling 1m, an answer 5m)",
      },
      json: switchFlag("One JSON object for each account"),
      daemon: switchFlag("Call by the accounts' schedules, until told to end"),
      follow: switchFlag("Stay on the line, and take mail the moment it arrives"),
      now: switchFlag("Have the running daemon call now, and wait for what comes of it"),
    },
  },
  docs: {
    brief: "Call the provider, fetch the mail that waits there, and deliver it here",
    customUsage: [
      "[--daemon | --follow | --now] [ACCOUNT...]",
      "odmr://USER@HOST[:PORT][/DOMAIN,...] --to TARGET --password-file FILE",
    ],
    fullDescription: helpText(
      "Dials each account's provider, checks that it is the right one (TLS), logs in, turns the line (ATRN, RFC 2645),\n" +
        "takes the mail into the spool and delivers it to the targets. A message comes once, however often a line breaks.\n\n" +
        "Exit status: 0 done, also without mail · 69 no provider there · 75 try again later, or a target could not take\n" +
        "something now (it waits in the spool) · 76 the provider broke the protocol · 77 refused: login, certificate or\n" +
        "domain · 78 configuration.\n\n" +
        "A daemon ends within ten seconds at SIGTERM, reads its configuration anew at SIGHUP, and calls at once at SIGUSR1.",
      {
        "odmr pull": "all accounts of the configuration",
        "odmr pull vps": "one of them",
        "odmr pull --json": "for scripts",
        "odmr pull --timeout 20s": "no long wait for a provider that says nothing",
        "odmr pull --daemon": "for systemd: by the schedules of the configuration (every, schedule, follow)",
        "odmr pull --now": "wake that daemon, with the same report and exit status as a call",
        "odmr pull --follow vps": "stay on the line of one account and print what comes",
        "odmr pull odmr://home@relay.example.net/example.org --to maildir:/var/mail/{local} --password-file home.secret":
          "without a configuration",
      },
    ),
  },
});

function following(plan: Plan): Plan {
  return { ...plan, timing: { ...plan.timing, follow: true } };
}

function logCall({ account, result, messages, error }: Report, log: Log): void {
  log.log(error === undefined ? "info" : "warn", "called", { account, result, messages, why: error });
}

function sizeOf(text: string): number {
  return parseSize(text) ?? fail(`"${text}" is no size; write 50MiB`);
}

function durationOf(text: string): number {
  const within = parseDuration(text) ?? 0;
  return within > 0 ? within : fail(`"${text}" is no time to wait; write 30s or 2m`);
}

function fail(message: string): never {
  throw new UsageError(message);
}

const MESSAGE_SIZE = 50 * 1_048_576;

interface Plans {
  readonly plans: readonly Plan[];
  readonly spoolPath: string;
  readonly outgoing?: Outgoing | undefined;
}

async function plansOf(flags: PullFlags, names: readonly string[]): Promise<Plans> {
  const { plans, ...rest } = await plansFor(flags, names);
  const { timeout: patience } = flags;
  return { ...rest, plans: plans.map((plan) => ({ ...plan, account: { ...plan.account, patience } })) };
}

async function plansFor(flags: PullFlags, names: readonly string[]): Promise<Plans> {
  const [only] = names;
  if (only !== undefined && isAccountUri(only)) return planFor(only, flags, names.length);
  if (flags.to !== undefined)
    fail("--to goes with an odmr:// address; the configuration's accounts have deliver rules");
  workAs(await readConfig(flags.config));
  const config = await loadConfig(flags.config);
  const accounts = config.pull?.accounts ?? [];
  if (accounts.length === 0)
    throw new ConfigError(`${config.file}: pull: is missing; odmr pull needs an account. See odmr init home`);
  const known = accounts.map(({ name }) => name).join(", ");
  const chosen = names.map(
    (name) =>
      accounts.find((account) => account.name === name) ??
      fail(`there is no account ${name}; there is ${known}`),
  );
  const plans = (names.length > 0 ? chosen : accounts).map((account) => planOf(account, config));
  return {
    plans: await Promise.all(plans),
    spoolPath: flags.spool ?? config.spool,
    outgoing: config.pull?.outgoing,
  };
}

async function planFor(text: string, flags: PullFlags, words: number) {
  if (words > 1) fail("one odmr:// address at a time");
  if (flags.to === undefined)
    fail("say where the mail goes: --to maildir:/path, --to lmtp://127.0.0.1:24, …");
  const { passwordFile, ca, pin } = flags;
  try {
    const uri = parseAccountUri(text);
    const target = parseTarget(flags.to!);
    if (passwordFile === undefined)
      fail(`say how ${uri.user} logs in: --password-file FILE, with the password on one line`);
    const plan = await planOfUri(uri, {
      target,
      passwordFile,
      ca,
      pin:
        pin && (parseFingerprint(pin) ?? fail(`"${pin}" is no fingerprint; write sha256: and 64 hex digits`)),
      messageSize: flags.messageSize ?? MESSAGE_SIZE,
    });
    return { plans: [plan], spoolPath: flags.spool ?? uriSpool(uri) };
  } catch (error) {
    if (error instanceof UriError || error instanceof TargetError) fail(error.message);
    throw error;
  }
}
