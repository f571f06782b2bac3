/** Certificates from a real certificate authority: Debian's pebble asks for its proofs on the wire, and turns nonces down. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { openAlpnShowcase } from "../../src/acme/alpn.ts";
import { dnsShowcase } from "../../src/acme/dns.ts";
import { openHttpShowcase } from "../../src/acme/http.ts";
import { order, type Showcase } from "../../src/acme/order.ts";
import { accountKeyIn, certificateIn } from "../../src/acme/shelf.ts";
import type { ClientTls } from "../../src/net/connection.ts";
import { dial } from "../../src/net/dial.ts";
import { Talk } from "../../src/net/talk.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { inFolder } from "../support/cli.ts";
import { type Pebble, withCa, withPebble } from "../support/pebble.ts";
import { inWorld, portOf, programs } from "../support/program.ts";
import { showsExtensions } from "../support/runtime.ts";

const tools = { clock: systemClock, random: systemRandom };
const signal = new AbortController().signal;
const here = (port: number) => ({ host: "127.0.0.1", port });
/** A key of an account that this pebble knows: 32 octets and more, base64url. */
const EXTERNAL = { id: "house-7", key: "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W" };

describe("a certificate authority", withCa(), () => {
  it("takes each way of proving a name, and knows an account by its external key", () =>
    inFolder((folder) =>
      withPebble(
        folder,
        { names: ["relay.test", "mx.test", "both.test"], external: { [EXTERNAL.id]: EXTERNAL.key } },
        async (pebble) => {
          const accountKey = await accountKeyIn(join(folder, "account.key"), systemRandom);
          const ask = (showcase: Showcase, names: readonly string[], external?: typeof EXTERNAL) =>
            order(
              {
                ...{ names, accountKey, external, directory: pebble.directory, ca: pebble.ca },
                ...{ contact: "postmaster@relay.test", profile: undefined },
              },
              { clock: systemClock, showcase, signal, patience: 50 },
            );
          const http = await openHttpShowcase(here(pebble.httpPort));
          const alpn = await openAlpnShowcase(here(pebble.tlsPort), tools);
          const { dns, records } = await zoneFile(folder, pebble);
          try {
            await assert.rejects(ask(http, ["relay.test"]), /externalAccountBinding/);
            const both = await ask(http, ["relay.test", "both.test"], EXTERNAL);
            assert.deepEqual(certificateIn(both.certificate).names, ["relay.test", "both.test"]);
            const [leaf, issuer] = both.certificate.match(/-----BEGIN.*?-----END CERTIFICATE-----/gs) ?? [];
            assert.ok(new X509Certificate(leaf!).checkIssued(new X509Certificate(issuer!)));
            const wild = await ask(dns, ["*.wild.test", "wild.test"], EXTERNAL);
            assert.deepEqual(certificateIn(wild.certificate).names.toSorted(), ["*.wild.test", "wild.test"]);
            assert.deepEqual(
              (await records()).map((line) => line.split(" ").slice(0, 2).join(" ")).toSorted(),
              ["clear _acme-challenge.wild.test", "clear _acme-challenge.wild.test"].concat([
                "set _acme-challenge.wild.test",
                "set _acme-challenge.wild.test",
              ]),
            );
            if (showsExtensions) {
              const two = await ask(alpn, ["mx.test", "both.test"], EXTERNAL);
              assert.deepEqual(certificateIn(two.certificate).names, ["mx.test", "both.test"]);
            }
            await assert.rejects(ask(http, ["nowhere.test"], EXTERNAL), /nowhere\.test is not proved: /);
            await assert.rejects(
              ask(http, ["*.relay.test"], EXTERNAL),
              /takes no http-01 for .*, but dns-01/,
            );
          } finally {
            await Promise.all([http.close(), alpn.close()]);
          }
        },
      ),
    ));

  for (const { name, words } of programs)
    it(`serves a relay that starts without a certificate (${name})`, () =>
      inWorld(words, (world) =>
        withPebble(world.folder, { names: ["relay.test", "mx.relay.test"] }, async (pebble) => {
          await world.file("home.secret", "open sesame\n");
          const write = (names: readonly string[]) =>
            world.file("relay.yaml", JSON.stringify(relayAt(pebble, names)));
          const config = await write(["relay.test"]);
          const serving = await world.serve(config, { doors: 3 });
          const door = serving.doors.odmr;
          const early = new Talk(await dialled(door, { servername: "relay.test", anybody: true }));
          await early.greeting();
          await serving.heard((log) => /"event":"certificate renewed"/.test(log) || undefined);
          const root = await pebble.root();
          const first = await shownAt(door, { servername: "relay.test", ca: root });
          assert.deepEqual(first.names, ["relay.test"]);
          const kept = world.at("relay/spool.db.acme.pem");
          for (const file of [kept, world.at("relay/spool.db.acme.key")])
            assert.equal((await stat(file)).mode & 0o777, 0o600, file);

          await write(["relay.test", "mx.relay.test"]);
          process.kill(serving.pid, "SIGHUP");
          await serving.heard(
            (log) => (log.match(/"event":"certificate renewed"/g) ?? []).length > 1 || undefined,
          );
          const second = await shownAt(door, { servername: "mx.relay.test", ca: root });
          assert.deepEqual(second.names, ["relay.test", "mx.relay.test"]);
          const told = await world.run(["certificate", "--config", config, "--json"]);
          const { names, fingerprint } = JSON.parse(told.stdout) as Record<string, unknown>;
          assert.deepEqual(
            { status: told.status, names, fingerprint },
            { status: 0, names: second.names, fingerprint: `sha256:${second.fingerprint}` },
          );
          assert.equal(
            (await early.ask({ verb: "NOOP", argument: "" })).code,
            250,
            "whoever was there before stays",
          );
          early.connection.destroy();
          assert.equal((await serving.end("SIGTERM")).status, 0);
        }),
      ));
});

