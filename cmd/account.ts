/** From an account of the configuration, or an odmr:// address, to what a call needs; secrets and certificates are read here. */
import { readFile } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import type { Config, Account as Settings } from "../src/config/config.ts";
import { readSecret } from "../src/config/secret.ts";
import type { Target } from "../src/config/target.ts";
import type { AccountUri } from "../src/config/uri.ts";
import type { Account } from "../src/relay/call.ts";

/** An account with what happens to its mail. */
export interface Plan {
  readonly account: Account;
  /** What ATRN asks for; none: all. */
  readonly ask: readonly string[];
  readonly deliver: readonly { readonly match: string; readonly to: Target }[];
}

/** @throws ConfigError, or the system's error for a file that cannot be read */
export async function planOf(settings: Settings, config: Config): Promise<Plan> {
  const { provider, certificate, ca, pin, password } = settings;
  return {
    account: {
      name: settings.name,
      host: provider.host,
      port: provider.port,
      tls: settings.tls,
      user: settings.user ?? settings.name,
      hostname: settings.hostname ?? config.hostname,
      messageSize: settings.messageSize,
      domains: settings.domains,
      ...(password && { password: await readSecret(password.file) }),
      ...(ca !== undefined && { ca: await readFile(ca, "utf8") }),
      ...(pin !== undefined && { pin }),
      ...(certificate && {
        certificate: {
          certificate: await readFile(certificate.file, "utf8"),
          key: await readFile(certificate.key, "utf8"),
        },
      }),
    },
    ask: settings.askAll ? [] : settings.domains,
    deliver: settings.deliver,
  };
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
  };
}

const uriName = ({ user, provider }: AccountUri): string => `${user}@${provider.host}`.toLowerCase();

/** Where the spool of an odmr:// address lies: in the user's state folder, one a provider and user. */
export function uriSpool(uri: AccountUri, env: NodeJS.ProcessEnv = process.env): string {
  const state = env.XDG_STATE_HOME || join(env.HOME || homedir(), ".local", "state");
  return join(state, "odmr", `${uriName(uri).replace(/[^a-z0-9@._-]/g, "_")}.db`);
}
