/** From the configuration to the relay's book: customers, what they log in with, certificates and limits. */
// Read again at SIGHUP: a book that cannot be read leaves the old one in force.
import { readFile } from "node:fs/promises";
import type { Config, Customer, Tls } from "../src/config/config.ts";
import { readCrl } from "../src/config/crl.ts";
import { readSecret } from "../src/config/secret.ts";
import type { ServerTls } from "../src/net/connection.ts";
import type { Clock } from "../src/platform/clock.ts";
import { pbkdf2Sha256 } from "../src/platform/hash.ts";
import type { Log } from "../src/platform/log.ts";
import { placeNew, replace } from "../src/platform/newfile.ts";
import type { Random } from "../src/platform/random.ts";
import { Credentials, type Person } from "../src/relay/credentials.ts";
import { Customers } from "../src/relay/customers.ts";
import type { Book } from "../src/relay/relay.ts";
import { parseVerifier } from "../src/smtp/sasl/verifier.ts";
import type { Address } from "../src/wire/address.ts";

import { shownPair } from "./acme.ts";
import { inspectorFor } from "./inspection.ts";
import { outboundOf } from "./outbound.ts";
import { makeOwnCertificate } from "./owncertificate.ts";

type Serve = NonNullable<Config["serve"]>;

interface BookTools {
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Log;
  /** What the nodes of a shared spool have in common, in hexadecimal; undefined: a file beside the spool has it. */
  readonly secret: string | undefined;
  /** The book that is in force: whoever guesses passwords is not forgotten at a new reading. */
  readonly before?: Book;
}

/** @throws ConfigError, or the system's error for a file that cannot be read */
export async function readBook(
  config: Config,
  serve: Serve,
  { random, clock, log, secret: shared, before }: BookTools,
): Promise<Book> {
  if (config.tls?.self && (await makeOwnCertificate(config.tls, config.hostname, { random, clock })))
    log.log("info", "made a certificate", { file: config.tls.certificate });
  const people = await Promise.all(serve.customers.map(personOf));
  const secret =
    shared === undefined
      ? await serverSecret(`${config.spool}.secret`, random)
      : new Uint8Array(Buffer.from(shared, "hex"));
  const outbound = await outboundOf(config, serve, log);
  const postmaster = serve.postmaster ?? firstPostmaster(serve);
  const inspector = await inspectorFor(config.hostname, serve.checks);
  return {
    customers: customersOf(serve),
    credentials: new Credentials(people, {
      ...{ pbkdf2: pbkdf2Sha256, secret, guesses: before?.credentials.guesses },
    }),
    tls: config.tls && (await tlsOf(config.tls, { config, serve }, { random, clock, log })),
    messageSize: serve.limits.messageSize,
    recipients: serve.limits.recipients,
    minimumRate: serve.limits.minimumRate,
    perCustomer: serve.limits.perCustomer,
    cramMd5: serve.auth.cramMd5,
    ...(postmaster !== undefined && { postmaster }),
    ...(inspector && { inspector }),
    ...(outbound && { outbound }),
    ...(serve.limits.wait > 0 && { wait: serve.limits.wait }),
  };
}

/** Somebody must read what is for this host's postmaster: the first customer does, if nobody is named. */
function firstPostmaster({ customers: [first] }: Serve): Address | undefined {
  return first && `postmaster@${first.domains[0]}`;
}

export function customersOf({ customers }: Pick<Serve, "customers">): Customers {
  return new Customers(
    customers.map(({ recipients, ...rest }) => ({ ...rest, recipients: listOf(recipients) })),
  );
}

const listOf = (recipients: Customer["recipients"]) => (recipients === "any" ? undefined : recipients);

async function personOf({ name, password, scram, certificate }: Customer): Promise<Person> {
  const verifier = scram === undefined ? undefined : parseVerifier(scram);
  return {
    user: name,
    ...(password && { password: await readSecret(password.file) }),
    ...(verifier && { verifier }),
    ...(certificate && { certificate }),
  };
}

async function tlsOf(
  tls: Tls,
  { config, serve }: { readonly config: Config; readonly serve: Serve },
  { random, clock, log }: Pick<BookTools, "random" | "clock" | "log">,
): Promise<ServerTls> {
  const { certificate, key } = tls.acme
    ? await shownPair(tls, config.hostname, { random, clock, log })
    : { certificate: await readFile(tls.certificate, "utf8"), key: await readFile(tls.key, "utf8") };
  const clientCa = tls.clientCa === undefined ? undefined : await readFile(tls.clientCa, "utf8");
  const list =
    tls.clientCrl === undefined
      ? undefined
      : await readCrl(await readFile(tls.clientCrl, "utf8"), clientCa ?? "");
  const askClient = serve.customers.some((customer) => customer.certificate !== undefined);
  if (list !== undefined && list.nextUpdate <= clock.now())
    log.log("warn", "revocation list is out of date: certificates of its CA count no more", {
      file: tls.clientCrl,
      since: new Date(list.nextUpdate).toISOString(),
    });
  return {
    ...{ certificate, key, askClient },
    ...(clientCa !== undefined && { clientCa }),
    ...(list !== undefined && { standing: list.standing }),
  };
}

/** What the salts of passwords are made with: the same after a restart, so that nobody learns from a salt who is known. */
export async function serverSecret(file: string, random: Random): Promise<Uint8Array> {
  const there = await readFile(file).catch(unlessMissing);
  if (there?.length === SECRET) return there;
  const fresh = random.bytes(SECRET);
  // One that is too short was left by a power cut, before it was synced: with it anybody can reckon the salts.
  if (there !== undefined) await replace(file, fresh, random);
  else if (!(await placeNew(file, fresh, random))) return await readFile(file);
  return fresh;
}

const SECRET = 32;

function unlessMissing(fault: unknown): undefined {
  if ((fault as NodeJS.ErrnoException).code !== "ENOENT") throw fault;
}
