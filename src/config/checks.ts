/** What is wrong with a configuration as a whole, where each key alone is right. */
// Problems make it unusable; remarks are things that work and are seldom meant.

import { domainOf } from "../wire/address.ts";
import { USUALLY } from "./config.ts";
import { type Endpoint, formatEndpoint } from "./endpoint.ts";
import type { Path, Problem } from "./problems.ts";
import type { Settings } from "./schema.ts";
import type { Target } from "./target.ts";
import { formatDuration } from "./units.ts";

export const problemsOf = (settings: Settings): readonly Problem[] =>
  problemChecks.flatMap((check) => [...check(settings)]);
export const remarksOn = (settings: Settings): readonly Problem[] =>
  remarkChecks.flatMap((check) => [...check(settings)]);

type Check = (settings: Settings) => Iterable<Problem>;

const LISTEN = ["serve", "listen"] as const;
const CUSTOMERS = ["serve", "customers"] as const;
const ACCOUNTS = ["pull", "accounts"] as const;

const problemChecks: readonly Check[] = [
  function* certificatesWithoutKey({ tls }) {
    if (tls === undefined) return;
    const own = (["self", "acme"] as const).find((way) => tls[way] !== undefined);
    for (const key of ["certificate", "key"] as const)
      if ((tls[key] === undefined) === (own === undefined))
        yield own
          ? { path: ["tls", key], of: "key", message: `with ${own} odmr has its own; take one out` }
          : {
              path: ["tls"],
              message: `${key} is missing; write certificate and key, or without them self: true, or acme: { agree: true }`,
            };
    if (tls.self !== undefined && tls.acme !== undefined)
      yield { path: ["tls", "self"], of: "key", message: "with acme there is a certificate; take one out" };
  },
  function* listenersWithoutCertificate({ tls, serve }) {
    for (const [i, listener] of (serve?.listen ?? []).entries())
      if (tls === undefined && (listener.tls === "implicit" || listener.tls === "starttls"))
        yield {
          path: [...LISTEN, i, "tls"],
          message: `${listener.tls} needs a certificate; write tls: { certificate: …, key: … }, or tls: { self: true }`,
        };
  },
  function* requiredTlsThatIsNotThere({ tls, serve }) {
    for (const [i, { requireTls, tls: mode }] of (serve?.listen ?? []).entries())
      if (requireTls && (mode === "none" || tls === undefined))
        yield {
          path: [...LISTEN, i, "requireTls"],
          message: "nobody could use this listener; write tls: starttls and a certificate",
        };
  },
  ({ serve }) =>
    repeated(
      (serve?.listen ?? []).flatMap(({ address }, i) =>
        // Port 0 is another free port each time.
        "port" in address && address.port === 0 ? [] : [[keyOf(address), [...LISTEN, i, "address"]] as const],
      ),
      (address, first) => `${address} is listened on by ${first} too; write another port`,
    ),
  ({ serve }) =>
    repeated(
      names(serve?.customers, CUSTOMERS),
      (name) => `two customers are called ${name}; write another name`,
    ),
  ({ pull }) =>
    repeated(
      names(pull?.accounts, ACCOUNTS),
      (name) => `two accounts are called ${name}; write another name`,
    ),
  ({ serve }) =>
    repeated(
      (serve?.customers ?? []).flatMap(({ domains }, i) =>
        domains.map((domain, j): Named => [domain, [...CUSTOMERS, i, "domains", j]]),
      ),
      (domain, first) => `${domain} is in ${first} too; a domain has one customer, take one out`,
    ),
  function* postmasterOfNobody({ serve }) {
    const domain = domainOf(serve?.postmaster ?? "");
    if (domain !== "" && !serve?.customers.some(({ domains }) => domains.includes(domain)))
      yield {
        path: ["serve", "postmaster"],
        message: `no customer has ${domain}; write an address in a customer's domain`,
      };
  },
  function* customersWithoutCredentials({ serve }) {
    for (const [i, { password, scram, certificate }] of (serve?.customers ?? []).entries()) {
      if (password === undefined && scram === undefined && certificate === undefined)
        yield {
          path: [...CUSTOMERS, i],
          message: "it cannot prove who it is; write password: { file: … }, scram or certificate",
        };
      if (password !== undefined && scram !== undefined)
        yield {
          path: [...CUSTOMERS, i, "scram"],
          of: "key",
          message: "there is a password too; take one out",
        };
    }
  },
  function* certificateNamesWithoutCa({ tls, serve }) {
    for (const [i, { certificate }] of (serve?.customers ?? []).entries())
      if (certificate !== undefined && "name" in certificate && tls?.clientCa === undefined)
        yield {
          path: [...CUSTOMERS, i, "certificate"],
          message: "a name counts only with a CA; write tls.clientCa, or a fingerprint",
        };
  },
  function* listsWithoutCa({ tls }) {
    if (tls?.clientCrl !== undefined && tls.clientCa === undefined)
      yield { path: ["tls", "clientCrl"], of: "key", message: "whose list is it? write tls.clientCa too" };
  },
  function* accountsWithoutCredentials({ pull }) {
    for (const [i, { user, password, certificate, tls }] of (pull?.accounts ?? []).entries()) {
      if (password === undefined && certificate === undefined)
        yield {
          path: [...ACCOUNTS, i],
          message: "it cannot prove who it is; write user and password: { file: … }, or certificate",
        };
      if (password !== undefined && user === undefined)
        yield { path: [...ACCOUNTS, i], message: "a password without a user; write user: home" };
      if (certificate !== undefined && tls === "none")
        yield {
          path: [...ACCOUNTS, i, "certificate"],
          of: "key",
          message: "a certificate is shown under TLS only; write tls: starttls",
        };
    }
  },
  function* keysForOthersDomains({ serve }) {
    for (const [i, { domains, dkim }] of (serve?.customers ?? []).entries())
      for (const [j, domain] of (dkim?.domains ?? []).entries())
        if (!domains.includes(domain))
          yield {
            path: [...CUSTOMERS, i, "dkim", "domains", j],
            message: `${domain} is none of this customer's domains; take it out`,
          };
  },
  function* twoSchedules({ pull }) {
    for (const [i, { every, schedule }] of (pull?.accounts ?? []).entries())
      if (every !== undefined && schedule !== undefined)
        yield {
          path: [...ACCOUNTS, i, "every"],
          of: "key",
          message: "there is a schedule too; take one out",
        };
  },
  function* jitterOverEvery({ pull }) {
    for (const [i, { every = USUALLY, schedule, jitter = 0 }] of (pull?.accounts ?? []).entries())
      if (schedule === undefined && jitter > every / 2)
        yield {
          path: [...ACCOUNTS, i, "jitter"],
          message: `it is more than half of every; write ${formatDuration(every / 2)} at most`,
        };
  },
  function* outgoingByNobody({ pull }) {
    const via = pull?.outgoing?.via;
    const names = pull?.accounts.map(({ name }) => name) ?? [];
    if (via !== undefined && !names.includes(via))
      yield {
        path: ["pull", "outgoing", "via"],
        message: `there is no account ${via}; write ${names.join(" or ")}`,
      };
  },
  function* redirectionsWithoutAWay({ pull }) {
    const ours = new Set(pull?.accounts.flatMap(({ domains }) => domains));
    for (const [path, { redirect }] of rules(pull))
      if (redirect !== undefined && pull?.outgoing === undefined && !ours.has(domainOf(redirect)))
        yield {
          path: [...path, "redirect"],
          message:
            "it leaves the house, and no mail does; write pull.outgoing, or an address of one of the domains",
        };
  },
  function* smarthostsWithoutPassword({ pull }) {
    for (const [i, { smarthost }] of (pull?.accounts ?? []).entries())
      if (smarthost?.at.user !== undefined && !("password" in smarthost && smarthost.password !== undefined))
        yield {
          path: [...ACCOUNTS, i, "smarthost"],
          message: 'its user has no password; write { at: "smtp://user@host:587", password: { file: … } }',
        };
  },
  function* pinAndCa({ pull }) {
    for (const [i, { pin, ca }] of (pull?.accounts ?? []).entries())
      if (pin !== undefined && ca !== undefined)
        yield {
          path: [...ACCOUNTS, i, "pin"],
          of: "key",
          message: "with a pin the CA is not asked; take one out",
        };
  },
];