const dialled = (door: string | undefined, tls: ClientTls) =>
  dial({ ...here(portOf(door)), tls, clock: systemClock, within: 10_000 });

/** The names and the fingerprint of what a door shows to who trusts this CA. */
async function shownAt(door: string | undefined, tls: ClientTls) {
  const connection = await dialled(door, tls);
  connection.destroy();
  const { names = [], fingerprint } = connection.tls?.certificate ?? {};
  return { names, fingerprint };
}

const relayAt = ({ directory, httpPort }: Pebble, names: readonly string[]) => ({
  hostname: "relay.test",
  spool: "relay/spool.db",
  tls: { acme: { agree: true, names, directory, ca: "pebble.crt", listen: `127.0.0.1:${httpPort}` } },
  serve: {
    listen: [
      { service: "intake", address: "127.0.0.1:0" },
      { service: "odmr", address: "127.0.0.1:0", tls: "implicit" },
    ],
    customers: [{ name: "home", domains: ["example.org"], password: { file: "home.secret" } }],
  },
});

/** A zone that is kept in a file by a program of the operator's, who wrote it in shell. */
async function zoneFile(folder: string, { zone }: Pebble) {
  const file = join(folder, "records");
  const script = 'printf "%s\\n" "$2 $3 $4" >> "$1"';
  const program = (act: string) => ["sh", "-c", script, "dns", file, act, "{name}", "{value}"];
  const plan = { set: program("set"), clear: program("clear"), wait: 0 };
  const records = async () => (await readFile(file, "utf8")).trim().split("\n");
  const showcase = dnsShowcase(plan, { clock: systemClock, signal, onLeft: (why) => assert.fail(why) });
  const dns: Showcase = {
    ...showcase,
    async show(proofs) {
      await showcase.show(proofs);
      for (const line of await records()) {
        const [, name, value] = line.split(" ");
        zone[`${name} TXT`] = [...(zone[`${name} TXT`] ?? []), [value]];
      }
    },
  };
  return { dns, records };
}
