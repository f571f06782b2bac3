/** The key and certificate of whoever has none from elsewhere: made once, and the same ever after. */
// The key is made first, by one of several processes; the certificate is its certificate, whoever makes that.
import { access, readFile } from "node:fs/promises";
import type { Clock } from "../src/platform/clock.ts";
import { placeNew } from "../src/platform/newfile.ts";
import type { Random } from "../src/platform/random.ts";
import { newKey, selfSigned } from "../src/platform/selfsigned.ts";

interface Files {
  readonly certificate: string;
  readonly key: string;
}

/** Makes what is missing. @param name the host that it is for @returns whether anything was */
export async function makeOwnCertificate(
  { certificate, key }: Files,
  name: string,
  { random, clock }: { readonly random: Random; readonly clock: Clock },
): Promise<boolean> {
  if ((await isThere(key)) && (await isThere(certificate))) return false;
  await placeNew(key, newKey(), random);
  const made = await selfSigned(await readFile(key, "utf8"), { name, since: clock.now(), random });
  return await placeNew(certificate, made, random);
}

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );
