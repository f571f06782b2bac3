/** A configuration as the program uses it: what the file says, with what follows from it filled in. */

import { dirname, join } from "node:path";
import type { Endpoint } from "./endpoint.ts";
import type { Settings } from "./schema.ts";
import type { Target } from "./target.ts";

type Serve = NonNullable<Settings["serve"]>;
type Pull = NonNullable<Settings["pull"]>;

export type Customer = Serve["customers"][number];
export type Limits = Serve["limits"];
export type Checks = NonNullable<Serve["checks"]>;
export type Account = Pull["accounts"][number];
export type Rule = Account["deliver"][number];
export type Outbound = NonNullable<Serve["outbound"]>;
/** Where a rule may bring mail. */
export const targetsOf = ({ to = [], otherwise }: Rule): readonly Target[] => [
  ...[to].flat(),
  ...(otherwise === undefined ? [] : [otherwise]),
];

/** How often an account is called of which nothing is said, in milliseconds. */
export const USUALLY = 15 * 60_000;

export type Outgoing = NonNullable<Pull["outgoing"]>;
export type AccountSmarthost = NonNullable<Account["smarthost"]>;
export type Admin = NonNullable<Settings["admin"]>;

type TlsSettings = NonNullable<Settings["tls"]>;
type AcmeSettings = NonNullable<TlsSettings["acme"]>;

/** The certificate and its key are named, whether they are there or are still to be made (`self`) or had (`acme`: in one file). */
export type Tls = Omit<TlsSettings, "acme"> & {
  readonly certificate: string;
  readonly key: string;
  readonly acme?: Acme | undefined;
};

/** How a certificate is had by ACME, with nothing left open. */
export interface Acme extends Omit<AcmeSettings, "names" | "listen"> {
  readonly names: readonly string[];
  /** undefined: nobody asks. */
  readonly listen: Endpoint | undefined;
  /** The file with the account's key. */
  readonly account: string;
}

type ListenerSettings = Serve["listen"][number];

/** A listener, with nothing left open. */
export interface Listener extends ListenerSettings {
  readonly tls: "starttls" | "implicit" | "none";
  readonly requireTls: boolean;
  /** Empty: everybody may connect. */
  readonly networks: string[];
}

export interface Config extends Omit<Settings, "serve" | "tls"> {
  /** The file it was read from. */
  readonly file: string;
  /** What the names of files begin with that the program makes for itself: the spool's, or this file's where that is a database. */
  readonly state: string;
  readonly tls?: Tls | undefined;
  readonly serve?:
    | (Omit<Serve, "listen"> & { readonly listen: readonly Listener[]; readonly customersFolder: string })
    | undefined;
}

const LOOPBACK = ["127.0.0.0/8", "::1"];

/** Fills in what the file leaves open. */
export function complete(settings: Settings, file: string): Config {
  const { serve, tls, ...rest } = settings;
  const state = isDatabase(settings.spool) ? join(dirname(file), "odmr") : settings.spool;
  const known = { ...rest, file, state, ...(tls && { tls: completeTls(tls, state, rest.hostname) }) };
  if (serve === undefined) return known;
  const listen = serve.listen.map((each) => completeListener(each, tls !== undefined));
  const { customersFolder = `${state}.customers` } = serve;
  return { ...known, serve: { ...serve, listen, customersFolder } };
}

const isDatabase = (spool: string): boolean => /^postgres(?:ql)?:/.test(spool);

function completeTls({ acme, ...tls }: TlsSettings, state: string, hostname: string): Tls {
  if (acme !== undefined) {
    const kept = `${state}.acme.pem`;
    return { ...tls, certificate: kept, key: kept, acme: completeAcme(acme, state, hostname) };
  }
  const { certificate = `${state}.crt`, key = `${state}.key` } = tls;
  return { ...tls, certificate, key };
}

function completeAcme(acme: AcmeSettings, state: string, hostname: string): Acme {
  const { names = [hostname], challenge } = acme;
  const usual = { http: { host: "::", port: 80 }, alpn: { host: "::", port: 443 }, dns: undefined }[
    challenge
  ];
  return { ...acme, names, listen: acme.listen ?? usual, account: `${state}.acme.key` };
}

function completeListener(listener: ListenerSettings, certified: boolean): Listener {
  const { service, address } = listener;
  const tls = listener.tls ?? (certified && !("path" in address) ? "starttls" : "none");
  return {
    ...listener,
    tls,
    // Passwords and a customer's mail should not pass in the clear where TLS is to be had; the world's mail may.
    requireTls:
      listener.requireTls ?? ((service === "odmr" || service === "submission") && tls === "starttls"),
    networks: listener.networks ?? (service === "lmtp" ? LOOPBACK : []),
  };
}
