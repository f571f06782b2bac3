/** `odmr admin-http`: the admin interface over a spool, in a process of its own. */
// The spool may be at work under another process meanwhile: what that one does is seen here, and the other way round.
import { buildCommand } from "@stricli/core";
import type { Config } from "../src/config/config.ts";
import { parseEndpoint } from "../src/config/endpoint.ts";
import { ConfigError } from "../src/config/error.ts";
import { loadConfig, readConfig } from "../src/config/load.ts";
import { systemClock } from "../src/platform/clock.ts";
import { systemFiles } from "../src/platform/files.ts";
import type { HttpAddress } from "../src/platform/http.ts";
import { systemRandom } from "../src/platform/random.ts";
import { openSpool } from "../src/spool/open.ts";
import type { AdminPlan } from "./admin.ts";
import { customersOf } from "./book.ts";
import { UsageError } from "./exit.ts";
import { type CommonFlags, type Context, commonFlags, helpText, textFlag } from "./flags.ts";
import { logOf } from "./log.ts";
import { notify } from "./systemd.ts";
import { keepPrivate, workAs } from "./user.ts";

interface AdminFlags extends CommonFlags {
  readonly listen?: HttpAddress;
  readonly spool?: string;
  readonly tokenFile?: string;
}

const LISTEN: HttpAddress = { host: "127.0.0.1", port: 8366 };

export const adminHttpCommand = buildCommand<AdminFlags, [], Context>({
  async func(flags) {
    const log = logOf(flags, systemClock);
    const config = await configOf(flags);
    keepPrivate();
    const { openAdmin } = await import("./admin.ts");
    const spool = await openSpool({
      path: flags.spool ?? config?.spool ?? "",
      clock: systemClock,
      random: systemRandom,
      log,
      files: systemFiles,
      thread: "worker",
      actor: "admin-http",
    });
    try {
      const customers = [...(config?.serve === undefined ? [] : customersOf(config.serve))];
      const server = await openAdmin(planOf(flags, config), {
        ...{ spool, log, customers: () => customers, config: () => config },
      });
      const toldToEnd = untilToldToEnd();
      await notify("READY=1");
      await toldToEnd;
      await notify("STOPPING=1");
      await server.close();
    } finally {
      await spool.close();
    }
    process.exit(0);
  },
  parameters: {
    flags: {
      ...commonFlags,
      listen: {
        kind: "parsed",
        parse: endpointOf,
        optional: true,
        placeholder: "ADDRESS",
        brief: "host:port, [v6]:port or unix:/path (else the configuration's, else 127.0.0.1:8366)",
      },
      spool: textFlag("PATH", "The spool (else the configuration's)"),
      tokenFile: textFlag("FILE", "The token that may do everything, on one line (else the configuration's)"),
    },
  },
  docs: {
    brief: "Serve the admin interface of a spool: its API, its dashboard, its metrics",
    fullDescription: helpText(
      "The queue over HTTP: GET / in a browser, /api/v1/… for programs (/openapi.json describes it), /metrics for\n" +
        "Prometheus. It is plain HTTP, and listens on this host alone unless told otherwise; put a proxy with TLS before\n" +
        "it, and name the proxy in admin.hosts. With --spool and --token-file it needs no configuration.",
      {
        "odmr passwd admin.token && odmr admin-http --spool spool.db --token-file admin.token":
          "without a configuration",
        "odmr admin-http --listen unix:/run/odmr/admin.sock": "for a proxy on this host",
        'curl -H "Authorization: Bearer $(cat admin.token)" http://127.0.0.1:8366/api/v1/queue':
          "what waits, as JSON",
      },
    ),
  },
});

function endpointOf(text: string): HttpAddress {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined)
    throw new UsageError(`"${text}" is no address; write 127.0.0.1:8366 or unix:/run/odmr/admin.sock`);
  return endpoint;
}

/** None is asked for where the flags say everything. */
async function configOf({ config, spool, tokenFile }: AdminFlags): Promise<Config | undefined> {
  if (config === undefined && spool !== undefined && tokenFile !== undefined) return undefined;
  workAs(await readConfig(config));
  return await loadConfig(config);
}

function planOf({ listen, tokenFile }: AdminFlags, config: Config | undefined): AdminPlan {
  const admin = config?.admin;
  const token = tokenFile ?? admin?.token.file;
  if (token === undefined)
    throw new ConfigError(
      `${config?.file}: admin: is missing; write admin: { token: { file: admin.token } }, or give --token-file`,
    );
  return {
    listen: listen ?? admin?.listen ?? LISTEN,
    tokenFile: token,
    readTokenFile: tokenFile === undefined ? admin?.readToken?.file : undefined,
    hosts: [...(admin?.hosts ?? []), ...(config === undefined ? [] : [config.hostname])],
  };
}

function untilToldToEnd(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
}
