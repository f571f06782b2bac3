/** Where certificate and account are kept: two files for their owner alone, each whole or not there. */
// Certificate and key are one file, so that there is no moment at which they do not belong together.
import { createHash, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import type { Instant } from "../platform/clock.ts";
import { placeNew, replace } from "../platform/newfile.ts";
import type { Random } from "../platform/random.ts";
import { newKey } from "../platform/selfsigned.ts";
import type { Issued } from "./order.ts";

/** What a certificate says of itself. */
export interface Shown {
  readonly names: readonly string[];
  readonly issuer: string;
  readonly from: Instant;
  readonly until: Instant;
  /** SHA-256 over its DER form, 64 lower-case hex digits. */
  readonly fingerprint: string;
}

/** A certificate that is kept. */
export interface Kept extends Issued, Shown {
  /** Who was asked for it. */
  readonly directory: string;
}

const HEAD = "Directory: ";

/** undefined: there is none. @throws the system's error, or one that says that the file is no certificate with its key */
export async function readKept(file: string): Promise<Kept | undefined> {
  const text = await readFile(file, "latin1").catch((fault: NodeJS.ErrnoException) => {
    if (fault.code === "ENOENT") return undefined;
    throw fault;
  });
  if (text === undefined) return undefined;
  try {
    return keptIn(text);
  } catch (cause) {
    throw new Error(`${file} is no certificate with its key; move it away`, { cause });
  }
}

export async function writeKept(
  file: string,
  { certificate, key, directory }: Issued & Pick<Kept, "directory">,
  random: Random,
): Promise<Kept> {
  const text = `${HEAD}${directory}\n${ended(certificate)}${ended(key)}`;
  const kept = keptIn(text); // what could not be read again is not put in the place of what can
  await replace(file, text, random);
  return kept;
}

/** The key of the account, made where there is none. PEM. */
export async function accountKeyIn(file: string, random: Random): Promise<string> {
  await placeNew(file, newKey(), random);
  return await readFile(file, "latin1");
}

function keptIn(text: string): Kept {
  const blocks = [...text.matchAll(/^-----BEGIN ([A-Z ]+)-----\r?\n[^-]*^-----END \1-----$/gm)];
  const certificates = blocks.flatMap(([block, label]) => (label === "CERTIFICATE" ? [block] : []));
  const key = blocks.find(([, label]) => label?.endsWith("PRIVATE KEY"))?.[0];
  const [leaf] = certificates;
  if (leaf === undefined || key === undefined) throw new Error("no certificate, or no key");
  return {
    ...certificateIn(leaf),
    certificate: `${certificates.join("\n")}\n`,
    key: `${key}\n`,
    directory: text.startsWith(HEAD) ? text.slice(HEAD.length, text.indexOf("\n")) : "",
  };
}

/** @param pem the first certificate in it counts */
export function certificateIn(pem: string): Shown {
  const shown = new X509Certificate(
    /^-----BEGIN CERT[^-]*-----[^-]*-----END [A-Z ]+-----$/m.exec(pem)?.[0] ?? pem,
  );
  return {
    names: namesOf(shown),
    issuer: /^(?:CN|O)=(.*)$/m.exec(shown.issuer)?.[1] ?? shown.issuer,
    from: Date.parse(shown.validFrom),
    until: Date.parse(shown.validTo),
    fingerprint: createHash("sha256").update(shown.raw).digest("hex"),
  };
}

const namesOf = ({ subjectAltName = "" }: X509Certificate): readonly string[] =>
  subjectAltName.split(", ").flatMap((each) => {
    const [, name] = /^(?:DNS|IP Address):(.*)$/.exec(each) ?? [];
    return name === undefined ? [] : [canonicalName(name)];
  });

/** One form for each name and address. */
export const canonicalName = (name: string): string =>
  isIP(name) === 6 ? new URL(`http://[${name}]`).hostname.slice(1, -1) : name.toLowerCase();

const ended = (pem: string): string => (pem.endsWith("\n") ? pem : `${pem}\n`);
