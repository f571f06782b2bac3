/** One connection to PostgreSQL: statements in, rows out, and one moment at which it is known to be gone. */
// The driver is loaded with the first. After the end nothing is sent any more: the driver would send it into nowhere.
import { readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import type { PostgresAddress } from "./address.ts";
import { faultOf, PostgresFault } from "./fault.ts";
import { passwordOf } from "./password.ts";
import type { Value } from "./rows.ts";

export interface Connection {
  /** Statements may be sent before the last one is answered; they run in their order. @throws PostgresFault */
  all<Row extends object>(sql: string, values?: readonly Value[]): Promise<readonly Row[]>;
  /** Several statements without values. @throws PostgresFault */
  exec(sql: string): Promise<void>;
  /** Tells of what others notify on a channel; of nothing, where there is no session of its own. */
  listen(channel: string, tell: (payload: string) => void): Promise<void>;
  readonly gone: boolean;
  /** Ends it at once, whatever is under way. */
  end(): void;
}

/** What the driver gives for int8 and bytea; times and sizes fit a number. */
const types = {
  int8: { to: 20, from: [20], serialize: (n: number) => String(Math.round(n)), parse: Number },
  octets: {
    to: 17,
    from: [17],
    serialize: (octets: Uint8Array) => `\\x${Buffer.from(octets).toString("hex")}`,
    parse: (hex: string) => {
      const { buffer, byteOffset, length } = Buffer.from(hex.slice(2), "hex");
      return new Uint8Array(buffer, byteOffset, length);
    },
  },
};

/** Seconds until a host counts as silent. */
const CONNECT = 5;

/** A transaction whose program stands still is undone after so many milliseconds: others may wait for what it holds. */
const STILL = 15_000;

/**
 * @param hurry "none": its commits do not wait for the disk, where nobody else may come to have its session
 * @throws PostgresFault
 */
export async function connect(address: PostgresAddress, name: string, hurry?: "none"): Promise<Connection> {
  const { default: postgres } = await import("postgres");
  const user = address.user ?? process.env.PGUSER ?? userInfo().username;
  const [password, ssl] = [await passwordOf(address, user), await sslOf(address)];
  const heard = new Map<string, (payload: string) => void>();
  let tellEnd: (fault: PostgresFault) => void = () => {};
  const ended = new Promise<never>((_, reject) => {
    tellEnd = reject;
  });
  ended.catch(() => {});
  let gone = false;
  const end = (): void => {
    if (gone) return;
    gone = true;
    tellEnd(new PostgresFault("lost", "the database: the connection was lost"));
    pool.end({ timeout: 0 }).catch(() => {});
  };
  const { hosts, schema, pooled } = address;
  const unix = hosts[0]?.host.startsWith("/") ? `${hosts[0].host}/.s.PGSQL.${hosts[0].port}` : undefined;
  const pool = postgres({
    host: unix === undefined ? hosts.map(({ host }) => host) : "localhost",
    port: hosts.map(({ port }) => port),
    ...(unix !== undefined && { path: unix }),
    database: address.database === "" ? user : address.database,
    ...{ user, ssl, types, max: 1, fetch_types: false, idle_timeout: 0, max_lifetime: null },
    ...{ connect_timeout: CONNECT, keep_alive: 10, max_pipeline: 10_000 },
    ...(password !== undefined && { password }),
    ...(hosts.length > 1 && { target_session_attrs: "primary" }),
    connection: {
      application_name: `odmr ${name}`,
      ...(!pooled && { idle_in_transaction_session_timeout: STILL }),
      ...(!pooled && hurry === "none" && { synchronous_commit: "off" }),
      ...(schema !== undefined && { search_path: schema }),
    },
    onnotice: () => {},
    onclose: end,
    onnotify: (channel: string, payload: string) => heard.get(channel)?.(payload),
  } as never);
  try {
    await Promise.race([pool.unsafe("SELECT 1"), ended]);
    const ask = async <T>(query: () => Promise<T>): Promise<T> => {
      if (gone) throw new PostgresFault("lost", "the database: the connection was lost");
      return await Promise.race([query(), ended]).catch((error: unknown) => {
        throw faultOf(error);
      });
    };
    return {
      all: async <Row extends object>(sql: string, values: readonly Value[] = []) => {
        const found = await ask(async () => await pool.unsafe(sql, [...values], { prepare: !pooled }));
        return Array.from(found) as unknown as readonly Row[];
      },
      exec: async (sql) => {
        await ask(async () => await pool.unsafe(sql));
      },
      listen: async (channel, tell) => {
        if (pooled) return;
        heard.set(channel, tell);
        await ask(async () => await pool.unsafe(`LISTEN "${channel}"`));
      },
      get gone() {
        return gone;
      },
      end,
    };
  } catch (error) {
    end();
    throw advised(faultOf(error));
  }
}

/** What waiting does not mend, and what does. */
const advice: readonly (readonly [said: RegExp, mend: string])[] = [
  [/startup parameter/, "a pooler is in between: write pooler=transaction into the spool's address"],
  [
    /certificate|altname/i,
    "name the CA of its certificate with sslrootcert=ca.crt, and its host as it has it",
  ],
];

function advised(fault: PostgresFault): PostgresFault {
  const [, mend] = advice.find(([said]) => said.test(fault.message)) ?? [];
  if (mend === undefined) return fault;
  return new PostgresFault("denied", `${fault.message}; ${mend}`, { cause: fault });
}

async function sslOf({ tls, ca }: PostgresAddress) {
  if (tls === "disable") return false;
  if (tls === "require") return { rejectUnauthorized: false };
  return ca === undefined ? {} : { ca: await readFile(ca, "utf8") };
}
