import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { createServer, connect as open } from "node:net";
import { test } from "node:test";
import { readCrl } from "../../src/config/crl.ts";
import type { ClientTls, Connection, ServerTls } from "../../src/net/connection.ts";
import { dial } from "../../src/net/dial.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { certs } from "../support/certs.ts";
import { manualClock } from "../support/clock.ts";
import { bytes, echo, readExactly, SOON, text, withBare, withListener, withPair } from "../support/net.ts";
import { exportsKeyingMaterial } from "../support/runtime.ts";

const print = (pem: string) => new X509Certificate(pem).fingerprint256.replaceAll(":", "").toLowerCase();
const trusting = (more: Partial<ClientTls> = {}): ClientTls => ({
  servername: "relay.test",
  ca: certs().ca,
  ...more,
});

/** STARTTLS as a session does it, and then `use` with both ends under TLS. */
async function startBoth(
  { server: serverTls, client: clientTls }: { server: ServerTls; client: ClientTls },
  use: (client: Connection, server: Connection) => Promise<void>,
): Promise<void> {
  await withPair({}, async ({ client, server }) => {
    const serving = (async () => {
      assert.equal(await readExactly(server, 10), "STARTTLS\r\n");
      await server.write(bytes("220 go\r\n"), SOON);
      return server.startTls({ as: "server", tls: serverTls }, SOON);
    })();
    serving.catch(() => {});
    await client.write(bytes("STARTTLS\r\n"), SOON);
    assert.equal(await readExactly(client, 8), "220 go\r\n");
    const secured = await client.startTls({ as: "client", tls: clientTls }, SOON);
    await use(secured, await serving);
  });
}

const refused = (server: ServerTls, client: ClientTls, message: RegExp) =>
  assert.rejects(
    startBoth({ server, client }, async () => {}),
    { name: "ConnectionError", fault: "tls", message },
  );

/** What the server says of the handshake that it ends. */
async function refusedAtServer(server: ServerTls, client: ClientTls): Promise<string> {
  let said = "nothing";
  await withPair({}, async (pair) => {
    const serving = pair.server.startTls({ as: "server", tls: server }, SOON);
    const dialling = pair.client.startTls({ as: "client", tls: client }, SOON);
    said = await serving.then(
      () => "welcome",
      ({ message }: Error) => message,
    );
    (await dialling.catch(() => undefined))?.destroy();
  });
  return said;
}

test("STARTTLS secures a connection in both roles, and octets go both ways", () =>
  startBoth({ server: certs().server, client: trusting() }, async (client, server) => {
    const shown = client.tls?.certificate;
    assert.deepEqual(
      { ...shown, notAfter: undefined },
      {
        fingerprint: print(certs().server.certificate),
        names: ["relay.test"],
        trusted: true,
        notAfter: undefined,
      },
    );
    assert.equal(shown?.notAfter, Date.UTC(2099, 0, 1));
    assert.equal(client.tls?.protocol, "TLSv1.3");
    assert.equal(server.tls?.certificate, undefined);
    assert.equal(server.peer.address, "127.0.0.1");
    const echoing = echo(server);
    const body = "0123456789abcdef".repeat(200_000);
    const sending = client.write(bytes(body), SOON);
    assert.equal((await readExactly(client, body.length)) === body, true);
    await sending;
    await client.close(SOON);
    await echoing;
  }));

test("the plain connection is over once TLS is up", () =>
  withPair({}, async ({ client, server }) => {
    const [secured] = await Promise.all([
      client.startTls({ as: "client", tls: trusting() }, SOON),
      server.startTls({ as: "server", tls: certs().server }, SOON),
    ]);
    await assert.rejects(client.read(SOON), { fault: "closed" });
    await assert.rejects(client.write(bytes("x"), SOON), { fault: "closed" });
    secured.destroy();
  }));

test("many handshakes at once each get their own connection", () =>
  withPair({}, async () => {
    const { server } = certs();
    const names = Array.from({ length: 20 }, (_, i) => `number ${i}`);
    await Promise.all(
      names.map((name) =>
        startBoth({ server, client: trusting() }, async (a, b) => {
          await a.write(bytes(name), SOON);
          assert.equal(await readExactly(b, name.length), name);
          await b.write(bytes(name), SOON);
          assert.equal(await readExactly(a, name.length), name);
        }),
      ),
    );
  }));

