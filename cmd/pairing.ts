/** Invitations and who came by them, as files beside each other: NAME.invitation, and NAME.yaml once it is a customer. */
// What uses an invitation up is that NAME.yaml is made: by one alone, and for good before anybody hears of it. Of the token
// its hash is kept, so who reads the folder cannot use what is open there.
import { createHash } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isScalar, parseDocument } from "yaml";
import { z } from "zod";
import { parseCustomer } from "../src/config/customers.ts";
import { customerIn } from "../src/config/schema.ts";
import { parseYaml, valuesOf } from "../src/config/yaml.ts";
import type { Clock } from "../src/platform/clock.ts";
import type { Log } from "../src/platform/log.ts";
import { placeNew, replace } from "../src/platform/newfile.ts";
import type { Random } from "../src/platform/random.ts";
import type { Customer, Customers } from "../src/relay/customers.ts";
import type { Paired, Pairing } from "../src/relay/pairing.ts";

/** Who may come, and until when by the clock. */
export interface Wanted {
  readonly name: string;
  readonly domains: readonly string[];
  readonly until: number;
}

interface Invited extends Wanted {
  /** SHA-256 of its token. */
  readonly token: string;
  /** The certificate that came with it; undefined: it is open. */
  readonly used?: string | undefined;
  /** The certificate in whose place it puts a new one: the customer is there already. */
  readonly replaces?: string | undefined;
}

const TOKEN_OCTETS = 16;
/** Used ones are kept so long after their time: whoever lost the answer may still ask once more. */
const KEPT = 86_400_000;

export const customerFile = (folder: string, name: string): string => join(folder, `${name}.yaml`);
const invitationFile = (folder: string, name: string): string => join(folder, `${name}.invitation`);

/**
 * Writes an invitation down; an earlier one for the same name counts no more.
 * @param replaces the certificate of the customer who is to come with another one @returns its token
 */
export async function writeInvitation(
  folder: string,
  wanted: Wanted & Pick<Invited, "replaces">,
  random: Random,
): Promise<string> {
  const token = Buffer.from(random.bytes(TOKEN_OCTETS)).toString("base64url");
  await keep(folder, { ...wanted, token: hashOf(token) }, random);
  return token;
}

const hashOf = (token: string): string => createHash("sha256").update(token).digest("hex");

