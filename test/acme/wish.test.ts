import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { idOf, wishOf } from "../../src/acme/wish.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { newKey, selfSigned } from "../../src/platform/selfsigned.ts";
import { manualClock } from "../support/clock.ts";

/** The example of RFC 9773, appendix A: its certificate, and the identifier in §4.1. */
const EXAMPLE = `-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----`;

/** @returns what is asked for and what comes of it, where the CA says this */
async function wishFrom(said: unknown, status = 200) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    const { port } = server.address() as AddressInfo;
    const directory = request.url === "/directory";
    response.writeHead(directory ? 200 : status);
    response.end(JSON.stringify(directory ? { renewalInfo: `http://127.0.0.1:${port}/wishes` } : said));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const tools = {
    clock: manualClock(),
    ca: undefined,
    signal: new AbortController().signal,
    onLater: () => {},
  };
  try {
    const wish = await wishOf(EXAMPLE, `http://127.0.0.1:${port}/directory`, tools).catch((error: Error) =>
      error.message.replace(String(port), "PORT"),
    );
    return { asked, wish };
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

describe("the CA's wish", () => {
  it("is asked for by the RFC's own identifier", async () => {
    const id = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    assert.equal(await idOf(EXAMPLE), id);
    const span = { start: "2026-02-01T00:00:00Z", end: "2026-02-02T00:00:00Z" };
    assert.deepEqual(await wishFrom({ suggestedWindow: span }), {
      asked: ["/directory", `/wishes/${id}`],
      wish: { from: Date.UTC(2026, 1, 1), until: Date.UTC(2026, 1, 2) },
    });
  });

  it("that cannot be had, or is none, says so", async () => {
    assert.match(
      String((await wishFrom({}, 404)).wish),
      /^http:\/\/127\.0\.0\.1:PORT\/wishes\/.* answers 404$/,
    );
    for (const said of [
      {},
      { suggestedWindow: { start: "2026-02-02T00:00:00Z", end: "2026-02-01T00:00:00Z" } },
    ])
      assert.equal((await wishFrom(said)).wish, "the CA's wish is no span of time");
  });

  it("is not asked for where a certificate does not say whose key signed it", async () => {
    const own = await selfSigned(newKey(), { name: "relay.test", since: 0, random: systemRandom });
    assert.equal(await idOf(own), undefined);
  });
});
