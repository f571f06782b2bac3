import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfig } from "../../src/config/load.ts";
import { certs } from "../support/certs.ts";
import { inFolder } from "../support/cli.ts";

const relay = `hostname: relay.example.net
spool: spool.db
tls: { certificate: tls.crt, key: tls.key }
serve:
  listen: [{ service: intake, address: "127.0.0.1:0" }]
`;

const load = (certificate: string, key: string) =>
  inFolder(async (folder) => {
    await writeFile(join(folder, "odmr.yaml"), relay);
    await writeFile(join(folder, "tls.crt"), certificate);
    await writeFile(join(folder, "tls.key"), key, { mode: 0o600 });
    await loadConfig(join(folder, "odmr.yaml"));
  });

test("a certificate and a key that belong together are right", () =>
  load(certs().server.certificate, certs().server.key));

test("a certificate and a key that do not are told before anybody is locked out", async () => {
  await assert.rejects(
    load(certs().server.certificate, certs().renewed.key),
    /tls\.certificate: .*is not the certificate of/,
  );
  await assert.rejects(load("open sesame\n", certs().server.key), /are no certificate with its key/);
});
