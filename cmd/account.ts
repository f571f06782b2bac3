/** From an account of the configuration, or an odmr:// address, to what a call needs; secrets and certificates are read here. */

import { readFile } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import {
  type AccountSmarthost,
  type Config,
  type Rule,
  type Account as Settings,
  USUALLY,
} from "../src/config/config.ts";
import { readSecret } from "../src/config/secret.ts";
import type { Target } from "../src/config/target.ts";
import type { AccountUri } from "../src/config/uri.ts";
import type { Account } from "../src/relay/call.ts";
import type { Home } from "../src/relay/home.ts";
import type { Login } from "../src/relay/login.ts";
import type { Timing } from "../src/relay/schedule.ts";
import { isPostgres, shownPostgres } from "../src/spool/postgres/address.ts";

/** An account with what happens to its mail. */
export interface Plan {
  readonly account: Account;
  /** What ATRN asks for; none: all. */
  readonly ask: readonly string[];
  readonly deliver: readonly Rule[];
  /** Whose hours the rules mean, where they do not say; undefined: this host's. */
  readonly timezone?: string | undefined;
  /** The house as a place that mail leaves from. */
  readonly home: Home;
  /** A sender is told that its message is late after so many milliseconds. */
  readonly warnAfter: number;
  /** Where outgoing mail goes that the provider does not take. */
  readonly smarthost?: Login | undefined;
  /** When it is called by itself. */
  readonly timing: Timing & { readonly follow: boolean };
  /** What is run after each call. */
  readonly after: readonly string[] | undefined;
  /** The same for two plans that are the same. */
  readonly stamp: string;
}

/** @throws ConfigError, or the system's error for a file that cannot be read */
export async function planOf(settings: Settings, config: Config): Promise<Plan> {
  const account = await accountOf(settings, config);
  return {
    account,
    ask: settings.askAll ? [] : settings.domains,
    deliver: settings.deliver,
    timezone: settings.timezone,
    home: homeOf(config),
    warnAfter: config.pull?.outgoing?.warnAfter ?? WARN_AFTER,
    smarthost: settings.smarthost && (await smarthostOf(settings.smarthost, account.hostname)),
    timing: timingOf(settings),
    after: settings.after,
    stamp: JSON.stringify([settings, account, config.pull?.outgoing]),
  };
}

const WARN_AFTER = 4 * 3_600_000;

export function homeOf({ pull }: Pick<Config, "pull">): Home {
  return {
    accounts: (pull?.accounts ?? []).map(({ name, domains }) => ({ name, domains })),
    outgoing: pull?.outgoing,
  };
}

async function smarthostOf(settings: AccountSmarthost, ourName: string): Promise<Login> {
  const {
    at,
    password,
    tls,
    ca,
  }: Partial<Extract<AccountSmarthost, { tls?: unknown }>> & Pick<AccountSmarthost, "at"> = settings;
  return {
    host: at.host,
    port: at.port,
    hostname: ourName,
    tls: tls ?? at.tls,
    ...(at.user !== undefined && { user: at.user }),
    ...(password && { password: await readSecret(password.file) }),
    ...(ca !== undefined && { ca: await readFile(ca, "utf8") }),
  };
}

async function accountOf(settings: Settings, config: Config): Promise<Account> {
  const { provider, certificate, ca, pin, password } = settings;
  return {
    name: settings.name,
    host: provider.host,
    port: provider.port,
    tls: settings.tls,
    user: settings.user ?? settings.name,
    hostname: settings.hostname ?? config.hostname,
    messageSize: settings.messageSize,
    domains: settings.domains,
    doubles: settings.doubles,
    ...(settings.limit && { largest: await largestOf(settings.limit, settings.timezone) }),
    ...(password && { password: await readSecret(password.file) }),
    ...(ca !== undefined && { ca: await readFile(ca, "utf8") }),
    ...(pin !== undefined && { pin }),
    ...(certificate && {
      certificate: {
        certificate: await readFile(certificate.file, "utf8"),
        key: await readFile(certificate.key, "utf8"),
      },
    }),
  };
}

function timingOf({ every = USUALLY, schedule, timezone, jitter, follow }: Settings): Plan["timing"] {
  return { every: schedule === undefined ? every : undefined, schedule, timezone, jitter, follow };
}

/** Patterns of minutes are read by what is loaded only where they are used. */
async function largestOf({ messageSize, during }: NonNullable<Settings["limit"]>, timezone?: string) {
  const { windowOf } = await import("../src/relay/schedule.ts");
  const open = windowOf(during, timezone);
  return (now: number) => (open(now) ? messageSize : undefined);
}

export interface UriOptions {
  readonly target: Target;
  readonly passwordFile: string | undefined;
  readonly ca: string | undefined;
  readonly pin: string | undefined;
  readonly messageSize: number;
}

/** An account without a configuration: its name is its provider and user, so that its ledger is found again. */
export async function planOfUri(uri: AccountUri, options: UriOptions): Promise<Plan> {
  const { passwordFile, ca, pin, target, messageSize } = options;
  return {
    account: {
      name: uriName(uri),
      host: uri.provider.host,
      port: uri.provider.port,
      tls: uri.tls,
      user: uri.user,
      hostname: hostname(),
      messageSize,
      domains: uri.domains.length > 0 ? uri.domains : undefined,
      ...(passwordFile !== undefined && { password: await readSecret(passwordFile) }),
      ...(ca !== undefined && { ca: await readFile(ca, "utf8") }),
      ...(pin !== undefined && { pin }),
    },
    ask: uri.domains,
    deliver: [{ match: "*", to: target }],
    home: { accounts: [{ name: uriName(uri), domains: uri.domains }] },
    warnAfter: WARN_AFTER,
    timing: { every: USUALLY, follow: false },
    after: undefined,
    stamp: uriName(uri),
  };
}

const uriName = ({ user, provider }: AccountUri): string => `${user}@${provider.host}`.toLowerCase();

/** Where the spool of an odmr:// address lies: in the user's state folder, one a provider and user. */
export function uriSpool(uri: AccountUri, env: NodeJS.ProcessEnv = process.env): string {
  return join(stateFolder(env), `${uriName(uri).replace(/[^a-z0-9@._-]/g, "_")}.db`);
}

/** The socket by which `pull --now` wakes a daemon: beside the spool, or for a shared one in the user's state folder. */
export function controlOf(spool: string, env: NodeJS.ProcessEnv = process.env): string {
  if (!isPostgres(spool)) return `${spool}.control`;
  return join(stateFolder(env), `${shownPostgres(spool).replace(/[^A-Za-z0-9@._-]+/g, "_")}.control`);
}

export function stateFolder(env: NodeJS.ProcessEnv): string {
  return join(env.XDG_STATE_HOME || join(env.HOME || homedir(), ".local", "state"), "odmr");
}