for (const as of ["server", "client"] as const)
  test(`octets before the handshake are an injection (${as})`, () =>
    withBare(systemClock, async (connection, bare) => {
      bare.resume();
      const gone = once(bare, "close");
      bare.on("end", () => bare.end());
      bare.write("RSET\r\nMAIL FROM:<evil@x.test>\r\n");
      while (connection.pending === 0) await new Promise((resolve) => setImmediate(resolve));
      const role = as === "server" ? { as, tls: certs().server } : { as, tls: trusting() };
      await assert.rejects(connection.startTls(role, SOON), { fault: "injection" });
      await assert.rejects(connection.write(bytes("220"), SOON), { fault: "injection" });
      await gone;
    }));

test("a plain line in place of the handshake is a TLS failure", () =>
  withBare(systemClock, async (connection, bare) => {
    const starting = connection.startTls({ as: "server", tls: certs().server }, SOON);
    bare.write("MAIL FROM:<evil@x.test>\r\nRCPT TO:<b@x.test>\r\n");
    await assert.rejects(starting, { fault: "tls" });
  }));

test("a peer that leaves during the handshake is a TLS failure", () =>
  withBare(systemClock, async (connection, bare) => {
    const starting = connection.startTls({ as: "client", tls: trusting() }, SOON);
    bare.once("data", () => bare.destroy());
    await assert.rejects(starting, { fault: "tls" });
  }));

for (const as of ["server", "client"] as const)
  test(`a handshake that does not come times out (${as})`, async () => {
    const clock = manualClock();
    await withBare(clock, async (connection, bare) => {
      bare.resume();
      const role = as === "server" ? { as, tls: certs().server } : { as, tls: trusting() };
      const late = assert.rejects(connection.startTls(role, 10_000), { fault: "timeout" });
      await clock.advance(10_000);
      await late;
      assert.equal(clock.timers, 0);
    });
  });

test("TLS 1.1 is not spoken", () =>
  withBare(systemClock, async (connection, bare) => {
    bare.resume();
    const starting = connection.startTls({ as: "server", tls: certs().server }, SOON);
    bare.write(helloOf11());
    await assert.rejects(starting, { fault: "tls" });
  }));

/** A whole ClientHello of TLS 1.1 (RFC 4346 §7.4.1.2) with two cipher suites that it may have. */
function helloOf11(): Uint8Array {
  const hello = [3, 2, ...new Array<number>(32).fill(7), 0, 0, 4, 0xc0, 0x09, 0xc0, 0x13, 1, 0];
  return new Uint8Array([22, 3, 1, 0, hello.length + 4, 1, 0, 0, hello.length, ...hello]);
}

test("a certificate for another name is refused, and the message says for whom it is", () =>
  refused(
    certs().wrongName,
    trusting(),
    /certificate of relay\.test is for other\.test, not for relay\.test/,
  ));

test("an expired certificate is refused", () =>
  refused(certs().expired, trusting(), /expired on 2020-02-01/));

test("a self-signed certificate is refused, and the message gives the pin", () =>
  refused(
    certs().selfSigned,
    trusting(),
    new RegExp(`self-signed; pin it \\(sha256:${print(certs().selfSigned.certificate)}\\)`),
  ));

test("a certificate of an unknown authority is refused", () =>
  refused(certs().server, trusting({ ca: certs().otherCa }), /signed by nobody that we trust/));

test("a certificate that the system does not know is refused without a CA", () =>
  refused(certs().server, { servername: "relay.test" }, /signed by nobody that we trust/));

for (const [what, identity] of [
  ["self-signed", () => certs().selfSigned],
  ["expired", () => certs().expired],
  ["wrongly named", () => certs().wrongName],
] as const)
  test(`a pin is all that counts: a ${what} certificate passes`, async () => {
    const pin = print(identity().certificate);
    await startBoth(
      { server: identity(), client: { servername: "relay.test", pin } },
      async (client, server) => {
        await server.write(bytes("hello"), SOON);
        assert.equal(await readExactly(client, 5), "hello");
      },
    );
  });

test("a good certificate that is not the pinned one is refused", () =>
  refused(certs().server, trusting({ pin: print(certs().renewed.certificate) }), /is not the pinned one/));

test("a pin that is no fingerprint never fits", () =>
  refused(certs().server, trusting({ pin: "" }), /is not the pinned one/));

for (const [what, client, trusted] of [
  ["of the CA is trusted", () => certs().client, true],
  ["of nobody is shown as untrusted", () => certs().selfSigned, false],
  ["that expired is shown as untrusted", () => certs().expired, false],
] as const)
  test(`a client certificate ${what}`, () =>
    startBoth(
      { server: { ...certs().server, clientCa: certs().ca }, client: trusting(client()) },
      async (_, server) => {
        assert.equal(server.tls?.certificate?.trusted, trusted);
        assert.equal(server.tls?.certificate?.fingerprint, print(client().certificate));
      },
    ));

