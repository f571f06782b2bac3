/** `odmr doctor` on a relay that runs, with its domains in a real name server: NSD of Debian. */
import assert from "node:assert/strict";
import { createHash, createPublicKey, generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { systemLookup } from "../../src/platform/lookup.ts";
import { certs } from "../support/certs.ts";
import { inFolder, odmrHere } from "../support/cli.ts";
import { freePort, start, withPeers } from "../support/processes.ts";
import { withServe } from "../support/served.ts";

type Zones = Readonly<Record<string, readonly string[]>>;

/** Runs NSD with these zones; `use` is given its `address:port`. */
async function withNsd<T>(folder: string, zones: Zones, use: (server: string) => Promise<T>): Promise<T> {
  const port = await freePort();
  const file = join(folder, "nsd.conf");
  const names = Object.keys(zones);
  for (const [name, records] of Object.entries(zones))
    await writeFile(
      join(folder, `${name}.zone`),
      [
        `$ORIGIN ${name}.`,
        "$TTL 60",
        "@ SOA ns.test. admin.test. 1 60 60 60 60",
        "@ NS ns.test.",
        ...records,
        "",
      ].join("\n"),
    );
  await writeFile(
    file,
    `server:
  ip-address: 127.0.0.1@${port}
  username: ""
  zonesdir: "${folder}"
  pidfile: "${folder}/nsd.pid"
  xfrdfile: "${folder}/xfrd.state"
  zonelistfile: "${folder}/zone.list"
remote-control:
  control-enable: no
${names.map((name) => `zone:\n  name: ${name}\n  zonefile: ${name}.zone\n`).join("")}`,
  );
  const running = start("nsd", ["-d", "-c", file]);
  const server = `127.0.0.1:${port}`;
  try {
    await running.until(() =>
      systemLookup([server], 500)
        .ask(names[0]!, "A")
        .then(
          () => true,
          () => false,
        ),
    );
    return await use(server);
  } finally {
    await running.stop();
  }
}

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey;
const p = (key: typeof publicKey): string =>
  (
    key
      .export({ type: "spki", format: "der" })
      .toString("base64")
      .match(/.{1,200}/g) ?? []
  )
    .map((text) => `"${text}"`)
    .join(" ");
const tlsa = (pem: string): string =>
  createHash("sha256")
    .update(createPublicKey(pem).export({ type: "spki", format: "der" }))
    .digest("hex");

const good = (): Zones => ({
  "relay.test": ["@ A 127.0.0.1", `_25._tcp TLSA 3 1 1 ${tlsa(certs().server.key)}`],
  "example.org": [
    "@ MX 10 relay.test.",
    '@ TXT "v=spf1 a:relay.test -all"',
    '@ TXT "something else"',
    '_dmarc TXT "v=DMARC1; p=reject"',
    `s1._domainkey TXT "v=DKIM1; k=rsa; p=" ${p(publicKey)}`,
  ],
  "127.in-addr.arpa": ["1.0.0 PTR relay.test."],
});

const bad = (): Zones => ({
  "relay.test": ["@ A 192.0.2.7", `_25._tcp TLSA 3 1 1 ${tlsa(certs().renewed.key)}`],
  "example.org": [
    "@ MX 0 .",
    '@ TXT "v=spf1 ip4:192.0.2.8 -all"',
    '_dmarc TXT "v=DMARC1; p=reject"',
    '_dmarc TXT "v=DMARC1; p=none"',
    `s1._domainkey TXT "v=DKIM1; k=rsa; p=" ${p(other)}`,
    '_mta-sts TXT "v=STSv1; id=1"',
    '_mta-sts TXT "v=STSv1; id=2"',
  ],
  "2.0.192.in-addr.arpa": ["7 PTR gone.example.org."],
});

/** What was found, without what is of this machine alone. */
async function examined(config: string, server: string) {
  const only = ["--only", "certificate,dns,listeners"];
  const { status, stdout } = await odmrHere([
    "doctor",
    "--config",
    config,
    "--dns",
    server,
    "--json",
    ...only,
  ]);
  const lines = stdout.trimEnd().split("\n");
  const found = lines.map((line) => JSON.parse(line) as Readonly<Record<string, string>>);
  return { status, found: found.map((each) => `${each.check} ${each.status}`), lines: found };
}

describe("odmr doctor, and NSD", withPeers("nsd"), () => {
  it("finds a relay fine that runs as its domains in DNS say, and one wrong that does not", () =>
    inFolder(async (folder) => {
      const door = (service: string) => ({ service, address: `unix:${folder}/${service}.sock` });
      const listen = [{ ...door("intake"), tls: "starttls" }, door("lmtp")];
      const tls = certs().server;
      await withServe(folder, { listen, domains: ["example.org"], tls }, async () => {
        const config = join(folder, "doctor.yaml");
        await writeFile(join(folder, "dkim.key"), privateKey.export({ type: "pkcs8", format: "pem" }), {
          mode: 0o600,
        });
        const dkim = { selector: "s1", key: "dkim.key" };
        const customers = [
          { name: "home", domains: ["example.org"], password: { file: "home.secret" }, dkim },
        ];
        await writeFile(
          config,
          JSON.stringify({
            ...{ hostname: "relay.test", spool: "relay.db", tls: { certificate: "tls.crt", key: "tls.key" } },
            serve: { listen, customers, outbound: { mx: true } },
          }),
        );
        const here = ["certificate-dates ok", "certificate-name ok", "certificate-chain warn"];
        const doors = [
          ...["listener ok", "listener ok", "shown-certificate ok", "open-relay ok", "open-relay ok"],
          "outside skipped",
        ];
        await withNsd(folder, good(), async (server) => {
          const { status, found, lines } = await examined(config, server);
          const names = [
            "hostname ok",
            "reverse-name ok",
            "mx ok",
            "spf ok",
            "dkim ok",
            "dmarc ok",
            "mta-sts skipped",
            "tlsa ok",
          ];
          assert.deepEqual(
            { status, found },
            { status: 0, found: [...here, ...names, ...doors] },
            JSON.stringify(lines, null, 1),
          );
        });
        // Renewed, and the relay was not told.
        await writeFile(join(folder, "tls.crt"), certs().expired.certificate);
        await writeFile(join(folder, "tls.key"), certs().expired.key);
        await withNsd(folder, bad(), async (server) => {
          const { status, found, lines } = await examined(config, server);
          const names = ["hostname", "reverse-name", "mx", "spf", "dkim", "dmarc", "mta-sts", "tlsa"].map(
            (name) => (name === "hostname" ? /^hostname (ok|warn)$/ : `${name} fail`),
          );
          const expected = ["certificate-dates fail", ...here.slice(1), ...names, ...doors].map((each) =>
            each === "shown-certificate ok" ? "shown-certificate warn" : each,
          );
          assert.equal(status, 78);
          assert.equal(found.length, expected.length, JSON.stringify(lines, null, 1));
          for (const [i, each] of expected.entries())
            typeof each === "string"
              ? assert.equal(found[i], each, JSON.stringify(lines[i]))
              : assert.match(found[i] ?? "", each);
        });
      });
    }));
});
