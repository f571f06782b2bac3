import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Credentials, type Person } from "../../src/relay/credentials.ts";
import { prepared } from "../../src/relay/password.ts";
import { clientAuth } from "../../src/smtp/sasl/client.ts";
import { type AuthStep, serverAuth } from "../../src/smtp/sasl/server.ts";
import { makeVerifier, portablePbkdf2 } from "../../src/smtp/sasl/verifier.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Counts derivations, which are what takes time; a few iterations are enough to tell passwords apart. */
function counted() {
  const calls: string[] = [];
  const pbkdf2 = (password: string, salt: Uint8Array, _iterations: number) => {
    calls.push(password);
    return portablePbkdf2(password, salt, 1);
  };
  return { calls, pbkdf2 };
}

function book(people: readonly Person[], secret = "of this server") {
  const { calls, pbkdf2 } = counted();
  return { calls, pbkdf2, credentials: new Credentials(people, { pbkdf2, secret: bytes(secret) }) };
}

const verifier = makeVerifier("pencil", bytes("a salt of its own"), 4096, counted().pbkdf2);

function login(credentials: Credentials, mechanism: string, user: string, password: string): AuthStep {
  const { pbkdf2 } = counted();
  const nonce = bytes("eighteen octets...");
  const client = clientAuth([mechanism], { user, password, secure: true, nonce, pbkdf2 });
  const server = serverAuth(mechanism, {
    secretOf: (name) => credentials.secretOf(name),
    nonce,
    hostname: "relay.test",
    now: 0,
  });
  assert.ok(client && server);
  let step = server.step(client.initial);
  while (step.type === "challenge") step = server.step(client.step(step.bytes));
  return step;
}

describe("secrets", () => {
  const people = [
    { user: "home", password: "pencil" },
    { user: "lab", verifier },
    { user: "card", certificate: {} },
  ];

  test("let the right password in by every mechanism that the customer can use", () => {
    const { credentials } = book(people);
    for (const mechanism of ["SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5"]) {
      assert.equal(login(credentials, mechanism, "home", "pencil").type, "accepted");
      assert.equal(login(credentials, mechanism, "home", "stylo").type, "refused");
      assert.equal(
        login(credentials, mechanism, "lab", "pencil").type,
        mechanism === "CRAM-MD5" ? "refused" : "accepted",
      );
      assert.equal(login(credentials, mechanism, "card", "").type, "refused");
      assert.equal(login(credentials, mechanism, "nobody", "pencil").type, "refused");
    }
  });

  test("cost one derivation the first time, whoever it is, and none after", () => {
    for (const user of ["home", "lab", "card", "nobody"]) {
      const { calls, credentials } = book(people);
      const first = credentials.secretOf(user);
      assert.equal(calls.length, 1, user);
      assert.equal(credentials.secretOf(user), first);
      assert.equal(calls.length, 1, user);
    }
  });

  test("of somebody unknown look like a customer's, and the same after a restart", () => {
    const made = (secret?: string) => book(people, secret).credentials.secretOf("nobody");
    assert.equal(made().known, false);
    assert.equal(made().scram.salt.length, book(people).credentials.secretOf("home").scram.salt.length);
    assert.equal(made().scram.iterations, book(people).credentials.secretOf("home").scram.iterations);
    assert.deepEqual(made().scram, made().scram);
    assert.notDeepEqual(made().scram.salt, made("of another").scram.salt);
  });

  test("are kept for the last used users only", () => {
    const { calls, credentials } = book([{ user: "home", password: "pencil" }]);
    credentials.secretOf("first");
    for (let i = 0; i < 5_000; i++) {
      credentials.secretOf(`guess${i}`);
      credentials.secretOf("home");
    }
    assert.equal(calls.length, 5_002);
    credentials.secretOf("first");
    assert.equal(calls.length, 5_003);
  });

  test("of passwords beyond ASCII fit in every spelling that SASLprep makes one", () => {
    const { credentials } = book([{ user: "home", password: "I\u00adX\u2168" }]);
    for (const mechanism of ["SCRAM-SHA-256", "CRAM-MD5"])
      assert.equal(login(credentials, mechanism, "home", "IXIX").type, "accepted");
    assert.equal(login(credentials, "PLAIN", "home", "IX\u2168").type, "accepted");
  });
});

test("a password that SASLprep forbids stays as it is", () => {
  assert.equal(prepared("a\u0007b"), "a\u0007b");
  assert.equal(prepared("\u00aa"), "a");
  assert.equal(prepared("pass word"), "pass word");
});

describe("certificates", () => {
  const fingerprint = "0a".repeat(32);
  const { credentials } = book([
    { user: "pinned", certificate: { fingerprint: `sha256:${"0A:".repeat(31)}0A` } },
    { user: "named", certificate: { name: "Home.Example.org" } },
    { user: "home", password: "pencil" },
  ]);
  const user = (shown: { fingerprint?: string; names?: readonly string[]; trusted?: boolean }) =>
    credentials.userOfCertificate({ fingerprint: "ff".repeat(32), names: [], trusted: false, ...shown });

  test("are known by their fingerprint, whoever signed them", () => {
    assert.equal(user({ fingerprint }), "pinned");
    assert.equal(user({ fingerprint: "0b".repeat(32), trusted: true }), undefined);
  });

  test("are known by a name only if they are trusted", () => {
    const names = ["other.test", "home.example.org"];
    assert.equal(user({ names, trusted: true }), "named");
    assert.equal(user({ names, trusted: false }), undefined);
    assert.equal(user({ names: ["home"], trusted: true }), undefined);
  });
});
