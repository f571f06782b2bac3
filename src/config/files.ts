/** The files that a configuration names: whether they are there, and whether secrets are secret. */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Tls } from "./config.ts";
import { readCrl } from "./crl.ts";
import type { Path, Problem } from "./problems.ts";
import type { Settings } from "./schema.ts";
import { fileProblem, secretProblem } from "./secret.ts";

/** What is wrong with them, now. */
export async function filesWrong(
  settings: Pick<Settings, "pull" | "admin"> & NamesFiles,
): Promise<readonly Problem[]> {
  const found = await Promise.all(
    [...namedFiles(settings)].map(async ({ path, file, secret }) => {
      const message = await (secret ? secretProblem(file) : fileProblem(file));
      return message === undefined
        ? []
        : [{ path, message: secret && !message.startsWith(file) ? `${file}: ${message}` : message }];
    }),
  );
  const pair = found.flat().length === 0 && settings.tls ? await pairProblem(settings.tls) : undefined;
  if (pair !== undefined) return [{ path: ["tls", "certificate"], message: pair }];
  const list = found.flat().length === 0 && settings.tls ? await listProblem(settings.tls) : undefined;
  return list === undefined ? found.flat() : [{ path: ["tls", "clientCrl"], message: list }];
}

/** A list that is not the CA's would revoke nothing. */
async function listProblem({ clientCa, clientCrl }: Tls): Promise<string | undefined> {
  if (clientCa === undefined || clientCrl === undefined) return undefined;
  try {
    await readCrl(await readFile(clientCrl, "utf8"), await readFile(clientCa, "utf8"));
    return undefined;
  } catch (error) {
    return `${clientCrl}: ${(error as Error).message}`;
  }
}

/** A certificate and a key that do not belong together would lock everybody out, and only at the first call. */
async function pairProblem({ certificate, key, self, acme }: Tls): Promise<string | undefined> {
  if (self || acme) return undefined;
  try {
    const [pem, secret] = await Promise.all([readFile(certificate), readFile(key)]);
    const fits = new X509Certificate(pem).checkPrivateKey(createPrivateKey(secret));
    return fits
      ? undefined
      : `${certificate} is not the certificate of ${key}; name the two that belong together`;
  } catch (error) {
    return `${certificate} and ${key} are no certificate with its key in PEM form (${(error as Error).message})`;
  }
}

interface NamesFiles {
  readonly tls?: Tls | undefined;
  readonly serve?:
    | {
        readonly customers: NonNullable<Settings["serve"]>["customers"];
        readonly outbound?: NonNullable<Settings["serve"]>["outbound"];
      }
    | undefined;
}

interface NamedFile {
  readonly path: Path;
  readonly file: string;
  readonly secret: boolean;
}

function* namedFiles({
  tls,
  serve,
  pull,
  admin,
}: Pick<Settings, "pull" | "admin"> & NamesFiles): Iterable<NamedFile> {
  // What odmr makes for itself need not be there yet.
  if (!tls?.self && !tls?.acme) yield* named(["tls"], { certificate: tls?.certificate, key: tls?.key });
  yield* named(["tls", "acme"], { ca: tls?.acme?.ca });
  yield* named(
    ["tls", "acme", "externalAccount", "key"],
    { file: tls?.acme?.externalAccount?.key.file },
    "secret",
  );
  yield* named(["tls"], {
    clientCa: tls?.clientCa,
    clientCrl: tls?.clientCrl,
  });
  for (const [i, { password, dkim }] of (serve?.customers ?? []).entries()) {
    yield* named(["serve", "customers", i, "password"], { file: password?.file }, "secret");
    yield* named(["serve", "customers", i, "dkim"], { key: dkim?.key });
  }
  yield* named(["serve", "outbound"], { passwordFile: serve?.outbound?.passwordFile }, "secret");
  yield* named(["serve", "outbound"], { ca: serve?.outbound?.ca });
  for (const [i, { password, ca, certificate, smarthost }] of (pull?.accounts ?? []).entries()) {
    const at = ["pull", "accounts", i];
    yield* named([...at, "password"], { file: password?.file }, "secret");
    yield* named(at, { ca });
    yield* named([...at, "smarthost", "password"], { file: passwordOf(smarthost) }, "secret");
    yield* named([...at, "certificate"], { file: certificate?.file, key: certificate?.key });
  }
  yield* named(["admin", "token"], { file: admin?.token.file }, "secret");
  yield* named(["admin", "readToken"], { file: admin?.readToken?.file }, "secret");
}

const passwordOf = (smarthost: object | undefined): string | undefined =>
  (smarthost as { readonly password?: { readonly file: string } } | undefined)?.password?.file;

function* named(
  at: Path,
  files: Readonly<Record<string, string | undefined>>,
  secret?: "secret",
): Iterable<NamedFile> {
  for (const [key, file] of Object.entries(files))
    if (file !== undefined) yield { path: [...at, key], file, secret: secret === "secret" };
}
