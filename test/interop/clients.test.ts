/** Command-line clients at the doors of `odmr serve`: swaks, openssl s_client and GNU SASL's gsasl. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { certs } from "../support/certs.ts";
import { inFolder } from "../support/mail.ts";
import { run, withPeers } from "../support/processes.ts";
import { PASSWORD, type Served, withServe } from "../support/served.ts";
import { withTalker } from "../support/talker.ts";

const domains = ["home.test"];
const base64 = (text: string) => Buffer.from(text).toString("base64");

const doors = {
  intake: { service: "intake" },
  odmr: { service: "odmr" },
  implicit: { service: "odmr", tls: "implicit" },
  open: { service: "odmr", tls: "none" },
} as const;

/** A relay with all doors, and the port of each. */
const withDoors = (
  use: (port: Readonly<Record<keyof typeof doors, number>>, served: Served, folder: string) => Promise<void>,
): Promise<void> =>
  inFolder(async (folder) => {
    const { server: tls, ca } = certs();
    await writeFile(join(folder, "ca.crt"), ca);
    await withServe(folder, { listen: Object.values(doors), domains, tls }, (served) => {
      const [intake = 0, odmr = 0, implicit = 0, open = 0] = served.ports;
      return use({ intake, odmr, implicit, open }, served, folder);
    });
  });

describe("swaks", withPeers("swaks", "openssl"), () => {
  const swaks = (port: number, ...args: readonly string[]) =>
    run("swaks", ["--server", "127.0.0.1", "--port", String(port), "--helo", "swaks.test", ...args]);
  const at = (...to: readonly string[]) => ["--from", "ann@example.net", "--to", to.join(",")];

  test("the intake takes its mail for two customers' addresses, and for nobody else", () =>
    withDoors(async ({ intake }, { queue }) => {
      const { status, stdout } = await swaks(intake, ...at("bob@home.test", "carol@home.test"));
      assert.equal(status, 0, stdout);
      assert.match(stdout, /<- {2}250 2\.0\.0 Stored as /);
      assert.equal((await queue("count")).stdout.trim(), "1");
      const foreign = await swaks(intake, ...at("bob@elsewhere.test"));
      assert.equal(foreign.status, 24, foreign.stdout);
      assert.equal((await queue("count")).stdout.trim(), "1");
    }));

  test("CRAM-MD5 is what the ODMR door offers it in the clear; a wrong password is refused", () =>
    withDoors(async ({ open }) => {
      const login = ["--auth-user", "home", "--quit-after", "AUTH"];
      const auth = (mechanism: string, password: string) =>
        swaks(open, ...login, "--auth", mechanism, "--auth-password", password);
      const right = await auth("CRAM-MD5", PASSWORD);
      assert.equal(right.status, 0, right.stdout);
      assert.match(right.stdout, /<- {2}235 2\.7\.0/);
      assert.equal((await auth("CRAM-MD5", "wrong")).status, 28);
      assert.equal((await auth("PLAIN", PASSWORD)).status, 28, "PLAIN is offered under TLS only");
    }));
});

describe("openssl s_client", withPeers("openssl"), () => {
  const toward = (port: number, folder: string, ...words: readonly string[]) => [
    ...["s_client", "-quiet", "-crlf", "-connect", `127.0.0.1:${port}`, ...words],
    ...["-servername", "relay.test"],
    ...["-CAfile", join(folder, "ca.crt"), "-verify_return_error", "-verify_hostname", "relay.test"],
  ];
  const startTls = ["-starttls", "smtp", "-name", "client.test"];

  test("STARTTLS and implicit TLS lead to the same EHLO list, where passwords may be sent as they are", () =>
    withDoors(async ({ odmr, implicit }, _, folder) => {
      for (const way of [toward(odmr, folder, ...startTls), toward(implicit, folder)])
        await withTalker("openssl", way, async ({ ask, heard }) => {
          if (!way.includes("-starttls")) assert.match(await heard(), /^220 relay\.test /);
          const list = (await ask("EHLO client.test")).split("\n").map((line) => line.slice(4));
          for (const word of ["PIPELINING", "8BITMIME", "CHUNKING", "ENHANCEDSTATUSCODES", "ATRN"])
            assert.ok(list.includes(word), word);
          assert.ok(!list.includes("STARTTLS"));
          assert.match(list.find((line) => line.startsWith("AUTH "))!, / SCRAM-SHA-256 .*PLAIN LOGIN$/);
          assert.match(await ask(`AUTH PLAIN ${base64(`\0home\0${PASSWORD}`)}`), /^235 2\.7\.0 /);
          assert.match(await ask("ATRN"), /^453 4\.0\.0 /);
          assert.match(await ask("quit"), /^221 2\.0\.0 /);
        });
    }));

  test("LOGIN works under TLS, and a wrong password is told no more than that it failed", () =>
    withDoors(({ implicit }, _, folder) =>
      withTalker("openssl", toward(implicit, folder), async ({ ask, heard }) => {
        await heard();
        await ask("EHLO client.test");
        for (const [password, answer] of [
          ["wrong", /^535 5\.7\.8 /],
          [PASSWORD, /^235 2\.7\.0 /],
        ] as const) {
          assert.equal(await ask("AUTH LOGIN"), `334 ${base64("Username:")}`);
          assert.equal(await ask(base64("home")), `334 ${base64("Password:")}`);
          assert.match(await ask(base64(password)), answer);
        }
      }),
    ));

  test("the intake offers STARTTLS, takes mail under it, and offers no login", () =>
    withDoors(({ intake }, { queue }, folder) =>
      withTalker("openssl", toward(intake, folder, ...startTls), async ({ ask }) => {
        assert.doesNotMatch(await ask("EHLO client.test"), /AUTH|ATRN|STARTTLS/);
        assert.match(await ask("MAIL FROM:<ann@example.net>"), /^250 /);
        assert.match(await ask("rcpt TO:<bob@home.test>"), /^250 /);
        assert.match(await ask("DATA"), /^354 /);
        assert.match(await ask("Subject: hello\n\ntext\n."), /^250 2\.0\.0 Stored as /);
        const [line = ""] = (await queue("list", "--json")).stdout.split("\n");
        assert.equal((JSON.parse(line) as { source: { protocol: string } }).source.protocol, "ESMTPS");
      }),
    ));
});

describe("gsasl", withPeers("gsasl", "openssl"), () => {
  /** It checks a certificate against the host that it dials, which is 127.0.0.1 here: so it is told not to. */
  const gsasl = (port: number, ...args: readonly string[]) =>
    run("gsasl", ["--smtp", "--connect", `127.0.0.1:${port}`, "--x509-ca-file", "", "-a", "home", ...args]);

  const mechanisms = {
    "SCRAM-SHA-256-PLUS": [],
    "SCRAM-SHA-256": ["--no-cb"],
    "CRAM-MD5": ["--no-cb"],
    PLAIN: ["--no-cb", "-z", ""],
    LOGIN: ["--no-cb"],
  } as const;

  for (const [mechanism, words] of Object.entries(mechanisms))
    test(`it logs in by ${mechanism} over STARTTLS with the right password only`, () =>
      withDoors(async ({ odmr }) => {
        for (const [password, status] of [
          [PASSWORD, 0],
          ["wrong", 1],
        ] as const) {
          const ended = await gsasl(odmr, "-m", mechanism, "-p", password, ...words);
          assert.equal(ended.status, status, `${ended.stdout}${ended.stderr}`);
          assert.match(ended.stdout, new RegExp(`^AUTH ${mechanism}\\b`, "m"));
        }
      }));
});
