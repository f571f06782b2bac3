/** `odmr serve`: the relay. Opens the spool and the doors, and works until it is told to end. */
// SIGHUP reads configuration and certificates anew; SIGTERM and SIGINT end it within ten seconds.
import { buildCommand } from "@stricli/core";
import type { Admin, Config, Listener } from "../src/config/config.ts";
import { formatEndpoint } from "../src/config/endpoint.ts";
import { ConfigError } from "../src/config/error.ts";
import { loadConfig, readConfig } from "../src/config/load.ts";
import type { ListenAddress } from "../src/net/listen.ts";
import { pause, systemClock } from "../src/platform/clock.ts";
import { systemFiles } from "../src/platform/files.ts";
import type { HttpServer } from "../src/platform/http.ts";
import type { Log } from "../src/platform/log.ts";
import { systemRandom } from "../src/platform/random.ts";
import { type Office, openOffice } from "../src/relay/office.ts";
import { type DoorPlan, Porch, type PorchPlan } from "../src/relay/porch.ts";
import { openSpool } from "../src/spool/open.ts";
import { openAcme } from "./acme.ts";
import type { AdminSources } from "./admin.ts";
import { admission } from "./admission.ts";
import { readBook } from "./book.ts";
import { type CommonFlags, type Context, commonFlags, helpText } from "./flags.ts";
import { logOf } from "./log.ts";
import { openPairing } from "./pairing.ts";
import { notify, type PassedSocket, passedSockets } from "./systemd.ts";
import { givesUpRoot, workAs } from "./user.ts";

type Serve = NonNullable<Config["serve"]>;

/** What is being written may be finished; then the process ends whatever hangs. */
const GRACE = 9_000;

export const serveCommand = buildCommand<CommonFlags, [], Context>({
  async func(flags) {
    const log = logOf(flags, systemClock);
    const { config, plan, porch, acme } = await enterService(flags.config, log);
    const serve = serveOf(config);
    const spool = await openSpool({
      path: config.spool,
      clock: systemClock,
      random: systemRandom,
      log,
      files: systemFiles,
      thread: "worker",
      actor: "serve",
    });
    let opened: Office | undefined;
    try {
      const book = await readBook(config, serve, {
        ...{ random: systemRandom, clock: systemClock, log, secret: spool.secret },
      });
      let current = config;
      const renew = async () => {
        const running = { office, listen: serve.listen, log, secret: spool.secret };
        current = (await reload(flags.config, running)) ?? current;
      };
      const tools = { spool, clock: systemClock, random: systemRandom, log };
      const pairing = openPairing({
        ...{ ...tools, renew },
        folder: () => (current.serve ?? serve).customersFolder,
        customers: () => office.book.customers,
      });
      const office = await openOffice({ ...tools, hostname: config.hostname, book, pairing }, plan, porch);
      opened = office;
      // Before anybody hears that we are there: they may have something to say at once.
      const toldToEnd = untilToldToEnd(async () => {
        await renew();
        acme.wake();
      });
      announce(office, serve, log);
      acme.keep(office, () => current);
      const sources = { spool, log, customers: () => office.book.customers, config: () => current };
      const admin = config.admin && (await openAdminFor(config, config.admin, sources));
      await notify("READY=1");
      await toldToEnd;
      log.log("info", "ending");
      await notify("STOPPING=1");
      await Promise.race([Promise.all([office.close(), admin?.close()]), pause(systemClock, GRACE)]);
    } catch (fault) {
      // Without it the doors would stay open, before a spool that is closed.
      await opened?.close();
      throw fault;
    } finally {
      await Promise.all([spool.close(), porch.close(), acme.close()]);
    }
    process.exit(0);
  },
  parameters: { flags: commonFlags },
  docs: {
    brief: "Run the relay: take mail in, hold it, hand it over when its customer calls",
    fullDescription: helpText(
      "Listens where the configuration says, takes in mail for the customers' domains, holds it in the spool, and\n" +
        "hands it over when a customer calls and turns the line (ATRN, RFC 2645). Customers' own mail goes out by\n" +
        "serve.outbound; what goes no further comes back to its sender with a notice.\n\n" +
        "SIGHUP reads customers, limits and certificates anew; other changes want a restart. SIGTERM ends it within ten\n" +
        "seconds; nothing that was answered 250 is lost. With systemd: Type=notify, NotifyAccess=all, and sockets by\n" +
        "FileDescriptorName=odmr, intake, lmtp, submission or acme.",
      {
        "odmr serve": "with ./odmr.yaml, or the user's or the system's configuration",
        "odmr serve --config relay.yaml --log json": "log lines for programs",
        "odmr serve --log-level debug": "every session's end too",
      },
    ),
  },
});

