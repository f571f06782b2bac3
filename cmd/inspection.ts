/** From the configuration to the inspector: the checks that are switched on, with what they ask. */

import type { Inspector } from "../src/checks/check.ts";
import type { Rspamd } from "../src/checks/rspamd.ts";
import type { Config } from "../src/config/config.ts";
import { readSecret } from "../src/config/secret.ts";
import { askHttp } from "../src/platform/ask.ts";
import { systemClock } from "../src/platform/clock.ts";
import { systemLookup } from "../src/platform/lookup.ts";
import { systemRandom } from "../src/platform/random.ts";
import { admission } from "./admission.ts";

type Checks = NonNullable<NonNullable<Config["serve"]>["checks"]>;

/** undefined: nothing is looked at. */
export async function inspectorFor(
  hostname: string,
  checks: Checks | undefined,
): Promise<Inspector | undefined> {
  if (checks === undefined) return undefined;
  const { at, trusted, dns, greetingDelay = 0, authentication, rspamd, ...rules } = checks;
  const [{ inspectorOf }, { connectionCheck }, { Authentication }] = await Promise.all([
    import("../src/checks/inspector.ts"),
    import("../src/checks/connection.ts"),
    import("../src/checks/authentication.ts"),
  ]);
  const tools = { hostname, lookup: systemLookup(dns), clock: systemClock, random: systemRandom };
  const ours = trusted.length === 0 ? () => false : admission(trusted);
  const asksDns = rules.reverseName !== "no" || rules.blocklists.length > 0;
  return inspectorOf({
    hostname,
    at,
    trusts: (address) => address !== "unix" && ours({ address, port: 0 }),
    greetingDelay,
    authenticates: authentication !== undefined,
    ...(asksDns && { connection: connectionCheck(rules, tools) }),
    checks: [
      ...(authentication ? [new Authentication(authentication, tools)] : []),
      ...(rspamd ? [await rspamdOf(rspamd, hostname)] : []),
    ],
  });
}

async function rspamdOf(
  { password, ...rules }: NonNullable<Checks["rspamd"]>,
  hostname: string,
): Promise<Rspamd> {
  const { Rspamd } = await import("../src/checks/rspamd.ts");
  const secret = password && (await readSecret(password.file));
  return new Rspamd({ ...rules, password: secret }, { hostname, clock: systemClock, ask: askHttp });
}
