/** Where a shared spool is: `postgres://user@host:port,host:port/database?schema=…`. */
// No password in it: addresses are shown, logged and seen in lists of processes.
import { type ObjectPlace, PlaceError, parsePlace } from "../objects/place.ts";

/** A database, and the schema in it that the spool's tables are in. */
export interface PostgresAddress {
  /** Tried in this order; a path is the folder of a unix socket. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly database: string;
  readonly user: string | undefined;
  /** undefined: where the database puts its user's tables. */
  readonly schema: string | undefined;
  /** A file that holds the password on one line; undefined: PGPASSFILE or ~/.pgpass, if any. */
  readonly passwordFile: string | undefined;
  readonly tls: "disable" | "require" | "verify-full";
  /** The CA of the server's certificate, PEM; undefined: the system's. */
  readonly ca: string | undefined;
  /** A pooler stands in between that gives each transaction another session: none is to be counted on. */
  readonly pooled: boolean;
  /** Where large bodies go; undefined: where the spool has them, at first its own tables. */
  readonly bodies: ObjectPlace | undefined;
  /** A file with the keys to it; undefined: the environment, or ~/.aws/credentials. */
  readonly credentials: string | undefined;
}

const SCHEME = /^postgres(?:ql)?:\/\//;
const PORT = 5432;

/** What is wrong with an address, and what to write. */
export class AddressError extends Error {
  override readonly name = "AddressError";
}

/** Whether a spool's name is of a shared one. */
export function isPostgres(spool: string): boolean {
  return SCHEME.test(spool);
}

const parameters = [
  "schema",
  "host",
  "passwordFile",
  "sslmode",
  "sslrootcert",
  "pooler",
  "bodies",
  "endpoint",
  "region",
  "credentials",
] as const;
type Parameter = (typeof parameters)[number];
const modes = ["disable", "require", "verify-full"] as const;

/** @throws AddressError that says what is wrong, never the password */
export function parsePostgres(spool: string): PostgresAddress {
  const [, user, password, places = "", database = "", query = ""] =
    /^postgres(?:ql)?:\/\/(?:([^:@/?]*)(?::([^@/?]*))?@)?([^/?]*)\/?([^?]*)(?:\?(.*))?$/.exec(spool) ??
    fail("it");
  if (password !== undefined)
    fail(
      "a password in the spool's address",
      "put it into a file and write ?passwordFile=/etc/odmr/spool.secret, or use PGPASSFILE",
    );
  const asked = new URLSearchParams(query);
  for (const name of asked.keys())
    if (!parameters.includes(name as Parameter))
      fail(`"${name}" in the spool's address`, `it may have ${parameters.join(", ")}`);
  const of = (name: Parameter): string | undefined => asked.get(name) ?? undefined;
  const hosts = hostsOf(of("host") ?? places);
  const schema = of("schema");
  if (schema !== undefined && !/^[a-z_][a-z0-9_]{0,62}$/.test(schema))
    fail("the schema of the spool's address", "write small letters, digits and underscores");
  return {
    hosts,
    database: decodeURIComponent(database),
    user: user === undefined || user === "" ? undefined : decodeURIComponent(user),
    schema,
    passwordFile: of("passwordFile"),
    tls: modeOf(of("sslmode"), hosts),
    ca: of("sslrootcert"),
    pooled: pooledBy(of("pooler"), schema),
    bodies: placeOf(of("bodies"), { endpoint: of("endpoint"), region: of("region") }),
    credentials: of("credentials"),
  };
}

/** The same address with the files that it names placed elsewhere. @throws AddressError */
export function placedPostgres(spool: string, placed: (file: string) => string): string {
  const { passwordFile, ca, credentials } = parsePostgres(spool);
  const [address = "", query] = spool.split("?");
  const asked = new URLSearchParams(query);
  if (passwordFile !== undefined) asked.set("passwordFile", placed(passwordFile));
  if (ca !== undefined) asked.set("sslrootcert", placed(ca));
  if (credentials !== undefined) asked.set("credentials", placed(credentials));
  return asked.size === 0 ? address : `${address}?${asked}`.replaceAll("%2F", "/").replaceAll("%3A", ":");
}

/** How it is shown: without parameters. */
export function shownPostgres(spool: string): string {
  return spool.replace(/\?.*$/, "").replace(/\/\/([^:@/]*):[^@/]*@/, "//$1@");
}

function hostsOf(places: string): PostgresAddress["hosts"] {
  if (places.startsWith("/")) return [{ host: places, port: PORT }];
  return (places === "" ? "localhost" : places).split(",").map((place) => {
    const [, host = "", port] =
      /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(decodeURIComponent(place)) ??
      fail("the host of the spool's address");
    return { host: host.replace(/^\[|\]$/g, ""), port: Number(port ?? PORT) };
  });
}

/** Over a network the server has to show who it is, unless it is said that it need not. */
function modeOf(mode: string | undefined, hosts: PostgresAddress["hosts"]): PostgresAddress["tls"] {
  if (mode === undefined)
    return hosts.every(({ host }) => /^\/|^localhost$|^127\.|^::1$/.test(host)) ? "disable" : "verify-full";
  return (
    modes.find((known) => known === mode) ??
    fail("the sslmode of the spool's address", `write ${modes.join(", ")}`)
  );
}

/** What a connection is given at its start, a pooler does not hand on. */
function pooledBy(pooler: string | undefined, schema: string | undefined): boolean {
  if (pooler === undefined) return false;
  if (pooler !== "transaction") fail("the pooler of the spool's address", "write pooler=transaction");
  if (schema !== undefined)
    fail("a schema behind a pooler", "take it out, and write ALTER ROLE … SET search_path in the database");
  return true;
}

function placeOf(
  bodies: string | undefined,
  server: { readonly endpoint: string | undefined; readonly region: string | undefined },
): ObjectPlace | undefined {
  if (bodies === undefined) {
    if (server.endpoint === undefined && server.region === undefined) return undefined;
    return fail("an endpoint without bodies in the spool's address", "write bodies=s3://bucket/prefix too");
  }
  try {
    return parsePlace(bodies, server);
  } catch (error) {
    if (!(error instanceof PlaceError)) throw error;
    throw new AddressError(`the bodies of the spool's address: ${error.message}`);
  }
}

function fail(what: string, how = "write postgres://user@host:port/database?schema=name"): never {
  throw new AddressError(`${what} is not understood; ${how}`);
}