const judged = async (list: string): Promise<ServerTls> => {
  const { standing } = await readCrl(list, certs().ca);
  return { ...certs().server, clientCa: certs().ca, standing };
};

test("a client whose certificate was revoked is sent away, with its name and fingerprint", async () => {
  const { revoked, crl } = certs();
  assert.equal(
    await refusedAtServer(await judged(crl), trusting(revoked)),
    `the certificate of home.test (sha256:${print(revoked.certificate)}) was revoked`,
  );
});

for (const [what, list, trusted] of [
  ["that no list names is trusted", () => certs().crl, true],
  ["whose CA's list is out of date is shown as untrusted", () => certs().staleCrl, false],
] as const)
  test(`a client certificate ${what}`, async () =>
    startBoth({ server: await judged(list()), client: trusting(certs().client) }, async (_, server) => {
      assert.equal(server.tls?.certificate?.trusted, trusted);
    }));

test("a client without a certificate is let in where one is asked for, and has none in its facts", () =>
  startBoth(
    { server: { ...certs().server, clientCa: certs().ca }, client: trusting() },
    async (_, server) => {
      assert.equal(server.tls?.certificate, undefined);
    },
  ));

test("asked for without a CA, a client certificate shows its fingerprint and is never trusted", () =>
  startBoth(
    { server: { ...certs().server, askClient: true }, client: trusting(certs().client) },
    async (_, server) => {
      assert.equal(server.tls?.certificate?.trusted, false);
      assert.equal(server.tls?.certificate?.fingerprint, print(certs().client.certificate));
    },
  ));

test("a client certificate is not asked for by default", () =>
  startBoth({ server: certs().server, client: trusting(certs().client) }, async (_, server) => {
    assert.equal(server.tls?.certificate, undefined);
  }));

const skip = !exportsKeyingMaterial && "no exportKeyingMaterial here";
test("both ends export the same 32 octets for channel binding", { skip }, () =>
  startBoth({ server: certs().server, client: trusting() }, async (client, server) => {
    const ours = client.tls?.exporter?.();
    assert.equal(ours?.length, 32);
    assert.deepEqual(ours, server.tls?.exporter?.());
  }),
);

test("a line that is cut within a TLS record ends, and nothing of that record is given", async () => {
  const { promise: outcome, resolve } = Promise.withResolvers<string>();
  const onConnection = async (plain: Connection) => {
    const server = await plain.startTls({ as: "server", tls: certs().server }, SOON);
    await server.write(bytes("220 go ahead"), SOON);
    assert.equal(await readExactly(server, 5), "whole");
    await server.write(bytes("250"), SOON);
    const after = await server.read(SOON).then(text, (error: { fault: string }) => error.fault);
    resolve(String(after));
    await server.close();
  };
  await withListener({ onConnection }, (listener) =>
    withCutter(listener.address.port, async (port, cutAfter) => {
      const plain = await dial({ host: "127.0.0.1", port, clock: systemClock, within: SOON });
      const client = await plain.startTls({ as: "client", tls: trusting() }, SOON);
      assert.equal(await readExactly(client, 12), "220 go ahead");
      await client.write(bytes("whole"), SOON);
      assert.equal(await readExactly(client, 3), "250");
      cutAfter(500);
      await client.write(new Uint8Array(1000), SOON);
      assert.match(await outcome, /^(undefined|reset)$/);
      client.destroy();
    }),
  );
});

/** A relay to `to`; told to, it lets so many more octets of the caller pass, and then ends the line without a word of TLS. */
async function withCutter(
  to: number,
  use: (port: number, cutAfter: (octets: number) => void) => Promise<void>,
): Promise<void> {
  let left = Number.POSITIVE_INFINITY;
  const relay = createServer((caller) => {
    const called = open({ host: "127.0.0.1", port: to, allowHalfOpen: true });
    for (const socket of [caller, called]) socket.on("error", () => {});
    called.on("data", (octets) => caller.write(octets));
    caller.on("data", (octets: Buffer) => {
      if (left <= 0) return;
      called.write(octets.subarray(0, left));
      left -= octets.length;
      if (left <= 0) called.end();
    });
    caller.on("close", () => called.destroy());
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  try {
    await use((relay.address() as { port: number }).port, (octets) => {
      left = octets;
    });
  } finally {
    relay.close();
  }
}