/** Binds the ports that root alone may bind, becomes the user that the configuration names, and reads it as that one. */
async function enterService(file: string | undefined, log: Log) {
  const asked = await readConfig(file);
  const passed = passedSockets(process.env, process.pid);
  const plan = planOf(serveOf(asked), passed);
  const porch = new Porch(plan, { clock: systemClock, log });
  if (givesUpRoot(asked)) await porch.bind("ports");
  const socket = passed.find(({ name }) => name === "acme")?.fd;
  const acme = await openAcme(asked, { clock: systemClock, random: systemRandom, log }, socket);
  try {
    workAs(asked);
    return { config: await loadConfig(file), plan, porch, acme };
  } catch (fault) {
    await Promise.all([porch.close(), acme.close()]);
    throw fault;
  }
}

function serveOf({ serve, file }: Config): Serve {
  if (serve === undefined)
    throw new ConfigError(
      `${file}: serve: is missing; odmr serve needs to know where to listen. See odmr init relay`,
    );
  return serve;
}

/** The admin interface, loaded only where the configuration has it. */
async function openAdminFor(
  { hostname }: Config,
  { listen, token, readToken, hosts }: Admin,
  sources: AdminSources,
): Promise<HttpServer> {
  const { openAdmin } = await import("./admin.ts");
  return await openAdmin(
    { listen, tokenFile: token.file, readTokenFile: readToken?.file, hosts: [...hosts, hostname] },
    sources,
  );
}

function planOf({ listen, limits }: Serve, passed: readonly PassedSocket[]): PorchPlan {
  return {
    doors: listen.map((listener, i) => ({
      ...doorOf(listener, passedFor(listener, i, passed)),
      maxConnections: listener.connections ?? roomAt(listener.service, limits.connections),
    })),
    maxConnections: limits.connections,
    perAddress: limits.perAddress,
  };
}

/** Whoever fills the door for strangers has not filled the relay: its customers still get in. */
const roomAt = (service: Listener["service"], connections: number): number =>
  service === "intake" ? Math.ceil(connections * 0.9) : connections;

/** By the name of the door where systemd's sockets have such names, else by its place in the list. */
function passedFor(
  { service }: Listener,
  place: number,
  passed: readonly PassedSocket[],
): PassedSocket | undefined {
  const named = passed.some(({ name }) => ["odmr", "intake", "lmtp", "submission", "acme"].includes(name));
  return named ? passed.find(({ name }) => name === service) : passed[place];
}

function doorOf(listener: Listener, passed: PassedSocket | undefined): DoorPlan {
  return {
    service: listener.service,
    address: passed === undefined ? addressOf(listener.address) : { fd: passed.fd },
    startTls: listener.tls === "starttls",
    implicitTls: listener.tls === "implicit",
    requireTls: listener.requireTls,
    bareLineEnds: listener.bareLineEnds,
    admits: admission(listener.networks),
  };
}

/** A unix socket is for those of its group: the mail server beside us. */
const addressOf = (address: Listener["address"]): ListenAddress =>
  "path" in address ? { ...address, mode: 0o660 } : address;

function announce({ addresses }: Office, { listen }: Serve, log: Log): void {
  for (const [i, { address, port }] of addresses.entries()) {
    const { service, tls } = listen[i]!;
    const where =
      address === "unix" ? formatEndpoint(listen[i]!.address) : formatEndpoint({ host: address, port });
    log.log("info", "listening", { service, address: where, tls });
  }
}

/** What a new reading of the configuration is held against. */
interface Running {
  readonly office: Office;
  readonly listen: Serve["listen"];
  readonly log: Log;
  readonly secret: string | undefined;
}

/** The new configuration; undefined if it cannot be used, and the old one stays. */
async function reload(path: string | undefined, running: Running): Promise<Config | undefined> {
  const { office, listen, log, secret } = running;
  await notify("RELOADING=1");
  try {
    const config = await loadConfig(path);
    const tools = { random: systemRandom, clock: systemClock, log, secret, before: office.book };
    office.renew(await readBook(config, serveOf(config), tools));
    log.log("info", "reloaded", { file: config.file });
    if (JSON.stringify(serveOf(config).listen) !== JSON.stringify(listen))
      log.log("warn", "serve.listen has changed: that wants a restart", { file: config.file });
    return config;
  } catch (fault) {
    log.log("error", "not reloaded", { why: fault instanceof Error ? fault.message : String(fault) });
    return undefined;
  } finally {
    await notify("READY=1");
  }
}

/** Resolves at SIGTERM or SIGINT; SIGHUP calls `hangUp`. */
function untilToldToEnd(hangUp: () => Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    process.on("SIGHUP", () => void hangUp());
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
}