export interface PairingTools {
  /** Where the files are, now. */
  folder(): string;
  /** Who is a customer, now. */
  customers(): Customers;
  /** Has the configuration read anew: whoever has a file now is a customer then. */
  renew(): Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Takes those in who were invited, one after the other. */
export function openPairing(tools: PairingTools): Pairing {
  let last: Promise<unknown> = Promise.resolve();
  return {
    redeem(token, certificate) {
      const next = last.then(() => redeem(token, certificate, tools));
      last = next.catch(() => undefined);
      return next.catch((fault: unknown) => {
        tools.log.log("error", "not paired", { why: fault instanceof Error ? fault.message : String(fault) });
        return "later";
      });
    },
  };
}

async function redeem(
  token: string,
  certificate: string,
  tools: PairingTools,
): Promise<Paired | "refused" | "later"> {
  const { clock, random, log } = tools;
  const folder = tools.folder();
  const invited = (await invitationsIn(folder, tools)).find((each) => each.token === hashOf(token));
  if (invited === undefined) return "refused";
  const file = customerFile(folder, invited.name);
  const known = await certificateIn(file);
  if (known === undefined) {
    if (invited.replaces !== undefined) return "refused";
    if (invited.used !== undefined || invited.until <= clock.now()) return "refused";
    const rival = rivalOf(invited, tools.customers());
    if (rival !== undefined) {
      log.log("warn", "invitation in vain", { user: invited.name, why: `${rival} is a customer's already` });
      return "refused";
    }
    if (!(await placeNew(file, customerText(invited, certificate), random)))
      return await redeem(token, certificate, tools);
  } else if (known !== certificate) {
    // Whoever comes second finds another certificate than the one that was to go.
    if (known !== invited.replaces || invited.used !== undefined || invited.until <= clock.now())
      return "refused";
    await replace(file, withCertificate(await readFile(file, "utf8"), certificate), random);
  }
  // A crash before this line leaves the invitation open, and nobody but the same certificate can use it.
  if (invited.used === undefined) await keep(folder, { ...invited, used: certificate }, random);
  await tools.renew();
  const customer = tools.customers().named(invited.name);
  return customer === undefined ? "later" : { name: customer.name, domains: customer.domains };
}

/** The name or the domain that somebody has already. */
export function rivalOf(
  { name, domains }: Pick<Wanted, "name" | "domains">,
  customers: Iterable<Pick<Customer, "name" | "domains">>,
): string | undefined {
  for (const customer of customers) {
    if (customer.name === name) return name;
    const taken = domains.find((domain) => customer.domains.includes(domain));
    if (taken !== undefined) return taken;
  }
  return undefined;
}

/** A customer's file with another certificate in it; all else in it, comments too, stays. */
function withCertificate(text: string, certificate: string): string {
  const its = parseDocument(text).get("certificate", true);
  if (!isScalar(its) || !its.range) throw new Error("its certificate cannot be found in its file");
  const [start, end] = its.range;
  return `${text.slice(0, start)}"sha256:${certificate}"${text.slice(end)}`;
}

/** The certificate of the customer in a file; undefined: there is no such file. */
export async function certificateIn(file: string): Promise<string | undefined> {
  const text = await readFile(file, "utf8").catch((fault: NodeJS.ErrnoException) => {
    if (fault.code === "ENOENT") return undefined;
    throw fault;
  });
  if (text === undefined) return undefined;
  const { certificate } = parseCustomer(text, dirname(file), file).customer;
  return (certificate !== undefined && "fingerprint" in certificate && certificate.fingerprint) || "another";
}

async function invitationsIn(folder: string, { clock, log }: PairingTools): Promise<readonly Invited[]> {
  const names = await readdir(folder).catch((fault: NodeJS.ErrnoException) => {
    if (fault.code === "ENOENT") return [];
    throw fault;
  });
  const found: Invited[] = [];
  for (const name of names.filter((each) => each.endsWith(".invitation"))) {
    const file = join(folder, name);
    try {
      const invited = parseInvited(await readFile(file, "utf8"), file);
      if (invited.until + KEPT < clock.now()) await rm(file, { force: true });
      else found.push(invited);
    } catch (fault) {
      log.log("warn", "invitation cannot be read", {
        file,
        why: fault instanceof Error ? fault.message : "",
      });
    }
  }
  return found;
}

const print = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/)
  .transform((text) => text.slice("sha256:".length));

const invitedIn = (folder: string) => {
  const { name, domains } = customerIn(folder).shape;
  return z.strictObject({
    name,
    domains,
    until: z.iso.datetime().transform((text) => Date.parse(text)),
    token: print,
    used: print.optional(),
    replaces: print.optional(),
  });
};

const parseInvited = (text: string, file: string): Invited =>
  valuesOf(parseYaml(text, file), invitedIn(dirname(file)), ["serve", "customers"]);

async function keep(folder: string, invited: Invited, random: Random): Promise<void> {
  await replace(invitationFile(folder, invited.name), invitedText(invited), random);
}

const invitedText = ({ name, domains, until, token, used, replaces }: Invited): string =>
  `# An invitation. It counts once, and until then; remove this file to take it back.
name: ${name}
domains: [${domains.join(", ")}]
until: "${new Date(until).toISOString()}"
token: "sha256:${token}"
${used === undefined ? "" : `used: "sha256:${used}"\n`}${replaces === undefined ? "" : `replaces: "sha256:${replaces}"\n`}`;

const customerText = ({ name, domains }: Invited, certificate: string): string =>
  `# A customer that came by odmr invite. All that may stand here: odmr man odmr.yaml, serve.customers. It is read at SIGHUP.
name: ${name}
domains: [${domains.join(", ")}]
certificate: "sha256:${certificate}"
`;
