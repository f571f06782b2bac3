/** A PostgreSQL of its own for the time of a test file: Debian's programs, with data and socket in a folder. */
// Each spool gets a schema of its own. Durable it is only where a test asks for that.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parsePostgres } from "../../src/spool/postgres/address.ts";
import { type Connection, connect } from "../../src/spool/postgres/connection.ts";
import { eventually, run, start } from "./processes.ts";

const ROOT = "/usr/lib/postgresql";
const versions = existsSync(ROOT) ? readdirSync(ROOT).sort((a, b) => Number(b) - Number(a)) : [];
const programs = versions
  .map((version) => join(ROOT, version, "bin"))
  .find((bin) => existsSync(join(bin, "initdb")));

/** What to tell a suite that needs a PostgreSQL. @throws in CI, if there is none */
export function withPostgresql(): { readonly skip: string | false } {
  if (programs !== undefined) return { skip: false };
  if (process.env.CI) throw new Error("postgresql is not installed; in CI every peer must be there");
  return { skip: "not installed: postgresql" };
}

/** The same for what costs much: on Bun, the production runtime, alone. The spool's contract is for both. */
export function withPostgresqlOnBun(): { readonly skip: string | false } {
  const { skip } = withPostgresql();
  return {
    skip:
      skip || ("Deno" in globalThis && "tried by Bun, the production runtime; the contract is tried by both"),
  };
}

export interface Postgresql {
  /** The address of a schema that was not there before. */
  spool(): string;
  /** Takes all rows out of a schema that is there: quicker than another one. Its spool keeps its id. */
  empty(spool: string): Promise<void>;
  /** The address that all clients have, without a schema. */
  readonly address: string;
  /** The port of loopback, if it was asked for one. */
  readonly port: number | undefined;
  /** Runs SQL as the owner. @returns what psql prints, rows as `a|b` */
  sql(text: string): Promise<string>;
  /** Its folder, with its socket; the data are in "data". */
  readonly folder: string;
  /** Puts files for it alone beside its data. */
  put(files: Readonly<Record<string, string>>): Promise<void>;
  /** Ends it as a power cut would; `crash` starts it again. */
  die(): Promise<void>;
  crash(): Promise<void>;
  stop(): Promise<void>;
}

let schemas = 0;

/** Kept for all test files of one process: to make an empty cluster takes longer than most tests. */
const KEPT = Symbol.for("odmr.test.postgresql");
const kept = globalThis as { [KEPT]?: Promise<string> | undefined };

/** Deno's test files have no common process, nor one whose end is told. */
async function forget(): Promise<void> {
  const data = await kept[KEPT];
  kept[KEPT] = undefined;
  if (data !== undefined) await rm(dirname(data), { recursive: true, force: true });
}

