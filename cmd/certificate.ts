/** `odmr certificate`: which certificate the listeners show, until when, and one order by ACME by hand. */
// An order by hand is for the first time and for looking into trouble: odmr serve renews by itself.
import { readFile } from "node:fs/promises";
import { buildCommand } from "@stricli/core";
import { order } from "../src/acme/order.ts";
import { renewalOf } from "../src/acme/renewal.ts";
import { certificateIn, type Shown, writeKept } from "../src/acme/shelf.ts";
import { directoryName, stagingOf } from "../src/config/acme.ts";
import type { Acme, Config, Tls } from "../src/config/config.ts";
import { ConfigError } from "../src/config/error.ts";
import { loadConfig } from "../src/config/load.ts";
import { systemClock } from "../src/platform/clock.ts";
import { systemRandom } from "../src/platform/random.ts";
import { openShowcase, wantedOf } from "./acme.ts";
import { Exit, status } from "./exit.ts";
import { type CommonFlags, type Context, commonFlags, helpText, switchFlag } from "./flags.ts";
import { logOf } from "./log.ts";
import { workAs } from "./user.ts";

interface CertificateFlags extends CommonFlags {
  readonly order: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

export const certificateCommand = buildCommand<CertificateFlags, [], Context>({
  async func(flags) {
    const config = await loadConfig(flags.config);
    const tls = tlsOf(config);
    if (flags.order || flags.dryRun) await orderNow(config, flags);
    if (flags.dryRun) return void this.process.stderr.write("the CA made a certificate; it is not kept\n");
    const text = await readFile(tls.certificate, "latin1").catch((fault: NodeJS.ErrnoException) => {
      if (fault.code !== "ENOENT") throw fault;
      throw new Exit(
        status.tempFail,
        `${tls.certificate}: there is no certificate yet; odmr serve has one made`,
      );
    });
    this.process.stdout.write(flags.json ? `${JSON.stringify(seen(text, tls))}\n` : said(text, tls));
  },
  parameters: {
    flags: {
      ...commonFlags,
      order: switchFlag(
        "Order a certificate now, by tls.acme, and put it in the place of the one that is there",
      ),
      dryRun: switchFlag(
        "Order one and keep nothing: from the CA's staging directory, where it is known to have one",
      ),
      json: switchFlag("One JSON object"),
    },
  },
  docs: {
    brief: "Show the certificate of the listeners, or order one by ACME",
    fullDescription: helpText(
      "Says for which names the certificate is that odmr serve shows, who signed it, how long it is valid and by which pin\n" +
        "callers may know it. With tls.acme odmr serve orders and renews it by itself: --order and --dry-run are for looking\n" +
        "into trouble, while odmr serve does not run (they answer the CA at the same port). A running odmr serve takes a\n" +
        "certificate that was made meanwhile at SIGHUP, and tries a failed order again then.\n\n" +
        "Exit status: 0 done · 75 there is none yet, or the CA did not make one · 78 configuration.",
      {
        "odmr certificate": "what is shown now",
        "odmr certificate --dry-run": "would the CA make one? Can it ask at port 80?",
        "odmr certificate --json | jq -r .fingerprint": "the pin, for pin: in the account at home",
      },
    ),
  },
});

function tlsOf({ tls, file }: Config): Tls {
  if (tls === undefined)
    throw new ConfigError(
      `${file}: tls: is missing; there is no certificate. Write tls: { acme: { agree: true } }`,
    );
  return tls;
}

async function orderNow(config: Config, flags: CertificateFlags): Promise<void> {
  const { tls, file } = config;
  if (tls?.acme === undefined)
    throw new ConfigError(`${file}: tls.acme: is missing; this certificate is not odmr's to order`);
  const log = logOf(flags, systemClock);
  const tools = { clock: systemClock, random: systemRandom, log };
  const stop = new AbortController();
  const acme = flags.dryRun ? rehearsed(tls.acme) : tls.acme;
  const showcase = await openShowcase(acme, tools, stop.signal);
  try {
    workAs(config);
    const wanted = await wantedOf(acme, systemRandom);
    log.log("info", "certificate ordered", {
      names: wanted.names,
      directory: directoryName(wanted.directory),
    });
    const issued = await order(wanted, { clock: systemClock, showcase, signal: stop.signal }).catch(
      (cause) => {
        throw new Exit(status.tempFail, `no certificate: ${(cause as Error).message}`, { cause });
      },
    );
    if (!flags.dryRun)
      await writeKept(tls.certificate, { ...issued, directory: wanted.directory }, systemRandom);
  } finally {
    stop.abort();
    await showcase.close?.();
  }
}

const rehearsed = (acme: Acme): Acme => ({ ...acme, directory: stagingOf(acme.directory) ?? acme.directory });

/** What --json says. */
function seen(text: string, tls: Tls) {
  const { names, issuer, from, until, fingerprint }: Shown = certificateIn(text);
  const renewal = tls.acme && renewalOf({ from, until, fingerprint });
  return {
    file: tls.certificate,
    ...{ names, issuer, fingerprint: `sha256:${fingerprint}` },
    ...{ from: iso(from), until: iso(until), ...(renewal !== undefined && { renewal: iso(renewal) }) },
  };
}

function said(text: string, tls: Tls): string {
  const { names, issuer, fingerprint, from, until, renewal } = seen(text, tls);
  const rows = {
    names: names.join(", "),
    issuer,
    valid: `${from} to ${until}${renewal === undefined ? "" : `, renewed from ${renewal} on`}`,
    pin: fingerprint,
    file: tls.certificate,
  };
  return Object.entries(rows)
    .map(([what, each]) => `${what.padEnd(8)}${each}\n`)
    .join("");
}

const iso = (at: number): string => new Date(at).toISOString();
