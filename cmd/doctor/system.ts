/** The examination of this very machine: its files, its network, its name servers, its spool. */
// What is written here is written into a file that has no name any more, and gone with it.
import { constants } from "node:fs";
import { access, open, stat, statfs, unlink } from "node:fs/promises";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import type { Config } from "../../src/config/config.ts";
import { parsePlace } from "../../src/config/endpoint.ts";
import { configRemarks, loadConfig } from "../../src/config/load.ts";
import { dial } from "../../src/net/dial.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { systemNames } from "../../src/platform/dns.ts";
import { systemFiles } from "../../src/platform/files.ts";
import type { Log } from "../../src/platform/log.ts";
import { systemLookup } from "../../src/platform/lookup.ts";
import { clockOffset } from "../../src/platform/ntp.ts";
import { policyFetcher } from "../../src/platform/policyfile.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { openDatabase, SqliteError } from "../../src/platform/sqlite.ts";
import { userIds } from "../../src/platform/user.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { openSpool } from "../../src/spool/open.ts";
import { steps, versionOf } from "../../src/spool/schema.ts";
import { SpoolError } from "../../src/spool/spool.ts";
import { ownAddresses } from "./listeners.ts";
import { type Disk, isShared, type Owner, type Patient } from "./patient.ts";

export interface Asked {
  /** The configuration file as it was named; undefined: it was looked for. */
  readonly file: string | undefined;
  /** Name servers; none: the configuration's, or the system's. */
  readonly dns: readonly string[];
  readonly ntp: string | undefined;
  readonly bodies: boolean;
  readonly log: Log;
}

const NTP = 123;
const STEP = 5_000;

/** @returns what is examined, and what gives back all that was opened for it */
export function patientOf(
  config: Config,
  { file, dns, ntp, bodies, log }: Asked,
): { readonly patient: Patient; close(): Promise<void> } {
  const servers = dns.length > 0 ? dns : (config.serve?.outbound?.dns ?? config.serve?.checks?.dns ?? []);
  const server = ntp === undefined ? undefined : parsePlace(ntp, NTP);
  let opened: Promise<EmbeddedSpool | undefined> | undefined;
  const patient: Patient = {
    config,
    load: () => loadConfig(file),
    remarks: () => configRemarks(file),
    clock: systemClock,
    random: systemRandom,
    lookup: systemLookup(servers),
    policy: policyFetcher({ names: systemNames(servers), clock: systemClock }),
    dial: (at, within, tls) =>
      dial({
        ...("path" in at ? { host: "localhost", port: 0, socket: at.path } : at),
        ...{ clock: systemClock, within },
        ...(tls && { tls }),
      }),
    interfaces: ownAddresses(),
    roots: rootCertificates,
    disk: systemDisk,
    spool: () => {
      opened ??= openAsIs(patient, log);
      return opened;
    },
    time: server && (() => clockOffset(server, systemClock, STEP)),
    bodies,
    owner: ownerOf(config.user),
  };
  return { patient, close: async () => (await opened?.catch(() => undefined))?.close() };
}

/** In a thread of its own: what reads the whole database must not hold up the other checks. */
async function openAsIs(patient: Patient, log: Log): Promise<EmbeddedSpool | undefined> {
  const { spool: path } = patient.config;
  if (!isShared(patient)) {
    if (!(await systemFiles.stat(path))?.size) return undefined;
    await access(path, constants.R_OK | constants.W_OK);
    mustBeOfThisVersion(path);
  }
  const tools = { clock: systemClock, random: systemRandom, log, files: systemFiles };
  return await openSpool({ ...tools, path, thread: "worker", actor: "doctor", asIs: true });
}

/** Opening a spool brings it to the newest version, which is not for us to do. @throws SpoolError "version" */
function mustBeOfThisVersion(path: string): void {
  let version: number;
  try {
    const db = openDatabase(path);
    try {
      version = versionOf(db);
    } finally {
      db.close();
    }
  } catch (error) {
    // That it is damaged is said, with more words, where it is opened.
    if (error instanceof SqliteError) return;
    throw error;
  }
  if (version !== steps.length)
    throw new SpoolError(
      "version",
      version === 0
        ? `${path} is a database, and no spool of odmr`
        : `the spool is of version ${version}, and this odmr works with ${steps.length}`,
    );
}

function ownerOf(user: string | undefined): Owner | string | undefined {
  if (user === undefined) return undefined;
  try {
    return { name: user, ...userIds(user) };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Milliseconds, and syncs at most, that are worth a number. */
const TRIED = 300;
const SYNCS = 500;
const PAGE = new Uint8Array(4096);

export const systemDisk: Disk = {
  async mode(path) {
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
      throw error;
    });
    return found && { mode: found.mode & 0o777, uid: found.uid, gid: found.gid, folder: found.isDirectory() };
  },
  async room(path) {
    const { type, bavail, bsize, blocks, files, ffree } = await statfs(path);
    return { type, free: bavail * bsize, size: blocks * bsize, files: files > 0 ? ffree : undefined };
  },
  async syncs(folder) {
    const path = join(folder, `.odmr-doctor-${Buffer.from(systemRandom.bytes(8)).toString("hex")}`);
    const file = await open(path, "wx", 0o600);
    try {
      await unlink(path);
      const begun = performance.now();
      let count = 0;
      do {
        await file.write(PAGE);
        await file.datasync();
        count++;
      } while (performance.now() - begun < TRIED && count < SYNCS);
      return (count * 1000) / (performance.now() - begun);
    } finally {
      await file.close();
    }
  },
  writable: (folder) =>
    access(folder, constants.W_OK | constants.X_OK).then(
      () => true,
      () => false,
    ),
};