/** The folder of an empty cluster, to be copied. */
async function cluster(): Promise<string> {
  kept[KEPT] ??= (async () => {
    const folder = mkdtempSync("/tmp/odmr-pg-");
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
    const as = await unprivileged(folder);
    const data = join(folder, "data");
    const words = [...as, join(programs ?? "", "initdb"), "-D", data];
    const ended = await run(words[0] ?? "", [
      ...words.slice(1),
      ...["-U", "odmr", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
    ]);
    assert.equal(ended.status, 0, ended.stdout + ended.stderr);
    return data;
  })();
  return await kept[KEPT];
}

interface PostgresqlOptions {
  /** A port of loopback beside the socket. */
  readonly port?: number;
  /** It syncs as in earnest, which a killed one need not have done. */
  readonly durable?: boolean;
  readonly settings?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  /** It follows that one. */
  readonly standbyOf?: Postgresql;
}

export async function startPostgresql(options: PostgresqlOptions = {}): Promise<Postgresql> {
  const bin = programs ?? "";
  const folder = await mkdtemp(`${options.durable === true ? "/var" : ""}/tmp/odmr-pg-`);
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.once("exit", remove);
  const data = join(folder, "data");
  const as = await unprivileged(folder);
  const { standbyOf } = options;
  const from =
    standbyOf === undefined
      ? ["cp", "-r", await cluster(), data]
      : [
          ...[join(bin, "pg_basebackup"), "-h", standbyOf.folder, "-p", String(standbyOf.port ?? 5432)],
          ...["-U", "odmr", "-D", data, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"],
        ];
  const [copier = "", ...rest] = [...as, ...from];
  const copied = await run(copier, rest);
  assert.equal(copied.status, 0, copied.stderr);
  const put = async (files: Readonly<Record<string, string>>) => {
    for (const [name, text] of Object.entries(files)) {
      const file = join(data, name);
      await writeFile(file, text, { mode: 0o600 });
      await unprivileged(file);
    }
  };
  await put(options.files ?? {});
  const settings = {
    unix_socket_directories: folder,
    listen_addresses: options.port === undefined ? "" : "127.0.0.1",
    ...(options.port !== undefined && { port: String(options.port) }),
    fsync: options.durable === true ? "on" : "off",
    max_connections: "60",
    // In its folder, which goes with it: what a killed one has in /dev/shm would stay.
    dynamic_shared_memory_type: "mmap",
    shared_buffers: options.durable === true ? "64MB" : "16MB",
    jit: "off",
    autovacuum: options.durable === true ? "on" : "off",
    log_min_messages: "fatal",
    log_checkpoints: "off",
    ...options.settings,
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  // Whoever started it may be killed: it ends with it.
  const words = ["setpriv", "--pdeathsig=KILL", ...as.slice(1), join(bin, "postgres"), "-D", data, ...flags];
  const psql = [
    join(bin, "psql"),
    "-h",
    folder,
    "-p",
    String(options.port ?? 5432),
    "-U",
    "odmr",
    "-XAtq",
    "postgres",
  ];
  const sql = async (text: string): Promise<string> => {
    const ended = await run(psql[0] ?? "", [...psql.slice(1), "-c", text]);
    if (ended.status !== 0) throw new Error(ended.stderr);
    return ended.stdout.trim();
  };
  const begin = async () => {
    const running = start(words[0] ?? "", words.slice(1));
    await running.until(
      async () =>
        await sql("SELECT 1").then(
          () => true,
          () => false,
        ),
    );
    return running;
  };
  let running = await begin();
  let eraser: Connection | undefined;
  const address =
    options.port === undefined
      ? `postgres://odmr@/postgres?host=${folder}`
      : `postgres://odmr@127.0.0.1:${options.port}/postgres`;
  return {
    address,
    port: options.port,
    spool: () => `${address}${address.includes("?") ? "&" : "?"}schema=spool_${process.pid}_${schemas++}`,
    sql,
    async empty(spool) {
      const schema = /schema=(\w+)/.exec(spool)?.[1];
      if (eraser?.gone !== false) eraser = await connect(parsePostgres(address), "test");
      await eraser.exec(`DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = '${schema}' AND tablename <> 'meta' LOOP
          EXECUTE 'DELETE FROM ${schema}.' || quote_ident(name);
        END LOOP; END $$`);
    },
    ...{ folder, put, die: () => running.kill() },
    async crash() {
      await running.kill();
      // Its children go after it, and hold its memory until then.
      let last: unknown;
      const begun = async () => {
        await rm(join(data, "postmaster.pid"), { force: true });
        return await begin().catch((error: unknown) => {
          if (!/still in use/.test(String(error))) throw error;
          last = error;
          return undefined;
        });
      };
      await eventually(
        async () => {
          const again = await begun();
          if (again !== undefined) running = again;
          return again !== undefined;
        },
        () => String(last),
      );
    },
    async stop() {
      eraser?.end();
      await running.kill();
      await rm(folder, { recursive: true, force: true });
      process.off("exit", remove);
      if ("Deno" in globalThis) await forget();
    },
  };
}

/** PostgreSQL refuses to run as root: there it runs as the user that its package made. */
export async function unprivileged(...folders: readonly string[]): Promise<readonly string[]> {
  if (process.getuid?.() !== 0) return [];
  const id = async (flag: "-u" | "-g") => Number((await run("id", [flag, "postgres"])).stdout);
  const [user, group] = [await id("-u"), await id("-g")];
  for (const folder of folders) await chown(folder, user, group);
  return ["setpriv", `--reuid=${user}`, `--regid=${group}`, "--clear-groups"];
}
