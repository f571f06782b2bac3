/** Checks of listeners: who answers there, what certificate is shown, and that nobody's mail is relayed. */
// They are dialled from this machine alone: whether the world reaches them is seen only from the world.
import { networkInterfaces } from "node:os";
import type { Listener } from "../../src/config/config.ts";
import { type Endpoint, formatEndpoint } from "../../src/config/endpoint.ts";
import { type ClientTls, type Connection, ConnectionError } from "../../src/net/connection.ts";
import { LineError, Talk } from "../../src/net/talk.ts";
import { greetingOf } from "../../src/relay/reception.ts";
import { replyLine } from "../../src/wire/reply.ts";
import { admission } from "../admission.ts";
import { status } from "../exit.ts";
import { chainIn } from "./certificate.ts";
import { type Check, fail, ok, row, skipped, type Verdict, warn } from "./check.ts";
import { domainsOf } from "./names.ts";
import { relaying, relayVerdict } from "./openrelay.ts";
import type { Patient, Reach } from "./patient.ts";

const MINUTE = 60_000;

/** A place where something of ours should answer. */
export interface Door {
  readonly service: Listener["service"] | "outgoing";
  readonly address: Endpoint;
  readonly tls: Listener["tls"];
  readonly networks: readonly string[];
  /** Whose command opens it. */
  readonly opener: string;
}

const names = {
  name: ({ service, address }: Door): string => `${service} on ${formatEndpoint(address)}`,
  group: "listeners",
  within: 2 * MINUTE,
} as const;

export const listenerChecks: readonly Check[] = [
  row({
    ...names,
    check: "listener",
    exit: status.unavailable,
    subjects: doorsOf,
    look: async (door, patient) =>
      listenerVerdict(door, {
        hostname: patient.config.hostname,
        heard: await hear(door, patient),
        interfaces: patient.interfaces,
      }),
  }),
  row({
    ...names,
    check: "shown-certificate",
    exit: status.config,
    subjects: (patient) => doorsOf(patient).filter(({ tls }) => tls !== "none"),
    look: (door, patient) =>
      onLine(door, patient, async (connection) => {
        const [leaf] = await chainIn(patient.config.tls?.certificate ?? "");
        const shown = await shownOn(connection, door, patient);
        return shownVerdict(
          shown,
          leaf?.fingerprint256.replaceAll(":", "").toLowerCase(),
          patient.clock.now(),
        );
      }),
  }),
  row({
    ...names,
    check: "open-relay",
    exit: status.config,
    subjects: (patient) => doorsOf(patient).filter(({ service }) => service !== "outgoing"),
    look: (door, patient) =>
      onLine(door, patient, async (connection) => {
        const { hostname } = patient.config;
        const [ours = "example.org"] = domainsOf(patient).map(({ domain }) => domain);
        const trial = { service: door.service, ours, hostname, patience: patienceOf(patient) };
        const found = await relaying(connection, trial);
        return typeof found === "string"
          ? skipped(`it does not take calls now: ${found}`)
          : relayVerdict(found, ours);
      }),
  }),
  row({
    check: "admin",
    group: "listeners",
    exit: status.unavailable,
    subjects: ({ config }) => (config.admin === undefined ? [] : [config.admin.listen]),
    name: formatEndpoint,
    look: (listen, patient) => adminVerdict(listen, patient),
  }),
  row({
    check: "outside",
    group: "listeners",
    exit: status.unavailable,
    subjects: ({ config }) => (config.serve === undefined ? [] : [config.hostname]),
    name: (host) => host,
    look: async (host, patient) => {
      const open = doorsOf(patient).flatMap(({ address }) =>
        "path" in address || isLocal(address.host) ? [] : [address.port],
      );
      return skipped(
        "whether the world reaches it cannot be seen from here",
        `from elsewhere: ${open.map((port) => `nc -vz ${host} ${port}`).join("; ") || "nothing is open to it"}`,
      );
    },
  }),
];

export function doorsOf({ config }: Patient): readonly Door[] {
  const { serve, pull } = config;
  const outgoing = pull?.outgoing;
  return [
    ...(serve?.listen ?? []).map((each) => ({ ...each, opener: "odmr serve" })),
    ...(outgoing?.listen === undefined
      ? []
      : [
          {
            service: "outgoing" as const,
            address: outgoing.listen,
            tls: "none" as const,
            networks: outgoing.networks,
            opener: "odmr pull --daemon",
          },
        ]),
  ];
}

const isLocal = (host: string): boolean => host === "localhost" || host === "::1" || host.startsWith("127.");

/** From here, an address that stands for all is dialled at loopback. */
function reachOf(address: Endpoint): Reach {
  if ("path" in address) return address;
  const host = { "0.0.0.0": "127.0.0.1", "::": "::1" }[address.host] ?? address.host;
  return { host, port: address.port };
}

/** Whether a call from this machine is let in there: a network that leaves it out is meant so. */
function isAdmitted({ address, networks }: Door): boolean {
  const reach = reachOf(address);
  return (
    "path" in reach || reach.host === "localhost" || admission(networks)({ address: reach.host, port: 0 })
  );
}

const anybody: ClientTls = { servername: "localhost", anybody: true };
const STEP = 10_000;

const patienceOf = ({ config }: Patient): number => STEP + (config.serve?.checks?.greetingDelay ?? 0);

function reach({ address, tls }: Door, { dial }: Patient): Promise<Connection> {
  return dial(reachOf(address), STEP, tls === "implicit" ? anybody : undefined);
}

