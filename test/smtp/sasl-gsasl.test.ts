import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { clientAuth } from "../../src/smtp/sasl/client.ts";
import { serverAuth } from "../../src/smtp/sasl/server.ts";
import { makeVerifier, portablePbkdf2 } from "../../src/smtp/sasl/verifier.ts";

const installed = spawnSync("gsasl", ["--version"]).status === 0;
const unbase64 = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));
const nonce = () => crypto.getRandomValues(new Uint8Array(18));

/** Runs GNU SASL and answers each of its lines; what it says first is the mechanism's name. @returns its exit status */
async function talk(
  flags: readonly string[],
  answer: (line: string) => string | undefined,
): Promise<number | null> {
  const process: ChildProcess = spawn("gsasl", ["--quiet", "--no-cb", ...flags], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const ended = once(process, "close");
  assert.ok(process.stdin && process.stdout);
  process.stdin.on("error", () => {});
  let lines = 0;
  for await (const line of createInterface({ input: process.stdout })) {
    if (lines++ === 0) continue;
    const reply = answer(line);
    if (reply === undefined) process.stdin.end("\n");
    else process.stdin.write(`${reply}\n`);
  }
  const [status] = await ended;
  return status;
}

describe("with GNU SASL", { skip: !installed }, () => {
  const scram = makeVerifier("pencil", new Uint8Array(16).fill(7), 10_000, portablePbkdf2);

  for (const mechanism of ["SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"])
    test(`our server accepts its ${mechanism}`, async () => {
      for (const [password, result] of [
        ["pencil", "accepted"],
        ["stylo", "refused"],
      ] as const) {
        const server = serverAuth(mechanism, {
          secretOf: () => ({ known: true, password: "pencil", scram }),
          nonce: nonce(),
          hostname: "relay.example.net",
          now: Date.now(),
        });
        assert.ok(server);
        const said: string[] = [];
        let first = true;
        await talk(["--client", "-m", mechanism, "-a", "home", "-p", password], (line) => {
          if (said.at(-1) === "accepted" || said.at(-1) === "refused") return undefined;
          const step = server.step(first && line === "" ? undefined : unbase64(line));
          first = false;
          said.push(step.type);
          return step.type === "challenge" ? Buffer.from(step.bytes).toString("base64") : undefined;
        });
        assert.equal(said.at(-1), result);
      }
    });

  for (const mechanism of ["SCRAM-SHA-256", "CRAM-MD5"])
    test(`our client is accepted by its ${mechanism}`, async () => {
      for (const [password, good] of [
        ["pencil", true],
        ["stylo", false],
      ] as const) {
        const client = clientAuth([mechanism], { user: "home", password, secure: true, nonce: nonce() });
        assert.ok(client);
        let initial = client.initial;
        const status = await talk(["--server", "-m", mechanism, "-p", "pencil"], (line) => {
          const response = line === "" ? initial : client.step(unbase64(line));
          initial = undefined;
          // An empty response is the end of it: the line goes, and so does the stream.
          return response?.length ? Buffer.from(response).toString("base64") : undefined;
        });
        if (good) client.succeeded();
        assert.equal(status === 0, good, password);
      }
    });
});
