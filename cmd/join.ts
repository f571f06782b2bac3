/** `odmr join`: takes an invitation at home, and does all that is needed until mail comes. */
// Nothing is spent before all else is right: the token leaves last, and the same line may be given again if anything breaks.
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { buildCommand } from "@stricli/core";
import { type Invitation, InvitationError, parseInvitation } from "../src/config/invitation.ts";
import { loadConfig } from "../src/config/load.ts";
import { isHostname } from "../src/config/names.ts";
import { formatTarget, type Target, TargetError } from "../src/config/target.ts";
import { dial } from "../src/net/dial.ts";
import { systemClock } from "../src/platform/clock.ts";
import { systemFiles } from "../src/platform/files.ts";
import { systemRandom } from "../src/platform/random.ts";
import { fingerprintOf } from "../src/platform/selfsigned.ts";
import { type Inviter, introduce } from "../src/relay/introduce.ts";
import { type LoginTools, logIn } from "../src/relay/login.ts";
import { openSpool } from "../src/spool/open.ts";
import { type Address, domainOf, parseAddress } from "../src/wire/address.ts";
import { planOf } from "./account.ts";
import { type Asking, answerTo, asking, askTarget, found, targetIn } from "./asking.ts";
import { Exit, status, UsageError } from "./exit.ts";
import { type CommonFlags, type Context, commonFlags, helpText, switchFlag, textFlag } from "./flags.ts";
import { hasUnit, isFound } from "./found.ts";
import { ACCOUNT, configText, ourName } from "./joined.ts";
import { logOf } from "./log.ts";
import { makeOwnCertificate } from "./owncertificate.ts";
import { giveFiles, isSystemPlace, makePlaces, ownerFor, workAsOwner } from "./owner.ts";
import { makeReady, type Places, placesFor, refuseOverwriting, writeConfig } from "./places.ts";
import { targetProblem } from "./targets.ts";
import { type Trial, tryOut } from "./trial.ts";
import { keepPrivate } from "./user.ts";

interface JoinFlags extends CommonFlags {
  readonly file?: string;
  readonly to?: string;
  readonly spool?: string;
  readonly hostname?: string;
  readonly user?: string;
  readonly test?: Address;
  readonly untested: boolean;
  readonly force: boolean;
  readonly json: boolean;
}

const DIAL_WITHIN = 30_000;

