/** Where a shared spool is: `postgres://user@host:port,host:port/database?schema=…`. */
// No password in it: addresses are shown, logged and seen in lists of processes.
import { SpoolError } from "../spool.ts";

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
}

const SCHEME = /^postgres(?:ql)?:\/\//;
const PORT = 5432;

/** Whether a spool's name is of a shared one. */
export function isPostgres(spool: string): boolean {
  return SCHEME.test(spool);
}

const parameters = ["schema", "host", "passwordFile", "sslmode", "sslrootcert"] as const;
type Parameter = (typeof parameters)[number];
const modes = ["disable", "require", "verify-full"] as const;

/** @throws SpoolError "io" that says what is wrong, never the password */
export function parsePostgres(spool: string): PostgresAddress {
  const [, user, password, places = "", database = "", query = ""] =
    /^postgres(?:ql)?:\/\/(?:([^:@/?]*)(?::([^@/?]*))?@)?([^/?]*)\/?([^?]*)(?:\?(.*))?$/.exec(spool) ??
    fail("it");
  if (password !== undefined)
    fail(
      "a password in it",
      "put it into a file and write ?passwordFile=/etc/odmr/spool.secret, or use PGPASSFILE",
    );
  const asked = new URLSearchParams(query);
  for (const name of asked.keys())
    if (!parameters.includes(name as Parameter)) fail(name, `it may have ${parameters.join(", ")}`);
  const of = (name: Parameter): string | undefined => asked.get(name) ?? undefined;
  const hosts = hostsOf(of("host") ?? places);
  const schema = of("schema");
  if (schema !== undefined && !/^[a-z_][a-z0-9_]{0,62}$/.test(schema))
    fail("its schema", "write small letters, digits and underscores");
  return {
    hosts,
    database: decodeURIComponent(database),
    user: user === undefined || user === "" ? undefined : decodeURIComponent(user),
    schema,
    passwordFile: of("passwordFile"),
    tls: modeOf(of("sslmode"), hosts),
    ca: of("sslrootcert"),
  };
}

/** How it is shown: without parameters. */
export function shownPostgres(spool: string): string {
  return spool.replace(/\?.*$/, "").replace(/\/\/([^:@/]*):[^@/]*@/, "//$1@");
}

function hostsOf(places: string): PostgresAddress["hosts"] {
  if (places.startsWith("/")) return [{ host: places, port: PORT }];
  return (places === "" ? "localhost" : places).split(",").map((place) => {
    const [, host = "", port] =
      /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(decodeURIComponent(place)) ?? fail("its host");
    return { host: host.replace(/^\[|\]$/g, ""), port: Number(port ?? PORT) };
  });
}

/** Over a network the server has to show who it is, unless it is said that it need not. */
function modeOf(mode: string | undefined, hosts: PostgresAddress["hosts"]): PostgresAddress["tls"] {
  if (mode === undefined)
    return hosts.every(({ host }) => /^\/|^localhost$|^127\.|^::1$/.test(host)) ? "disable" : "verify-full";
  return modes.find((known) => known === mode) ?? fail("its sslmode", `write ${modes.join(", ")}`);
}

function fail(what: string, how = "write postgres://user@host:port/database?schema=…"): never {
  throw new SpoolError("io", `the spool's address: ${what} is not understood; ${how}`);
}
