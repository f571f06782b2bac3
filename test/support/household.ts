/** The test house: two relays at addresses of their own (MX 10 and 20), the house behind them, and a Postfix that is the world. */
// odmr runs as processes, from the binary where it was built. The world finds the relays as an MX has them: the second only
// where the first does not answer. At home a Dovecot knows its users, and refuses everybody else.
import { createHash, generateKeyPairSync, X509Certificate } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { certs } from "./certs.ts";
import type { Ended } from "./cli.ts";
import { type Dovecot, withDovecot } from "./dovecot.ts";
import { type Postfix, withPostfix } from "./postfix.ts";
import { eventually, freePort, greets, inOpenFolder, type Running, run, start } from "./processes.ts";
import { programs } from "./program.ts";

export const PASSWORD = "correct horse battery staple";

const keys = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "der" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});

/** The TXT record of odmr._domainkey.home.test. */
export const DKIM_RECORD = `v=DKIM1; k=rsa; p=${keys.publicKey.toString("base64")}`;

export interface RelayProcess {
  readonly name: string;
  readonly host: string;
  readonly intake: number;
  readonly odmr: number;
  start(): Promise<void>;
  stop(): Promise<void>;
  log(): string;
}

export interface Household {
  readonly folder: string;
  /** Its Maildir has the mail for world.test. */
  readonly world: Postfix;
  readonly relays: readonly [RelayProcess, RelayProcess];
  readonly dovecot: Dovecot;
  /** Where the house's own programs hand mail in. */
  readonly door: number;
  /** Opens the house: its daemon follows both relays. */
  open(): Promise<Running>;
  /** The command line, on this host. */
  odmr(...words: readonly string[]): Promise<Ended>;
  /** Every spool's `queue verify`: statuses and what they said. */
  verify(): Promise<readonly string[]>;
}

/** A customer beside the house, at both relays. */
export const NEIGHBOUR = "neighbour.test";

/** @param users whom the Dovecot at home knows */
export function withHousehold(
  users: readonly string[],
  use: (household: Household) => Promise<void>,
): Promise<void> {
  return inOpenFolder(async (folder) => {
    const lmtp = await freePort();
    const door = await freePort();
    const places = await Promise.all([placeOf("relay1", "127.0.1.1"), placeOf("relay2", "127.0.1.2")]);
    const hops = places.map(({ host, intake }) => `[${host}]:${intake}`).join(", ");
    const settings = {
      relay_domains: `home.test ${NEIGHBOUR}`,
      transport_maps: `inline:{ { home.test = smtp:${hops} }, { ${NEIGHBOUR} = smtp:${hops} } }`,
      smtp_line_length_limit: "0",
    };
    const running: Running[] = [];
    const inWorld = async (dovecot: Dovecot, world: Postfix): Promise<void> => {
      await writeSecrets(folder);
      for (const place of places) await writeRelay(folder, place, world.port);
      await writeHouse(folder, { places, lmtp, door });
      const launch = (...words: readonly string[]): Running => {
        const [program, ...more] = odmr(words);
        running.push(start(program, more));
        return running.at(-1)!;
      };
      const relays = places.map((place) => relayProcess(folder, place, launch));
      await Promise.all(relays.map((relay) => relay.start()));
      await use({
        ...{ folder, world, dovecot, door, relays: [relays[0]!, relays[1]!] },
        async open() {
          const daemon = launch("pull", "--daemon", "--config", join(folder, "house.yaml"), "--log", "json");
          await daemon.until(() => daemon.said.stderr.includes('"service":"outgoing"'));
          return daemon;
        },
        odmr: (...words) => runOdmr(folder, words),
        async verify() {
          const spools = ["relay1", "relay2", "house"].map((name) => join(folder, `${name}.db`));
          return Promise.all(
            spools.map(async (spool) => {
              const { status, stdout, stderr } = await runOdmr(folder, ["queue", "verify", "--spool", spool]);
              return `${status} ${status === 0 ? "" : stdout + stderr}`.trim();
            }),
          );
        },
      });
    };
    try {
      await withDovecot(
        folder,
        lmtp,
        (dovecot) =>
          withPostfix(folder, { domains: ["world.test"], settings }, (world) => inWorld(dovecot, world)),
        users,
      );
    } finally {
      await Promise.all(running.map((each) => each.stop()));
    }
  });
}