export const joinCommand = buildCommand<JoinFlags, readonly string[], Context>({
  async func(flags, ...words) {
    refuseWords(words);
    keepPrivate();
    const places = placesFor(flags);
    await refuseOverwriting(places.config, flags.force);
    const owner = ownerFor(places.config, flags.user);
    const ask = asking();
    try {
      const invitation = await invitationOf(flags, ask);
      const target = await targetOf(flags, ask);
      const name = flags.hostname ?? ourName("invalid");
      const problem = await targetProblem(target, {
        hostname: name,
        clock: systemClock,
        random: systemRandom,
      });
      if (problem !== undefined) throw new Exit(status.unavailable, `${problem}; name another with --to`);
      if (owner !== undefined) await makeReady(owner, places, target);
      await makeOwnCertificate(places, name, { random: systemRandom, clock: systemClock });
      const { vouchedFor, ...paired } = await introduce(
        inviterOf(invitation, name),
        await introductionOf(invitation, places),
        tools(invitation),
      );
      const to = await testAddressOf(flags, ask, paired.domains);
      ask.close();
      const joined = {
        ...{ ...paired, invitation, target, spool: places.spool },
        pinned: !(vouchedFor && (await isTrusted(invitation, name))),
        hostname: flags.hostname ?? ourName(paired.domains[0]!),
        certificate: { file: places.certificate, key: places.key },
        ...(owner && { user: owner.name }),
      };
      await writeConfig(places.config, configText(joined, dirname(places.config)), flags.force);
      if (owner !== undefined) {
        await giveFiles(owner, [places.config, places.certificate, places.key]);
        await makePlaces(owner, target, joined.domains);
        // The test message comes as all mail will: what that user may not do, is seen now.
        workAsOwner(owner);
      }
      const trial = flags.untested ? undefined : await trialOf(flags, places, to);
      this.process.exitCode = trial?.status ?? status.ok;
      this.process.stdout.write(
        flags.json
          ? `${JSON.stringify({ name: joined.name, domains: joined.domains, config: places.config, to: formatTarget(target), ...(trial && { test: { arrived: trial.status === status.ok, outcome: trial.outcome } }) })}\n`
          : told({ ...joined, config: places.config, trial, to }, flags),
      );
    } finally {
      ask.close();
    }
  },
  parameters: {
    positional: {
      kind: "array",
      parameter: {
        parse: String,
        placeholder: "-",
        brief: "Nothing, or - for stdin: the invitation is a secret",
      },
    },
    flags: {
      ...commonFlags,
      file: textFlag("FILE", "The invitation, in a file; else it is asked for, or read from stdin"),
      to: textFlag(
        "TARGET",
        "Where mail goes (maildir:/path, lmtp:/socket, lmtp://host:port, …); else it is asked",
      ),
      spool: textFlag(
        "FILE",
        "Where mail is held until it is delivered (/var/lib/odmr, or your state folder)",
      ),
      hostname: {
        kind: "parsed",
        parse: hostnameOf,
        optional: true,
        placeholder: "NAME",
        brief: "What this host calls itself (its name here)",
      },
      user: textFlag(
        "USER",
        "As root: who is to run it, and whose its files are (odmr, where there is that user)",
      ),
      test: {
        kind: "parsed",
        parse: addressOf,
        optional: true,
        placeholder: "ADDRESS",
        brief: "Whom the test message is for (postmaster at the first domain)",
      },
      untested: switchFlag("No test message, and no call"),
      force: switchFlag("Write over a configuration that is there"),
      json: switchFlag("One JSON object"),
    },
  },
  docs: {
    brief: "At home: take an invitation, write the configuration, and see that mail comes",
    customUsage: ["[--to TARGET] [--file FILE]"],
    fullDescription: helpText(
      "Asks for the line that odmr invite printed on the relay, makes a key and a certificate, and is a customer from then\n" +
        "on: the relay is known by the fingerprint in the line, and we by our certificate; no password is made. Then it\n" +
        "writes the configuration (for root /etc/odmr/odmr.yaml, else your configuration folder's), sends a message to\n" +
        "ourselves through the relay, and fetches it. If anything breaks, the same line may be given again from here while\n" +
        "it counts. As root it makes what the user odmr needs, gives it to that user, and sends the message as that user.\n\n" +
        "Exit status: 0 mail comes · 69 no relay there · 73 there is a configuration already · 75 the test message did not\n" +
        "come, but all else is done · 76 it is no relay that takes invitations · 77 the invitation does not count, or the\n" +
        "relay is not the one that it names.",
      {
        "odmr join": "asks for the line, and where mail is to go",
        "odmr join --to maildir:/var/mail/{domain}/{local} < invitation": "asks nothing",
        "odmr join --to lmtp:/run/dovecot/lmtp --test you@example.org": "into Dovecot",
      },
    ),
  },
});

function refuseWords(words: readonly string[]): void {
  if (words.length === 0 || (words.length === 1 && words[0] === "-")) return;
  throw new UsageError(
    "an invitation is a secret, and others can read a command line; say odmr join alone and give it the line, or: odmr join < FILE",
  );
}

async function invitationOf({ file }: JoinFlags, { question }: Asking): Promise<Invitation> {
  try {
    if (file !== undefined) return parseInvitation(await readFile(file, "utf8"));
    return parseInvitation(
      question === undefined ? await stdin() : await question("The line of odmr invite: "),
    );
  } catch (cause) {
    if (cause instanceof InvitationError) throw new Exit(status.dataError, cause.message, { cause });
    throw cause;
  }
}

async function stdin(): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of process.stdin) pieces.push(piece as Uint8Array);
  const text = Buffer.concat(pieces).toString("utf8");
  if (text.trim() === "")
    throw new UsageError(
      "nothing came on stdin; say odmr join at a terminal, odmr join < FILE, or --file FILE",
    );
  return text;
}

/** What was named, or what the user says to what is proposed. */
async function targetOf({ to }: JoinFlags, { question }: Asking): Promise<Target> {
  if (to !== undefined) return named(to);
  if (question !== undefined) return await askTarget(question);
  const [best] = await found();
  throw new UsageError(`say where mail is to go, such as --to ${best?.target}   (${best?.what})`);
}