const remarkChecks: readonly Check[] = [
  function* oneMailboxForAll({ pull }) {
    for (const [path, { match, to = [] }] of rules(pull))
      if (match.replace(/@.*/, "").includes("*") && [to].flat().some(isOneMailbox))
        yield {
          path: [...path, "to"],
          message: `all that ${match} takes goes into one mailbox; {local} in the path gives each its own`,
        };
  },
  function* rulesBehindAll({ pull }) {
    for (const [i, { deliver }] of (pull?.accounts ?? []).entries()) {
      const all = deliver.findIndex(takesAll);
      if (all >= 0 && all < deliver.length - 1)
        yield {
          path: [...ACCOUNTS, i, "deliver", all + 1],
          message: 'this rule is never reached; put the rule for "*" last',
        };
    }
  },
  function* passwordsInTheClear({ pull }) {
    for (const [i, { tls, provider }] of (pull?.accounts ?? []).entries())
      if (tls === "none" && !isHere(provider.host))
        yield {
          path: [...ACCOUNTS, i, "tls"],
          message: "mail and login pass in the clear; write starttls or implicit",
        };
  },
  function* adminInTheClear({ admin }) {
    if (admin !== undefined && "host" in admin.listen && !isHere(admin.listen.host))
      yield {
        path: ["admin", "listen"],
        message: "the token and the mail pass in the clear; listen on 127.0.0.1 and put TLS before it",
      };
  },
];

