/** Checks of the configuration and of the files that it names. */
// What is secret is its owner's alone; what the service must read, it can.
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { ConfigError } from "../../src/config/error.ts";
import { status } from "../exit.ts";
import { type Check, fail, ok, row, skipped, type Verdict, warn } from "./check.ts";
import { accountsOf, customersOf, type FileMode, isShared, type Owner, type Patient } from "./patient.ts";

export const fileChecks: readonly Check[] = [
  row({
    check: "configuration",
    group: "config",
    exit: status.config,
    subjects: ({ config }) => [config.file],
    name: (file) => file,
    look: async (_, patient) => {
      try {
        await patient.load();
      } catch (error) {
        if (error instanceof ConfigError)
          return error.problems.map((problem) => fail(problem, "odmr check says it with line and column"));
        throw error;
      }
      const remarks = await patient.remarks();
      return remarks.length === 0
        ? ok("right, with all the files that it names")
        : remarks.map((remark) => warn(remark, "leave it if it is meant so"));
    },
  }),
  row({
    check: "user",
    group: "config",
    exit: status.config,
    subjects: ({ config }) => (config.user === undefined ? [] : [config.user]),
    name: (user) => user,
    look: async (user, { owner }) =>
      typeof owner === "string"
        ? fail(owner, `adduser --system --group ${user}`)
        : ok("a user of this machine"),
  }),
  row({
    check: "configuration-mode",
    group: "files",
    exit: status.config,
    subjects: ({ config }) => [config.file],
    name: (file) => file,
    look: async (file, { disk }) => {
      const found = await disk.mode(file);
      if (found === undefined) return skipped("it is not there");
      return (found.mode & 0o022) === 0
        ? ok("changed by its owner alone")
        : fail("others may change it, and name programs in it", `chmod go-w ${file}`);
    },
  }),
  row({
    check: "private-file",
    group: "files",
    exit: status.config,
    subjects: privateFiles,
    name: ({ file }) => file,
    look: async ({ file, what }, { disk, owner }) => {
      const found = await disk.mode(file);
      return found === undefined
        ? skipped(`no ${what} there`)
        : privacyOf({ file, what }, found, typeof owner === "string" ? undefined : owner);
    },
  }),
];

interface PrivateFile {
  readonly file: string;
  readonly what: string;
}

/** Secrets, keys, and the spool with what lies beside it. */
function privateFiles(patient: Patient): readonly PrivateFile[] {
  const { tls, serve, admin, spool } = patient.config;
  const some = (what: string, ...files: readonly (string | undefined)[]): readonly PrivateFile[] =>
    files.flatMap((file) => (file === undefined ? [] : [{ file, what }]));
  const all = [
    ...some("key", tls?.key),
    ...customersOf(patient).flatMap(({ password, dkim }) => [
      ...some("secret", password?.file),
      ...some("key", dkim?.key),
    ]),
    ...some("secret", serve?.outbound?.passwordFile),
    ...accountsOf(patient).flatMap(({ password, certificate, smarthost }) => [
      ...some("secret", password?.file, passwordIn(smarthost)),
      ...some("key", certificate?.key),
    ]),
    ...some("secret", admin?.token.file, admin?.readToken?.file),
    ...(isShared(patient) ? [] : some("spool", spool)),
  ];
  return [...new Map(all.map((each) => [each.file, each])).values()];
}

const passwordIn = (smarthost: object | undefined): string | undefined =>
  (smarthost as { readonly password?: { readonly file: string } } | undefined)?.password?.file;

/** What a file's mode and owner say. @param owner whom odmr becomes; undefined: not said */
export function privacyOf({ file, what }: PrivateFile, found: FileMode, owner: Owner | undefined): Verdict {
  const open = found.mode & 0o077;
  if ((open & 0o007) !== 0)
    return fail(`everybody on this machine may read or change this ${what}`, `chmod 600 ${file}`);
  if ((open & 0o020) !== 0) return fail(`its group may change this ${what}`, `chmod 600 ${file}`);
  if (owner !== undefined && !readableBy(found, owner))
    return fail(`${owner.name}, whom odmr becomes, cannot read this ${what}`, `chown ${owner.name} ${file}`);
  if (open !== 0) return warn(`its group may read this ${what}`, `chmod 600 ${file}, if none of it must`);
  return ok("its owner's alone");
}

const readableBy = ({ mode, uid, gid }: FileMode, owner: Owner): boolean =>
  uid === owner.uid ? (mode & 0o400) !== 0 : gid === owner.gid && (mode & 0o040) !== 0;

/** The folder that is there, of those above a path. */
export async function nearestFolder(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() || dirname(path) === path ? path : nearestFolder(dirname(path));
}
