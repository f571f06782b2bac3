/** `odmr pull`: the call. Mail that waits at the provider comes into our spool, and from there to its targets. */
// What came is safe before the provider hears 250; what a target cannot take now is tried again at the next call.
import { buildCommand } from "@stricli/core";
import { ConfigError } from "../src/config/error.ts";
import { loadConfig } from "../src/config/load.ts";
import { parseFingerprint } from "../src/config/names.ts";
import { parseTarget, TargetError } from "../src/config/target.ts";
import { formatSize, parseSize } from "../src/config/units.ts";
import { isAccountUri, parseAccountUri, UriError } from "../src/config/uri.ts";
import type { Delivery } from "../src/delivery/delivery.ts";
import { sorted } from "../src/delivery/sorted.ts";
import { dial } from "../src/net/dial.ts";
import { systemClock } from "../src/platform/clock.ts";
import { systemFiles } from "../src/platform/files.ts";
import { pbkdf2Sha256 } from "../src/platform/hash.ts";
import type { Log } from "../src/platform/log.ts";
import { systemRandom } from "../src/platform/random.ts";
import type { Caller } from "../src/relay/call.ts";
import { CallError } from "../src/relay/callerror.ts";
import { distribute } from "../src/relay/distribute.ts";
import { runNotedErrand } from "../src/relay/errand.ts";
import { openSpool } from "../src/spool/open.ts";
import type { RecordingSpool } from "../src/spool/records.ts";
import { type Plan, planOf, planOfUri, uriSpool } from "./account.ts";
import { describe, type Status, status, statusOf, UsageError } from "./exit.ts";
import { type CommonFlags, type Context, commonFlags, helpText, switchFlag, textFlag } from "./flags.ts";
import { logOf } from "./log.ts";
import { progressOf } from "./progress.ts";
import { deliveryTo, type TargetTools, targetProblem } from "./targets.ts";

interface PullFlags extends CommonFlags {
  readonly to?: string;
  readonly passwordFile?: string;
  readonly ca?: string;
  readonly pin?: string;
  readonly spool?: string;
  readonly messageSize?: number;
  readonly json: boolean;
}

/** What became of one account's errand; `--json` prints it as it is. */
interface Report {
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

export const pullCommand = buildCommand<PullFlags, string[], Context>({
  async func(flags, ...names) {
    const log = logOf(flags, systemClock);
    const { plans, spoolPath } = await plansOf(flags, names);
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
      for (const plan of plans) {
        const report = await run(plan, spool, log);
        this.process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : `${sentence(report)}\n`);
        this.process.exitCode ||= report.status;
      }
    } finally {
      await spool.close();
    }
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
      json: switchFlag("One JSON object for each account"),
    },
  },
  docs: {
    brief: "Call the provider, fetch the mail that waits there, and deliver it here",
    fullDescription: helpText(
      "Dials each account's provider, checks that it is the right one (TLS), logs in, turns the line (ATRN, RFC 2645),\n" +
        "takes the mail into the spool and delivers it to the targets. A message comes once, however often a line breaks.\n\n" +
        "Exit status: 0 done, also without mail · 69 no provider there · 75 try again later, or a target could not take\n" +
        "something now (it waits in the spool) · 76 the provider broke the protocol · 77 refused: login, certificate or\n" +
        "domain · 78 configuration.",
      {
        "odmr pull": "all accounts of the configuration",
        "odmr pull vps": "one of them",
        "odmr pull --json": "for scripts",
        "odmr pull odmr://home@relay.example.net/example.org --to maildir:/var/mail/{local} --password-file home.secret":
          "without a configuration",
      },
    ),
  },
});

function sizeOf(text: string): number {
  return parseSize(text) ?? fail(`"${text}" is no size; write 50MiB`);
}

function fail(message: string): never {
  throw new UsageError(message);
}

const MESSAGE_SIZE = 50 * 1_048_576;

async function plansOf(
  flags: PullFlags,
  names: readonly string[],
): Promise<{ plans: readonly Plan[]; spoolPath: string }> {
  const [only] = names;
  if (only !== undefined && isAccountUri(only)) return planFor(only, flags, names.length);
  if (flags.to !== undefined)
    fail("--to goes with an odmr:// address; the configuration's accounts have deliver rules");
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
  return { plans: await Promise.all(plans), spoolPath: flags.spool ?? config.spool };
}

async function planFor(text: string, flags: PullFlags, words: number) {
  if (words > 1) fail("one odmr:// address at a time");
  if (flags.to === undefined)
    fail("say where the mail goes: --to maildir:/path, --to lmtp://127.0.0.1:24, …");
  try {
    const uri = parseAccountUri(text);
    const target = parseTarget(flags.to!);
    const { passwordFile, ca, pin } = flags;
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

/** One account: are its targets there, what waits since the last time, the call, and what it brought. */
async function run(plan: Plan, spool: RecordingSpool, log: Log): Promise<Report> {
  const { account, ask, deliver } = plan;
  const tools: TargetTools = { hostname: account.hostname, clock: systemClock, random: systemRandom };
  const report: Report = {
    account: account.name,
    result: "no mail",
    messages: 0,
    octets: 0,
    delivered: 0,
    deferred: 0,
    refused: 0,
    status: status.ok,
  };
  const problem = await problemOf(plan, tools);
  if (problem !== undefined)
    return { ...report, result: "failed", status: status.tempFail, error: `no call was made: ${problem}` };

  const delivery = sorted(deliver.map(({ match, to }) => ({ match, delivery: deliveryTo(to, tools) })));
  const progress = progressOf(account.name);
  try {
    const before = await hand(plan, delivery, spool, log);
    const caller: Caller = {
      dial: dialProvider,
      spool,
      clock: systemClock,
      random: systemRandom,
      log,
      pbkdf2: pbkdf2Sha256,
      progress: progress.update,
    };
    const called = await runNotedErrand(account, ask, { ...caller, records: spool.records }).then(
      (taken) => ({ taken }),
      (error: unknown) => ({ error, taken: error instanceof CallError ? error.taken : undefined }),
    );
    progress.end();
    const after = await hand(plan, delivery, spool, log);
    const { messages, octets } = called.taken ?? report;
    const tally = {
      delivered: before.delivered + after.delivered,
      deferred: after.deferred,
      refused: before.refused + after.refused,
    };
    const done: Report = { ...report, messages, octets, ...tally, result: messages > 0 ? "mail" : "no mail" };
    if ("error" in called)
      return {
        ...done,
        result: "failed",
        status: statusOf(called.error),
        error: describe(called.error, false),
      };
    return tally.deferred + tally.refused > 0 ? { ...done, status: status.tempFail } : done;
  } finally {
    progress.end();
    await delivery.close();
  }
}

/** For a name, an address and a handshake together. */
const DIAL_WITHIN = 60_000;

const dialProvider: Caller["dial"] = ({ host, port }, tls) =>
  dial({ host, port, clock: systemClock, within: DIAL_WITHIN, ...(tls && { tls }) });

async function problemOf({ deliver }: Plan, tools: TargetTools): Promise<string | undefined> {
  for (const { to } of deliver) {
    const problem = await targetProblem(to, tools);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

async function hand({ account }: Plan, delivery: Delivery, spool: RecordingSpool, log: Log) {
  const tally = await distribute({
    account: account.name,
    delivery,
    spool,
    clock: systemClock,
    random: systemRandom,
    log,
  });
  return tally === "nothing" ? { delivered: 0, deferred: 0, refused: 0 } : tally;
}

function sentence({ account, error, messages, octets, delivered, deferred, refused }: Report): string {
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