/** Whoever was asked for the rest is asked whom a mail server here knows. */
async function testAddressOf(
  { test, untested, file, to }: JoinFlags,
  { question }: Asking,
  [domain]: readonly string[],
): Promise<Address> {
  const proposed = `postmaster@${domain}`;
  if (test !== undefined) return test;
  if (untested || question === undefined || (file !== undefined && to !== undefined))
    return addressOf(proposed);
  return await answerTo(question, "An address that a test message may go to", { proposed, read: addressOf });
}

function named(text: string): Target {
  try {
    return targetIn(text);
  } catch (cause) {
    if (cause instanceof TargetError) throw new UsageError(`--to: ${cause.message}`);
    throw cause;
  }
}

function hostnameOf(text: string): string {
  if (isHostname(text)) return text.toLowerCase();
  throw new Error(`"${text}" is no host name; write home.example.org`);
}

function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (address !== undefined && domainOf(address) !== "") return address;
  throw new Error(`"${text}" is no mail address; write bob@example.org`);
}

const inviterOf = ({ provider, tls, pin }: Invitation, hostname: string): Inviter => ({
  ...{ ...provider, tls, pin, hostname },
});

async function introductionOf({ token }: Invitation, { certificate }: Places) {
  return { token, certificate: fingerprintOf(await readFile(certificate, "utf8")) };
}

const tools = ({ provider }: Invitation): LoginTools => ({
  random: systemRandom,
  connect: (tls) => dial({ ...provider, ...(tls && { tls }), clock: systemClock, within: DIAL_WITHIN }),
});

/** Whether the relay's certificate is one that this system trusts for its name: then it may be renewed, and needs no pin. */
async function isTrusted(invitation: Invitation, hostname: string): Promise<boolean> {
  const { pin: _, ...login } = inviterOf(invitation, hostname);
  return await logIn(login, tools(invitation)).then(
    async (talk) => {
      await talk.close();
      return true;
    },
    () => false,
  );
}

/** What breaks here breaks nothing that was done: it is told, and the next call may do better. */
async function trialOf(flags: JoinFlags, places: Places, to: Address): Promise<Trial> {
  const log = logOf({ ...flags, logLevel: flags.logLevel === "info" ? "warn" : flags.logLevel }, systemClock);
  const config = await loadConfig(places.config);
  const account = config.pull!.accounts.find(({ name }) => name === ACCOUNT)!;
  const spool = await openSpool({
    ...{ path: config.spool, clock: systemClock, random: systemRandom, log, files: systemFiles },
    ...{ thread: "worker", actor: "join" },
  });
  try {
    const mark = Buffer.from(systemRandom.bytes(6)).toString("hex");
    return await tryOut({
      plan: await planOf(account, config),
      spool,
      log,
      to,
      mark,
      now: systemClock.now(),
    });
  } catch (fault) {
    const why = fault instanceof Error ? fault.message : String(fault);
    return { status: status.tempFail, outcome: `could not be sent: ${why}` };
  } finally {
    await spool.close();
  }
}

interface Told {
  readonly name: string;
  readonly domains: readonly string[];
  readonly invitation: Invitation;
  readonly target: Target;
  readonly config: string;
  readonly trial: Trial | undefined;
  /** Whom the test message was for. */
  readonly to: Address;
}

function told({ name, domains, invitation, target, config, trial, to }: Told, flags: JoinFlags): string {
  const named = isFound(config) ? "" : ` --config ${flags.config ?? config}`;
  const serviced = isSystemPlace(config) && hasUnit("odmr-pull");
  return [
    `This host is ${name} at ${invitation.provider.host} now; mail for ${domains.join(", ")} goes to ${formatTarget(target)}`,
    `Wrote ${config}`,
    ...(trial === undefined ? [] : [`A message to ${to} ${trial.outcome}`]),
    ...(trial?.atTarget
      ? [
          `Mend what takes mail there, or take an address that it knows: odmr join --force --test you@${domains[0]}, with the same line`,
        ]
      : []),
    `Next: ${serviced ? "systemctl enable --now odmr-pull" : `odmr pull --daemon${named}`}`,
    "",
  ].join("\n");
}
