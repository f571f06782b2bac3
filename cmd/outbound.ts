/** From the configuration to the way out: a smarthost with its login, or the MX hosts of the world, and keys to sign with. */
import { createPrivateKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Config, Customer, Outbound as Settings } from "../src/config/config.ts";
import { ConfigError } from "../src/config/error.ts";
import { readSecret } from "../src/config/secret.ts";
import { Limits } from "../src/delivery/limits.ts";
import type { DkimKey } from "../src/mail/dkim.ts";
import { dial } from "../src/net/dial.ts";
import { systemClock } from "../src/platform/clock.ts";
import { systemNames } from "../src/platform/dns.ts";
import { systemFiles } from "../src/platform/files.ts";
import { pbkdf2Sha256 } from "../src/platform/hash.ts";
import type { Log } from "../src/platform/log.ts";
import { policyFetcher } from "../src/platform/policyfile.ts";
import { policyShelf } from "../src/platform/policyshelf.ts";
import { systemRandom } from "../src/platform/random.ts";
import { policies } from "../src/platform/sts.ts";
import type { Login } from "../src/relay/login.ts";
import { byExchange, bySmarthost, type Outbound, type OutboundSettings } from "../src/relay/outbound.ts";

type Serve = NonNullable<Config["serve"]>;

/** Milliseconds to reach a host of the world. */
const REACH = 30_000;
const SMTP = 25;

/** @throws ConfigError, or the system's error for a file that cannot be read */
export async function outboundOf(
  config: Config,
  { outbound, customers }: Serve,
  log: Log,
): Promise<Outbound | undefined> {
  const { hostname } = config;
  if (outbound === undefined) return undefined;
  const keys = new Map(await Promise.all(customers.map(keysOf)));
  const settings: OutboundSettings = {
    expire: outbound.expire,
    warnAfter: outbound.warnAfter,
    keysOf: (customer) => keys.get(customer) ?? new Map(),
  };
  const limits = new Limits(
    { all: outbound.connections, perDestination: outbound.perDestination, perMinute: outbound.perMinute },
    systemClock,
  );
  return outbound.smarthost === undefined
    ? throughTheWorld(config, outbound, { settings, limits, log })
    : bySmarthost(await loginOf(hostname, outbound, outbound.smarthost), settings, {
        ...{ limits, log },
        random: systemRandom,
        pbkdf2: pbkdf2Sha256,
        connect: (tls) =>
          dial({ ...place(outbound.smarthost), clock: systemClock, within: REACH, ...(tls && { tls }) }),
      });
}

interface Parts {
  readonly settings: OutboundSettings;
  readonly limits: Limits;
  readonly log: Log;
}

function throughTheWorld(
  { hostname, spool }: Config,
  { dns, mtaSts }: Settings,
  { settings, limits, log }: Parts,
): Outbound {
  const names = systemNames(dns);
  const clock = systemClock;
  // Beside the spool's file; of a spool that is none, policies are kept in memory only.
  const shelf = spool.includes("://") ? undefined : policyShelf(`${spool}.mta-sts`, systemFiles);
  return byExchange(settings, {
    ...{ names, hostname, limits },
    random: systemRandom,
    connect: (address) => dial({ host: address, port: SMTP, clock, within: REACH }),
    policyOf: mtaSts
      ? policies({ names, clock, log, shelf, fetch: policyFetcher({ names, clock }) })
      : async () => undefined,
  });
}

type Smarthost = NonNullable<Settings["smarthost"]>;

const place = (smarthost: Smarthost | undefined) => ({
  host: smarthost?.host ?? "",
  port: smarthost?.port ?? 0,
});

async function loginOf(hostname: string, { tls, ca, passwordFile }: Settings, to: Smarthost): Promise<Login> {
  return {
    ...place(to),
    hostname,
    tls: tls ?? to.tls,
    ...(ca !== undefined && { ca: await readFile(ca, "utf8") }),
    ...(to.user !== undefined && { user: to.user }),
    ...(passwordFile !== undefined && { password: await readSecret(passwordFile) }),
  };
}

async function keysOf({ name, domains, dkim }: Customer): Promise<[string, ReadonlyMap<string, DkimKey>]> {
  if (dkim === undefined) return [name, new Map()];
  const key = { selector: dkim.selector, key: privateKey(dkim.key, await readFile(dkim.key, "utf8")) };
  return [name, new Map((dkim.domains ?? domains).map((domain) => [domain, key]))];
}

function privateKey(file: string, pem: string): DkimKey["key"] {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === "rsa") return pem;
  } catch {
    // Not a key at all: the same advice.
  }
  throw new ConfigError(
    `${file}: this is no RSA private key; make one with openssl genrsa -out ${file} 2048`,
  );
}
