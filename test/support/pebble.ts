/** A certificate authority for the time of one test: Debian's pebble, which looks for proofs on loopback and in a table of names. */
// It turns down one nonce in twenty, as it does by itself; it does not dawdle.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { get } from "node:https";
import { join } from "node:path";
import { withNameServer } from "./nameserver.ts";
import { freePort, start, withPeers } from "./processes.ts";

export interface Pebble {
  readonly directory: string;
  /** Who signed the directory's own certificate, PEM. */
  readonly ca: string;
  /** Where it looks for proofs. */
  readonly httpPort: number;
  readonly tlsPort: number;
  /** The names that it sees; more may be added. */
  readonly zone: Record<string, readonly unknown[]>;
  /** What it has said. */
  log(): string;
  /** The CA of the certificates that it makes, PEM. */
  root(): Promise<string>;
}

export interface PebblePlan {
  /** The names of the world, each on loopback. */
  readonly names: readonly string[];
  /** Accounts only for who has one of these keys. */
  readonly external?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

/** What a test of it is told: it is met by both runtimes, for each has its own TLS and its own HTTP. */
export const withCa = (): { readonly skip: string | false } => {
  const { skip } = withPeers("pebble");
  return { skip: skip && !existsSync("/usr/bin/pebble") ? skip : false };
};

export async function withPebble<T>(
  folder: string,
  { names, external, env = {} }: PebblePlan,
  use: (pebble: Pebble) => Promise<T>,
): Promise<T> {
  const at = (name: string) => join(folder, name);
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-keyout", at("pebble.key"), "-out", at("pebble.crt"), "-days", "3650"],
      ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
    ],
    { stdio: "ignore" },
  );
  const [port, management, httpPort, tlsPort] = await Promise.all([1, 2, 3, 4].map(() => freePort()));
  const config = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate: at("pebble.crt"),
    privateKey: at("pebble.key"),
    ...{ httpPort, tlsPort },
    externalAccountBindingRequired: external !== undefined,
    ...(external && { externalAccountMACKeys: external }),
  };
  await writeFile(at("pebble.json"), JSON.stringify({ pebble: config }));
  const zone: Record<string, readonly unknown[]> = Object.fromEntries(
    names.map((name) => [`${name} A`, ["127.0.0.1"]]),
  );
  return await withNameServer(zone, async (server) => {
    const running = start("env", [
      "PEBBLE_VA_NOSLEEP=1",
      ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
      ...["pebble", "-strict", "-config", at("pebble.json"), "-dnsserver", server],
    ]);
    try {
      await running.until(() => /ACME directory available/.test(running.said.stdout + running.said.stderr));
      return await use({
        directory: `https://127.0.0.1:${port}/dir`,
        ca: await readFile(at("pebble.crt"), "utf8"),
        ...{ httpPort: httpPort!, tlsPort: tlsPort!, zone },
        log: () => running.said.stdout + running.said.stderr,
        root: () => rootFrom(management!),
      });
    } finally {
      await running.stop();
    }
  });
}

/** Its management has the CA that it makes anew at each start. */
function rootFrom(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: "127.0.0.1", port, path: "/roots/0", rejectUnauthorized: false, agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("latin1").on("data", (piece: string) => {
        text += piece;
      });
      answer.on("end", () => resolve(text));
    }).on("error", reject);
  });
}
