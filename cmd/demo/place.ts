/** A folder with all that a relay and a house need: two configurations, a certificate, a password, and where mail goes. */
// It is what an operator would write by hand, but that both are on this computer and the ports are whatever is free.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { fromSource } from "./child.ts";

export interface Place {
  readonly folder: string;
  /** The relay's configuration, and the house's. */
  readonly relay: string;
  readonly house: string;
  /** The folder of the Maildirs. */
  readonly mail: string;
  /** A script that runs odmr: in this folder, `./odmr queue list --config relay.yaml`. */
  readonly script: string;
  readonly ports: { readonly odmr: number; readonly intake: number };
}

/** @throws if there is no openssl command to make the certificate with */
export async function makePlace(folder: string): Promise<Place> {
  const at = (name: string) => join(folder, name);
  const [odmr, intake] = await Promise.all([freePort(), freePort(), makeCertificate(folder)]);
  const place: Place = {
    folder,
    relay: at("relay.yaml"),
    house: at("house.yaml"),
    mail: at("mail"),
    script: at("odmr"),
    ports: { odmr, intake },
  };
  await writeFile(at("home.secret"), `${randomBytes(18).toString("base64url")}\n`, { mode: 0o600 });
  await writeFile(place.relay, relayConfig(place));
  await writeFile(place.house, houseConfig(place));
  await writeFile(place.script, script(), { mode: 0o755 });
  return place;
}

const relayConfig = ({ ports }: Place): string => `# The relay, on the host with the fixed address.
hostname: relay.example.net
spool: relay/spool.db
tls: { certificate: relay.crt, key: relay.key }
serve:
  listen:
    - { service: intake, address: "127.0.0.1:${ports.intake}" }
    - { service: odmr, address: "127.0.0.1:${ports.odmr}" }
  customers:
    - name: home
      domains: [example.org, example.com]
      password: { file: home.secret }
`;

const houseConfig = ({ ports }: Place): string => `# The house, behind whatever line it has.
hostname: house.example.org
spool: house/spool.db
pull:
  accounts:
    - name: vps
      provider: localhost:${ports.odmr}
      user: home
      password: { file: home.secret }
      ca: relay.crt
      domains: [example.org, example.com]
      deliver: [{ match: "*", to: "maildir:mail/{domain}/{local}" }]
`;

const script = (): string =>
  `#!/bin/sh\nexec ${fromSource.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ")} "$@"\n`;

const forLocalhost = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

async function makeCertificate(folder: string): Promise<void> {
  const files = ["-keyout", "relay.key", "-out", "relay.crt", "-days", "30"];
  try {
    await promisify(execFile)("openssl", ["req", "-x509", ...newKey, ...forLocalhost, ...files], {
      cwd: folder,
    });
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    const why = missing ? "it is not installed (apt install openssl)" : String(cause);
    throw new Error(`the certificate is made with the openssl command: ${why}`, { cause });
  }
}

/** A port that nobody listens on. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = address !== null && typeof address === "object" ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