/** What was heard at a door: its greeting, that nobody is there, or another trouble. */
export type Heard =
  | { readonly type: "greeting"; readonly line: string }
  | { readonly type: "nobody" }
  | { readonly type: "shut" }
  | { readonly type: "trouble"; readonly why: string };

async function hear(door: Door, patient: Patient): Promise<Heard> {
  if (!isAdmitted(door)) return { type: "shut" };
  try {
    const talk = new Talk(await reach(door, patient), dialectOf(door));
    try {
      return { type: "greeting", line: replyLine(await talk.greeting(patienceOf(patient))) };
    } finally {
      await talk.close();
    }
  } catch (error) {
    return heardIn(error);
  }
}

/** @throws what is no trouble of a line */
function heardIn(error: unknown): Heard {
  const isNobody = error instanceof ConnectionError && error.fault === "refused";
  const cause = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
  if (isNobody || cause?.code === "ENOENT") return { type: "nobody" };
  if (error instanceof ConnectionError || error instanceof LineError)
    return { type: "trouble", why: error.message };
  throw error;
}

const dialectOf = ({ service }: Door): "SMTP" | "LMTP" => (service === "lmtp" ? "LMTP" : "SMTP");

export interface Hearing {
  readonly hostname: string;
  readonly heard: Heard;
  readonly interfaces: readonly string[];
}

export function listenerVerdict(door: Door, { hostname, heard, interfaces }: Hearing): Verdict {
  const { address, service, opener } = door;
  switch (heard.type) {
    case "greeting": {
      const expected = service === "outgoing" ? `220 ${hostname} ` : `220 ${hostname} ${greetingOf[service]}`;
      const isOurs = service === "outgoing" ? heard.line.startsWith(expected) : heard.line === expected;
      return isOurs
        ? ok("answers, and is ours")
        : fail(`another program answers: ${heard.line}`, "stop it, or give one of them another port");
    }
    case "nobody":
      return !("path" in address) && !isHere(address.host, interfaces)
        ? fail(
            `nobody answers, and ${address.host} is no address of this machine`,
            "listen on one that is, or on 0.0.0.0",
          )
        : warn("nobody answers", `start ${opener}; if it runs, its log says why it could not listen`);
    case "shut":
      return skipped("its networks leave this machine out");
    case "trouble":
      return fail(heard.why, `see the log of ${opener}`);
    default:
      return heard satisfies never;
  }
}

const isHere = (host: string, interfaces: readonly string[]): boolean =>
  ["0.0.0.0", "::", "localhost"].includes(host) ||
  isLocal(host) ||
  interfaces.includes(host) ||
  /[^\d.:a-f]/i.test(host);

/** A line to one of our own doors, closed in the end; where nobody answers, `listener` tells of it. */
async function onLine(
  door: Door,
  patient: Patient,
  look: (connection: Connection) => Promise<Verdict>,
): Promise<Verdict> {
  if (!isAdmitted(door)) return skipped("its networks leave this machine out");
  let connection: Connection | undefined;
  try {
    connection = await reach(door, patient);
    return await look(connection);
  } catch (error) {
    const heard = heardIn(error);
    return skipped(heard.type === "trouble" ? heard.why : "nobody answers there");
  } finally {
    await connection?.close();
  }
}

interface ShownCertificate {
  readonly fingerprint: string;
  readonly notAfter: number;
}

/** The certificate that is shown on this line, by STARTTLS where it is not under TLS yet. */
async function shownOn(
  connection: Connection,
  door: Door,
  patient: Patient,
): Promise<ShownCertificate | undefined> {
  if (door.tls === "implicit") return connection.tls?.certificate;
  const talk = new Talk(connection, dialectOf(door));
  await talk.greeting(patienceOf(patient));
  const verb = door.service === "lmtp" ? "LHLO" : "EHLO";
  await talk.ask({ verb, name: patient.config.hostname }, STEP);
  if (!talk.capabilities.has("STARTTLS")) return undefined;
  await talk.ask({ verb: "STARTTLS" }, STEP);
  const secured = await connection.startTls({ as: "client", tls: anybody }, STEP);
  const shown = secured.tls?.certificate;
  await secured.close();
  return shown;
}

/** @param wanted the fingerprint of the certificate in the file */
export function shownVerdict(
  shown: ShownCertificate | undefined,
  wanted: string | undefined,
  now: number,
): Verdict {
  if (shown === undefined)
    return fail("it offers no TLS", "see the log of odmr serve, and tls: in its configuration");
  const reload = "systemctl reload odmr, or SIGHUP, after each renewal";
  if (shown.notAfter <= now) return fail("the certificate that it shows has expired", reload);
  return shown.fingerprint === wanted
    ? ok("it shows the certificate of the file")
    : warn("it shows another certificate than the file holds", reload);
}

async function adminVerdict(listen: Endpoint, { dial }: Patient): Promise<Verdict> {
  const open = !("path" in listen) && !isLocal(listen.host);
  const connection = await dial(reachOf(listen), STEP).catch((error: unknown) => heardIn(error));
  if ("type" in connection)
    return connection.type === "nobody"
      ? warn("nobody answers", "start odmr serve, or odmr admin-http")
      : fail("why" in connection ? connection.why : "it does not answer", "see the log of odmr serve");
  await connection.close();
  return open
    ? warn(
        "it answers, to more than this machine, without TLS",
        "listen on 127.0.0.1, behind a proxy with TLS or a tunnel",
      )
    : ok("answers, on this machine alone");
}

/** The addresses of this machine. */
export function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
}
