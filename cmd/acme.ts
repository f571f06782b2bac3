/** From the configuration to what a certificate by ACME needs: who is asked, with which key, and where the proof is shown. */
// Nothing of this is loaded heavy: the library is, at the first order.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dnsShowcase } from "../src/acme/dns.ts";
import type { OpenDoor } from "../src/acme/door.ts";
import { Keeper } from "../src/acme/keeper.ts";
import { order, type Showcase, type Wanted } from "../src/acme/order.ts";
import { accountKeyIn, readKept, writeKept } from "../src/acme/shelf.ts";
import { wishOf } from "../src/acme/wish.ts";
import type { Acme, Config, Tls } from "../src/config/config.ts";
import { formatEndpoint } from "../src/config/endpoint.ts";
import { ConfigError } from "../src/config/error.ts";
import { readSecret } from "../src/config/secret.ts";
import type { Peer } from "../src/net/connection.ts";
import type { ListenAddress } from "../src/net/listen.ts";
import type { Clock } from "../src/platform/clock.ts";
import type { Log } from "../src/platform/log.ts";
import type { Random } from "../src/platform/random.ts";
import { fingerprintOf, newKey, selfSigned } from "../src/platform/selfsigned.ts";
import type { Office } from "../src/relay/office.ts";

export interface AcmeTools {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * What is shown now: the CA's certificate, or, until there is one, one of our own: the doors are the same from the first
 * moment, mail comes in under TLS, and only those who check the certificate have to wait.
 */
export async function shownPair({ certificate: file }: Tls, name: string, { clock, random, log }: AcmeTools) {
  const kept = await readKept(file);
  if (kept !== undefined) return { certificate: kept.certificate, key: kept.key };
  log.log("warn", "no certificate of the CA's yet: one of our own is shown", { names: [name] });
  const key = newKey();
  return { certificate: await selfSigned(key, { name, since: clock.now(), random }), key };
}

/** A showcase that may have a door. */
export type OpenShowcase = Showcase & Partial<OpenDoor>;

/** What is wanted by the configuration; the account's key is made where there is none. */
export async function wantedOf(acme: Acme, random: Random): Promise<Wanted> {
  const { directory, names, contact, profile, externalAccount, ca, account } = acme;
  return {
    ...{ directory, names, contact, profile },
    accountKey: await accountKeyIn(account, random),
    external: externalAccount && {
      id: externalAccount.id,
      key: await readSecret(externalAccount.key.file),
    },
    ca: ca === undefined ? undefined : await readFile(ca, "utf8"),
  };
}

/**
 * Opens where the CA's questions are answered.
 * @param socket one that systemd opened for it @throws ConnectionError "refused" if it cannot listen there
 */
export async function openShowcase(
  { challenge, listen, dns }: Acme,
  { clock, random, log }: AcmeTools,
  signal: AbortSignal,
  socket?: number,
): Promise<OpenShowcase> {
  if (challenge === "dns") {
    const onLeft = (why: string) => log.log("warn", "record not taken out", { why });
    const { set, clear, wait } = dns!;
    return dnsShowcase({ set, clear, wait }, { clock, signal, onLeft });
  }
  const address: ListenAddress = socket === undefined ? listen! : { fd: socket };
  if (challenge === "alpn") {
    if ("Deno" in globalThis)
      throw new ConfigError(
        "tls.acme.challenge: alpn is for Bun and the binary: Deno shows no such certificate; write http or dns",
      );
    const { openAlpnShowcase } = await import("../src/acme/alpn.ts");
    return await openAlpnShowcase(address, { clock, random });
  }
  const { openHttpShowcase } = await import("../src/acme/http.ts");
  return await openHttpShowcase(address);
}

/** A running service's certificate by ACME, if its configuration wants one. */
export interface AcmeDesk {
  /** Keeps the certificate from now on. @param config the one that is in force */
  keep(office: Office, config: () => Config): void;
  /** Looks at once: the configuration may be another, or somebody may have lost patience. */
  wake(): void;
  close(): Promise<void>;
}

/**
 * Opened with the other doors, as long as root's rights are there.
 * @param socket one that systemd opened for it @throws ConnectionError "refused" if it cannot listen there
 */
export async function openAcme({ tls }: Config, tools: AcmeTools, socket?: number): Promise<AcmeDesk> {
  const { log } = tools;
  const stop = new AbortController();
  const showcase = tls?.acme && (await openShowcase(tls.acme, tools, stop.signal, socket));
  let wake = () => {};
  return {
    keep(office, config) {
      const keeper = showcase && keeperOf(tls, tools, { showcase, office, config, stopping: stop.signal });
      wake = () => {
        if (proofOf(config().tls?.acme) !== proofOf(tls?.acme))
          log.log("warn", "tls.acme has changed: that wants a restart", { file: config().file });
        keeper?.wake();
      };
      if (showcase?.address !== undefined) log.log("info", "listening", doorFields(showcase.address));
      void keeper?.run();
    },
    wake: () => wake(),
    async close() {
      stop.abort();
      await showcase?.close?.();
    },
  };
}

const doorFields = ({ address: host, port }: Peer) =>
  ({ service: "acme", address: formatEndpoint({ host, port }), tls: "none" }) as const;

/** How names are proved, which is settled at the start. */
const proofOf = (acme: Acme | undefined): string =>
  JSON.stringify([acme?.challenge, acme?.listen, acme?.dns]);

interface KeepOptions {
  readonly showcase: Showcase;
  readonly office: Office;
  readonly config: () => Config;
  readonly stopping: AbortSignal;
}

function keeperOf(
  { certificate: file }: Tls,
  { clock, random, log }: AcmeTools,
  { showcase, office, config, stopping }: KeepOptions,
): Keeper {
  const { tls } = office.book;
  let known = tls && fingerprintOf(String(tls.certificate));
  return new Keeper(
    {
      ...{ clock, random, log, stopping },
      shelf: {
        read: () => readKept(file),
        write: (issued, directory) => writeKept(file, { ...issued, directory }, random),
      },
      wanted: async () => {
        const acme = config().tls?.acme;
        return acme && (await wantedOf(acme, random));
      },
      order: (wanted) => order(wanted, { clock, showcase, signal: stopping }),
      wish: ({ certificate }, { directory, ca }) =>
        wishOf(certificate, directory, { clock, ca, signal: stopping, onLater: () => {} }),
      onRenewed({ certificate, key, fingerprint }) {
        office.renew({ ...office.book, tls: { ...office.book.tls, certificate, key } });
        const after = config().tls?.acme?.after;
        if (after !== undefined && fingerprint !== known) tellAfter(after, file, log);
        known = fingerprint;
      },
    },
    known,
  );
}

const WITHIN = 60_000;

/** Other programs may show the same certificate. */
function tellAfter([program = "", ...words]: readonly string[], file: string, log: Log): void {
  const env = { ...process.env, ODMR_CERTIFICATE: file };
  const options = { env, timeout: WITHIN, killSignal: "SIGKILL" as const };
  execFile(program, words, options, (error) => {
    if (error !== null) log.log("warn", "hook failed", { program, why: error.message.trim().split("\n")[0] });
  }).stdin?.end();
}
