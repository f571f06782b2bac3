/** The admin interface on its address: for `odmr serve`, and for `odmr admin-http` by itself. */
// Loaded only where it is asked for: the API's packages take their time.
import { hostname } from "node:os";
import { adminApp } from "../src/admin/app.ts";
import type { Token } from "../src/admin/gate.ts";
import type { Intake } from "../src/admin/intake.ts";
import type { ProcessFacts } from "../src/admin/metrics.ts";
import type { Config } from "../src/config/config.ts";
import { formatEndpoint } from "../src/config/endpoint.ts";
import { readSecret } from "../src/config/secret.ts";
import { cannotListen } from "../src/net/listen.ts";
import { systemClock } from "../src/platform/clock.ts";
import { type HttpAddress, type HttpServer, peerOf, serveHttp } from "../src/platform/http.ts";
import type { Log } from "../src/platform/log.ts";
import { systemRandom } from "../src/platform/random.ts";
import type { Customer } from "../src/relay/customers.ts";
import type { EmbeddedSpool } from "../src/spool/front.ts";
import { verify } from "../src/spool/verify.ts";
import { Exit, UsageError } from "./exit.ts";
import { postingsFor } from "./queue/route.ts";

export interface AdminPlan {
  readonly listen: HttpAddress;
  readonly tokenFile: string;
  readonly readTokenFile: string | undefined;
  /** Names under which it is reached, beside this host's own. */
  readonly hosts: readonly string[];
}

export interface AdminSources {
  readonly spool: EmbeddedSpool;
  readonly customers: () => Iterable<Customer>;
  /** The configuration as it is now; undefined: there is none. */
  readonly config: () => Config | undefined;
  readonly log: Log;
}

const HERE = ["localhost", "127.0.0.1", "::1"];

/** @throws ConfigError for a token file, ConnectionError for an address that cannot be listened on */
export async function openAdmin(
  plan: AdminPlan,
  { spool, customers, config, log }: AdminSources,
): Promise<HttpServer> {
  const app = adminApp({
    ...{ spool, customers, log, peerOf },
    intake: () => intakeOf(config()),
    verify: (watch) => verify(spool, watch),
    clock: systemClock,
    random: systemRandom,
    tokens: await tokensOf(plan),
    hosts: [...HERE, ...plan.hosts, ...("host" in plan.listen ? [plan.listen.host] : [])],
    process: processFacts,
  });
  const { listen } = plan;
  const server = await serveHttp((request, env) => app.fetch(request, env as object), listen).catch(
    (fault: Error) => {
      throw cannotListen(listen, fault);
    },
  );
  log.log("info", "listening", { service: "admin", address: formatEndpoint(server.address) });
  return server;
}

/** Where there is no configuration that says it. */
const MESSAGE_SIZE = 50 * 1024 ** 2;

function intakeOf(config: Config | undefined): Intake {
  return {
    hostname: config?.hostname ?? hostname(),
    messageSize: config?.serve?.limits.messageSize ?? MESSAGE_SIZE,
    postings(wanted) {
      try {
        return postingsFor({ ...wanted, config });
      } catch (error) {
        if (error instanceof Exit || error instanceof UsageError) return error.message;
        throw error;
      }
    },
  };
}

async function tokensOf({ tokenFile, readTokenFile }: AdminPlan): Promise<readonly Token[]> {
  const full: Token = { token: await readSecret(tokenFile), scope: "full", name: "admin" };
  if (readTokenFile === undefined) return [full];
  return [full, { token: await readSecret(readTokenFile), scope: "read", name: "reader" }];
}

function processFacts(): ProcessFacts {
  const { user, system } = process.cpuUsage();
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.memoryUsage.rss(),
    started: Date.now() / 1000 - process.uptime(),
  };
}
