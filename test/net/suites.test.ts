/** What TLS we speak, as OpenSSL sees it from outside: 1.2 and up, with forward secrecy and nothing weak. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Connection } from "../../src/net/connection.ts";
import { certs } from "../support/certs.ts";
import { SOON, withListener } from "../support/net.ts";
import { run, withPeers } from "../support/processes.ts";

async function untilGone(connection: Connection): Promise<void> {
  await connection.read(SOON).catch(() => undefined);
  connection.destroy();
}

/** The protocol and cipher that OpenSSL gets with these options; undefined: it is refused. */
const agreed = (...options: readonly string[]): Promise<string | undefined> =>
  withListener({ tls: certs().server, onConnection: untilGone }, async (listener) => {
    const to = ["s_client", "-connect", `127.0.0.1:${listener.address.port}`, "-brief", ...options];
    const { stdout, stderr } = await run("openssl", to);
    const said = `${stdout}${stderr}`;
    const protocol = /^Protocol version: (.*)$/m.exec(said)?.[1];
    return protocol === undefined ? undefined : `${protocol} ${/^Ciphersuite: (.*)$/m.exec(said)?.[1]}`;
  });

/** OpenSSL itself leaves these out, unless it is told that nothing is too weak. */
const anything = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";

describe("TLS, to OpenSSL,", withPeers("openssl"), () => {
  it("is 1.3, or 1.2 with forward secrecy", async () => {
    assert.match((await agreed()) ?? "", /^TLSv1\.3 TLS_(AES|CHACHA20)/);
    assert.match((await agreed("-tls1_2")) ?? "", /^TLSv1\.2 ECDHE-ECDSA-(AES(128|256)-GCM|CHACHA20)/);
  });

  it("is nothing older", async () => {
    for (const old of ["-tls1_1", "-tls1"])
      assert.equal(await agreed(old, "-cipher", anything), undefined, old);
  });

  it("has no cipher without encryption or without a certificate", async () => {
    for (const weak of ["eNULL", "aNULL", "PSK"])
      assert.equal(await agreed("-tls1_2", "-cipher", `${weak}:@SECLEVEL=0`), undefined, weak);
  });
});