const odmr = (words: readonly string[]): readonly [string, ...string[]] => [
  ...programs.at(-1)!.words,
  ...words,
];

function runOdmr(folder: string, words: readonly string[]): Promise<Ended> {
  const [program, ...more] = odmr(words);
  return run(program, more, { cwd: folder, env: { HOME: folder, NO_COLOR: "1" } });
}

interface RelayPlace {
  readonly name: string;
  readonly host: string;
  readonly intake: number;
  readonly odmr: number;
}

const placeOf = async (name: string, host: string): Promise<RelayPlace> => ({
  ...{ name, host },
  intake: await freePort(host),
  odmr: await freePort(host),
});

function relayProcess(
  folder: string,
  place: RelayPlace,
  launch: (...words: readonly string[]) => Running,
): RelayProcess {
  let running: Running | undefined;
  return {
    ...place,
    async start() {
      const serving = launch("serve", "--config", join(folder, `${place.name}.yaml`), "--log", "json");
      running = serving;
      await serving.until(() => greets(place.intake, place.host));
    },
    stop: async () => running?.stop(),
    log: () => running?.said.stderr ?? "",
  };
}

async function writeSecrets(folder: string): Promise<void> {
  const { server } = certs();
  await writeFile(join(folder, "tls.crt"), server.certificate);
  for (const [name, text] of [
    ["tls.key", server.key],
    ["dkim.key", keys.privateKey],
    ["home.secret", `${PASSWORD}\n`],
  ] as const)
    await writeFile(join(folder, name), text, { mode: 0o600 });
}

/** Configurations are written as JSON, which is YAML too. */
function writeRelay(folder: string, { name, host, intake, odmr }: RelayPlace, world: number): Promise<void> {
  const password = { file: "home.secret" };
  const dkim = { selector: "odmr", key: "dkim.key" };
  const config = {
    hostname: `${name}.test`,
    spool: `${name}.db`,
    tls: { certificate: "tls.crt", key: "tls.key" },
    serve: {
      listen: [
        { service: "odmr", address: `${host}:${odmr}` },
        { service: "intake", address: `${host}:${intake}` },
      ],
      customers: [
        { name: "home", domains: ["home.test"], password, dkim },
        { name: "neighbour", domains: [NEIGHBOUR], password },
      ],
      outbound: { smarthost: `smtp://127.0.0.1:${world}`, tls: "none" },
    },
  };
  return writeFile(join(folder, `${name}.yaml`), JSON.stringify(config));
}

/** The fingerprint of the relays' certificate, as `pin` has it. */
export const PIN = (): string =>
  `sha256:${createHash("sha256").update(new X509Certificate(certs().server.certificate).raw).digest("hex")}`;

function writeHouse(
  folder: string,
  { places, lmtp, door }: { places: readonly RelayPlace[]; lmtp: number; door: number },
): Promise<void> {
  const accounts = places.map(({ name, host, odmr }) => ({
    ...{ name, provider: `${host}:${odmr}`, pin: PIN(), user: "home", password: { file: "home.secret" } },
    ...{ domains: ["home.test"], follow: true, doubles: "remove" },
    deliver: [{ match: "*", to: `lmtp://127.0.0.1:${lmtp}` }],
  }));
  const outgoing = { listen: `127.0.0.1:${door}`, via: "relay1" };
  const config = { hostname: "house.home.test", spool: "house.db", pull: { accounts, outgoing } };
  return writeFile(join(folder, "house.yaml"), JSON.stringify(config));
}

/** The messages in a Maildir, as they lie there. */
export async function mailIn(maildir: string): Promise<readonly Buffer[]> {
  const names = await readdir(join(maildir, "new")).catch(() => []);
  return Promise.all(names.sort().map((name) => readFile(join(maildir, "new", name))));
}

/** Waits until so many messages lie there. @returns them */
export async function mailOf(
  maildir: string,
  count: number,
  why: () => string | Promise<string>,
): Promise<readonly Buffer[]> {
  await eventually(
    async () => (await mailIn(maildir)).length >= count,
    () => `${count} messages are to lie in ${maildir}`,
    30_000,
  ).catch(async (fault: unknown) => {
    throw new Error(`${fault}\n${await why()}`);
  });
  return mailIn(maildir);
}
