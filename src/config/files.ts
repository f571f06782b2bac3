/** The files that a configuration names: whether they are there, and whether secrets are secret. */

import type { Path, Problem } from "./problems.ts";
import type { Settings } from "./schema.ts";
import { fileProblem, secretProblem } from "./secret.ts";

/** What is wrong with them, now. */
export async function filesWrong(
  settings: Pick<Settings, "tls" | "pull"> & NamesFiles,
): Promise<readonly Problem[]> {
  const found = await Promise.all(
    [...namedFiles(settings)].map(async ({ path, file, secret }) => {
      const message = await (secret ? secretProblem(file) : fileProblem(file));
      return message === undefined
        ? []
        : [{ path, message: secret && !message.startsWith(file) ? `${file}: ${message}` : message }];
    }),
  );
  return found.flat();
}

interface NamesFiles {
  readonly serve?: { readonly customers: NonNullable<Settings["serve"]>["customers"] } | undefined;
}

interface NamedFile {
  readonly path: Path;
  readonly file: string;
  readonly secret: boolean;
}

function* namedFiles({ tls, serve, pull }: Pick<Settings, "tls" | "pull"> & NamesFiles): Iterable<NamedFile> {
  yield* named(["tls"], { certificate: tls?.certificate, key: tls?.key, clientCa: tls?.clientCa });
  for (const [i, { password }] of (serve?.customers ?? []).entries())
    yield* named(["serve", "customers", i, "password"], { file: password?.file }, "secret");
  for (const [i, { password, ca, certificate }] of (pull?.accounts ?? []).entries()) {
    const at = ["pull", "accounts", i];
    yield* named([...at, "password"], { file: password?.file }, "secret");
    yield* named(at, { ca });
    yield* named([...at, "certificate"], { file: certificate?.file, key: certificate?.key });
  }
}

function* named(
  at: Path,
  files: Readonly<Record<string, string | undefined>>,
  secret?: "secret",
): Iterable<NamedFile> {
  for (const [key, file] of Object.entries(files))
    if (file !== undefined) yield { path: [...at, key], file, secret: secret === "secret" };
}
