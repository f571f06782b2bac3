/** The keys to object storage: from a file, from the environment, or from where Amazon's own tools look. */
// A file that others may read is refused, as everywhere. Nothing of a key is ever in a message.
import { homedir } from "node:os";
import { join } from "node:path";
import { readSecretFile } from "../secretfile.ts";
import { SpoolError } from "../spool.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @param file names it alone, before all others. @throws SpoolError */
export async function credentialsOf(
  file: string | undefined,
  env: Environment = process.env,
): Promise<Credentials> {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE = "default" } = env;
  if (file === undefined && AWS_ACCESS_KEY_ID !== undefined && AWS_SECRET_ACCESS_KEY !== undefined)
    return {
      ...{ accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY },
      ...(AWS_SESSION_TOKEN && { sessionToken: AWS_SESSION_TOKEN }),
    };
  const where = file ?? env.AWS_SHARED_CREDENTIALS_FILE ?? join(homedir(), ".aws", "credentials");
  const found = inFile(
    await readSecretFile(where, "the keys to the object storage", "denied"),
    file === undefined ? AWS_PROFILE : "default",
  );
  if (found === undefined)
    throw new SpoolError(
      "denied",
      `${where} has no keys to the object storage; write [default], aws_access_key_id = … and aws_secret_access_key = …`,
    );
  return found;
}

/** Of one section of a file as Amazon's tools have it; what stands before the first section is of "default". */
export function inFile(text: string, profile: string): Credentials | undefined {
  let section = "default";
  const of = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const [, head] = /^\s*\[\s*([^\]]*?)\s*\]/.exec(line) ?? [];
    if (head !== undefined) section = head;
    const [, key, value] = /^\s*([a-z_]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (section === profile && key !== undefined && value !== undefined) of.set(key, value);
  }
  const [id, key, token] = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"].map((name) =>
    of.get(name),
  );
  if (!id || !key) return undefined;
  return { accessKeyId: id, secretAccessKey: key, ...(token && { sessionToken: token }) };
}
