/** Checks of whom we call: providers, smarthosts, and programs beside us. They are met as for work, and left before any. */
// A login is tried as it would be for a call; ATRN and MAIL are never said.
import { readFile } from "node:fs/promises";
import type { Account } from "../../src/config/config.ts";
import { type Endpoint, formatEndpoint } from "../../src/config/endpoint.ts";
import { readSecret } from "../../src/config/secret.ts";
import { pbkdf2Sha256 } from "../../src/platform/hash.ts";
import { CallError } from "../../src/relay/callerror.ts";
import { type Login, logIn } from "../../src/relay/login.ts";
import { planOf } from "../account.ts";
import { status } from "../exit.ts";
import { type Check, fail, ok, row, type Verdict, warn } from "./check.ts";
import { accountsOf, type Patient } from "./patient.ts";

const MINUTE = 60_000;
const STEP = 10_000;

const PROVIDERS = { check: "provider", group: "peers", within: 2 * MINUTE } as const;

export const peerChecks: readonly Check[] = [
  row({
    ...PROVIDERS,
    exit: status.unavailable,
    subjects: accountsOf,
    name: ({ name, provider }) => `${name} (${formatEndpoint(provider)})`,
    look: async (settings, patient) => {
      const { account } = await planOf(settings, patient.config);
      const met = await meet(account, patient);
      return providerVerdict(met, patient.clock.now());
    },
  }),
  row({
    ...PROVIDERS,
    check: "smarthost",
    exit: status.unavailable,
    subjects: smarthostsOf,
    name: ({ host, port }) => formatEndpoint({ host, port }),
    look: async ({ read }, patient) =>
      smarthostVerdict(await meet(await read(), patient), patient.clock.now()),
  }),
  row({
    check: "rspamd",
    group: "peers",
    exit: status.unavailable,
    subjects: ({ config }): readonly Endpoint[] => {
      const at = config.serve?.checks?.rspamd?.at;
      return at === undefined ? [] : [at];
    },
    name: formatEndpoint,
    look: async (at, { dial }) => {
      await (await dial(at, STEP)).close();
      return ok("it answers");
    },
  }),
];

interface Smarthost {
  readonly host: string;
  readonly port: number;
  read(): Promise<Login>;
}

function smarthostsOf(patient: Patient): readonly Smarthost[] {
  const { config } = patient;
  const { outbound } = config.serve ?? {};
  const at = outbound?.smarthost;
  const relay: readonly Smarthost[] =
    outbound === undefined || at === undefined
      ? []
      : [
          {
            host: at.host,
            port: at.port,
            read: async () => ({
              host: at.host,
              port: at.port,
              hostname: config.hostname,
              tls: outbound.tls ?? at.tls,
              ...(at.user !== undefined && { user: at.user }),
              ...(outbound.ca !== undefined && { ca: await readFile(outbound.ca, "utf8") }),
              ...(outbound.passwordFile !== undefined && {
                password: await readSecret(outbound.passwordFile),
              }),
            }),
          },
        ];
  return [...relay, ...accountsOf(patient).flatMap((account) => ofAccount(account, patient))];
}

function ofAccount(account: Account, { config }: Patient): readonly Smarthost[] {
  if (account.smarthost === undefined) return [];
  const { host, port } = account.smarthost.at;
  return [{ host, port, read: async () => (await planOf(account, config)).smarthost as Login }];
}

/** How it went with somebody whom we called. */
export type Met =
  | {
      readonly type: "known";
      readonly offers: readonly string[];
      readonly tls: string | undefined;
      /** When its certificate ends; undefined: there is none. */
      readonly notAfter: number | undefined;
      readonly host: string;
    }
  | { readonly type: "trouble"; readonly why: string; readonly fault: CallError["fault"] };

async function meet(login: Login, patient: Patient): Promise<Met> {
  const { host, port } = login;
  try {
    const talk = await logIn(
      { ...login, patience: STEP },
      {
        random: patient.random,
        pbkdf2: pbkdf2Sha256,
        connect: (tls) => patient.dial({ host, port }, STEP, tls),
      },
    );
    const { tls } = talk.connection;
    const offers = ["ATRN", "STARTTLS", "SIZE"].filter((name) => talk.capabilities.has(name));
    await talk.close();
    return { type: "known", offers, tls: tls?.protocol, notAfter: tls?.certificate?.notAfter, host };
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    return { type: "trouble", why: error.message, fault: error.fault };
  }
}

const DAY = 86_400_000;

export function providerVerdict(met: Met, now: number): Verdict {
  if (met.type === "known" && !met.offers.includes("ATRN"))
    return fail(
      "it takes our call, and does not offer ATRN: it is no ODMR provider",
      "see provider: and its port, 366",
    );
  return smarthostVerdict(met, now);
}

export function smarthostVerdict(met: Met, now: number): Verdict {
  if (met.type === "trouble")
    return {
      ...fail(met.why, mends[met.fault]),
      ...(met.fault === "refused" && { exit: status.noPermission }),
    };
  const { tls, notAfter = Number.POSITIVE_INFINITY, host } = met;
  const isHere = host === "localhost" || host === "::1" || host.startsWith("127.");
  if (tls === undefined && !isHere)
    return warn("it takes our call; the line is in the clear", "tls: starttls, or implicit");
  if (notAfter - now < 14 * DAY)
    return warn(
      `it takes our call; its certificate ends on ${new Date(notAfter).toISOString().slice(0, 10)}`,
      "tell whoever runs it",
    );
  return ok(`it takes our call; ${tls ?? "in the clear"}`);
}

const mends: Readonly<Record<CallError["fault"], string>> = {
  unreachable: "see the name, the port, the network, and that it runs",
  later: "try again later; see its log",
  protocol: "see that it is the right port, and tls:",
  refused: "see user, password and certificate, here and there",
};
