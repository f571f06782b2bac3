/** Checks of certificates in files: dates, names, and the chain up to a CA that others know. */
// What a running odmr shows is another matter: it reads files at its start and at SIGHUP (listeners.ts).
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { CrlError, readCrl } from "../../src/config/crl.ts";
import { status } from "../exit.ts";
import { type Check, fail, ok, row, skipped, type Verdict, warn } from "./check.ts";
import { accountsOf, type Patient } from "./patient.ts";

const DAY = 86_400_000;
/** A certificate of 90 days is renewed 30 before its end; one that is left 14 was not. */
const SOON = 14 * DAY;

export const certificateChecks: readonly Check[] = [
  row({
    check: "certificate-dates",
    group: "certificate",
    exit: status.config,
    subjects: certificateFiles,
    name: (file) => file,
    look: (file, { clock }) => withChain(file, (chain) => datesVerdict(chain, clock.now())),
  }),
  row({
    check: "certificate-name",
    group: "certificate",
    exit: status.config,
    subjects: ours,
    name: (file) => file,
    look: (file, { config }) => withChain(file, ([leaf]) => nameVerdict(leaf, config.hostname)),
  }),
  row({
    check: "certificate-chain",
    group: "certificate",
    exit: status.config,
    subjects: ours,
    name: (file) => file,
    look: (file, { config, roots }) =>
      withChain(file, (chain) => {
        const found = chainVerdict(
          chain,
          roots.map((root) => new X509Certificate(root)),
        );
        return config.tls?.self ? ok(found.detail) : found;
      }),
  }),
  row({
    check: "revocation-list",
    group: "certificate",
    exit: status.config,
    subjects: ({ config: { tls } }) =>
      tls?.clientCrl === undefined || tls.clientCa === undefined
        ? []
        : [{ crl: tls.clientCrl, ca: tls.clientCa }],
    name: ({ crl }) => crl,
    look: async ({ crl, ca }, { clock }) =>
      listVerdict(await readFile(crl, "utf8"), await readFile(ca, "utf8"), clock.now()),
  }),
];

function ours({ config: { tls } }: Patient): readonly string[] {
  return tls === undefined ? [] : [tls.certificate];
}

function certificateFiles(patient: Patient): readonly string[] {
  const { tls } = patient.config;
  const files = [
    ...(tls === undefined ? [] : [tls.certificate, tls.clientCa]),
    ...accountsOf(patient).flatMap(({ certificate, ca }) => [certificate?.file, ca]),
  ];
  return [...new Set(files.flatMap((file) => file ?? []))];
}

/** One that odmr makes for itself is not there before its first start; that another is missing, the configuration tells. */
async function withChain(
  file: string,
  judge: (chain: readonly X509Certificate[]) => Verdict,
): Promise<Verdict> {
  try {
    return judge(await chainIn(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return skipped("it is not there");
    if (error instanceof NoCertificate)
      return fail(error.message, "name the certificate with its chain, PEM");
    throw error;
  }
}

class NoCertificate extends Error {
  override readonly name = "NoCertificate";
}

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** The certificates of a file, in their order. @throws if there is none */
export async function chainIn(file: string): Promise<readonly X509Certificate[]> {
  const found = certificatesIn(await readFile(file, "utf8"));
  if (found.length === 0) throw new NoCertificate(`${file} holds no certificate in PEM form`);
  return found;
}

export const certificatesIn = (text: string): readonly X509Certificate[] =>
  (text.match(PEM) ?? []).map((pem) => new X509Certificate(pem));

const date = (instant: number): string => new Date(instant).toISOString().slice(0, 10);

/** The dates of the first, and of those behind it that end earlier. */
export function datesVerdict(chain: readonly X509Certificate[], now: number): Verdict {
  const renew = "renew it, and odmr reads it at SIGHUP (systemctl reload odmr)";
  const from = Math.max(...chain.map(({ validFrom }) => Date.parse(validFrom)));
  const until = Math.min(...chain.map(({ validTo }) => Date.parse(validTo)));
  if (until <= now) return fail(`it expired on ${date(until)}`, renew);
  if (from > now) return fail(`it is valid from ${date(from)} on`, "see that this machine's clock is right");
  const days = Math.floor((until - now) / DAY);
  if (until - now < SOON)
    return warn(`it expires on ${date(until)}, in ${days === 1 ? "1 day" : `${days} days`}`, renew);
  return ok(`valid until ${date(until)}`);
}

export function nameVerdict(leaf: X509Certificate | undefined, hostname: string): Verdict {
  if (leaf?.checkHost(hostname) !== undefined) return ok(`for ${hostname}`);
  const names = leaf?.subjectAltName?.replaceAll("DNS:", "") ?? "nobody";
  return fail(`it is for ${names}, and not for ${hostname}`, "get one for hostname:, or change hostname:");
}

/** Whether others can follow it up to a CA that they know. */
export function chainVerdict(
  [leaf, ...rest]: readonly X509Certificate[],
  roots: readonly X509Certificate[],
): Verdict {
  if (leaf === undefined) return fail("it is empty", "name the certificate with its chain");
  const pin = `houses need its pin: sha256:${leaf.fingerprint256.replaceAll(":", "").toLowerCase()}`;
  let top = leaf;
  for (const next of rest) {
    if (isSame(next, top)) continue;
    if (!signed(top, next))
      return fail(
        `${nameOf(next)} is in the file, and did not sign ${nameOf(top)} before it`,
        "the certificate first, then whoever signed it, and so on",
      );
    top = next;
  }
  if (roots.some((root) => isSame(root, top) || signed(top, root))) return ok("signed by a public CA");
  if (isSame(top, leaf) && signed(leaf, leaf))
    return warn(`it is self-signed; ${pin}`, "leave it, if all houses have the pin");
  if (signed(top, top)) return warn(`${nameOf(top)} is no public CA; houses must name it (ca:), or pin`, pin);
  return warn(
    `${issuerOf(top)} signed it, which is neither in the file nor a public CA of this machine`,
    `append the intermediate certificates; or else houses must name that CA (ca:), or pin: ${pin}`,
  );
}

const isSame = (a: X509Certificate, b: X509Certificate): boolean => a.fingerprint256 === b.fingerprint256;

function signed(one: X509Certificate, by: X509Certificate): boolean {
  try {
    return one.checkIssued(by) && one.verify(by.publicKey);
  } catch {
    return false;
  }
}

const commonName = (text: string): string =>
  /(?:^|\n)CN=([^\n]*)/.exec(text)?.[1] ?? text.replaceAll("\n", ", ");
const nameOf = ({ subject }: X509Certificate): string => commonName(subject);
const issuerOf = ({ issuer }: X509Certificate): string => commonName(issuer);

/** A list that is out of date vouches for nobody: customers with certificates would be strangers. */
export async function listVerdict(crl: string, ca: string, now: number): Promise<Verdict> {
  const renew = "get the CA's new list, and odmr reads it at SIGHUP (systemctl reload odmr)";
  try {
    const { nextUpdate } = await readCrl(crl, ca);
    if (nextUpdate <= now)
      return fail(`out of date since ${date(nextUpdate)}: no customer's certificate counts`, renew);
    if (nextUpdate - now < DAY) return warn(`out of date on ${date(nextUpdate)}`, renew);
    return ok(nextUpdate === Number.POSITIVE_INFINITY ? "without an end" : `holds until ${date(nextUpdate)}`);
  } catch (error) {
    if (error instanceof CrlError) return fail(error.message, "name the list of tls.clientCa");
    throw error;
  }
}