type Rule = NonNullable<Settings["pull"]>["accounts"][number]["deliver"][number];

/** Whether nothing passes by this rule. */
const takesAll = ({ match, from, largerThan, smallerThan, header }: Rule): boolean =>
  match === "*" && [from, largerThan, smallerThan, header].every((condition) => condition === undefined);

/** A path that is the same for all. */
const isOneMailbox = (target: Target): boolean =>
  (target.type === "maildir" || target.type === "mbox") && !/\{(local|recipient)\}/.test(target.path);

type Named = readonly [name: string, path: Path];

/** Whether a host is this one. */
const isHere = (host: string): boolean => /^(localhost|127\..*|::1)$/.test(host);

/** All but the first of those with the same name. */
function* repeated(
  all: readonly Named[],
  message: (name: string, first: string) => string,
): Iterable<Problem> {
  const firsts = new Map<string, Path>();
  for (const [name, path] of all) {
    const first = firsts.get(name);
    if (first === undefined) firsts.set(name, path);
    else yield { path, message: message(name, ordinal(first)) };
  }
}

/** `customer 2`: how a person counts. */
const ordinal = ([, list = "", position = 0]: Path): string =>
  `${nouns[String(list)] ?? list} ${Number(position) + 1}`;
const nouns: Readonly<Record<string, string>> = {
  listen: "listener",
  customers: "customer",
  accounts: "account",
};

const names = (all: readonly { readonly name: string }[] | undefined, at: Path): readonly Named[] =>
  (all ?? []).map(({ name }, i) => [name, [...at, i, "name"]]);

const keyOf = (address: Endpoint): string => formatEndpoint(address).toLowerCase();

function* rules(pull: Settings["pull"]) {
  for (const [i, { deliver }] of (pull?.accounts ?? []).entries())
    for (const [j, rule] of deliver.entries()) yield [[...ACCOUNTS, i, "deliver", j], rule] as const;
}
