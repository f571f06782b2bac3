/** No secret is seen where it does not belong: relay, house and admin interface at work, with everything they say looked at. */
// Looked for as it is, in base64 wherever it may stand in a group, percent-encoded, and in hexadecimal.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { parseConfig } from "../src/config/load.ts";
import { dial } from "../src/net/dial.ts";
import { Talk } from "../src/net/talk.ts";
import { systemClock } from "../src/platform/clock.ts";
import { clientAuth } from "../src/smtp/sasl/client.ts";
import { certs } from "./support/certs.ts";
import { commandLine } from "./support/cli.ts";
import { inWorld, portOf, type World } from "./support/program.ts";

const secret = {
  customer: "Kunden+Wort/7zQ",
  smarthost: "Weiter+Wort/8yR",
  token: "Schalter+Wort/9xS",
  wrong: "Falsches+Wort/6wT",
  wrongToken: "Falscher+Schein/5vU",
} as const;
const SOON = 20_000;

function formsOf(word: string): readonly string[] {
  const inGroups = [0, 1, 2].map((before) => {
    const whole = Buffer.from(`${"\0".repeat(before)}${word}`)
      .toString("base64")
      .replace(/=+$/, "");
    // The first and the last sign also depend on what stands beside the word.
    return whole.slice(before === 0 ? 0 : before + 1, -1);
  });
  return [word, ...inGroups, encodeURIComponent(word), Buffer.from(word).toString("hex")];
}

const forms = Object.entries(secret).flatMap(([name, word]) => formsOf(word).map((form) => ({ name, form })));

/** Which secrets are in a text, and what stands around them. */
const seenIn = (text: string): readonly string[] =>
  forms.flatMap(({ name, form }) => {
    const at = text.indexOf(form);
    return at < 0 ? [] : [`${name}: ${text.slice(Math.max(0, at - 80), at + form.length + 20)}`];
  });

/** A relay whose way out refuses its login, with an admin interface and every kind of door; beside it a house. */
async function furnish(world: World): Promise<void> {
  const { certificate, key } = certs().server;
  for (const [name, text] of Object.entries({
    "home.secret": secret.customer,
    "smarthost.secret": secret.wrong,
    "way.secret": secret.smarthost,
    "admin.secret": secret.token,
    "wrong.secret": secret.wrong,
    "relay.crt": certificate,
    "relay.key": key,
  }))
    await world.file(name, `${text.trimEnd()}\n`);
}

const wayOut = {
  ...{ hostname: "way.test", spool: "way.db" },
  serve: {
    listen: [{ service: "submission", address: "127.0.0.1:0", tls: "none" }],
    customers: [{ name: "relay", domains: ["way.test"], password: { file: "way.secret" }, senders: "any" }],
  },
};

const relayTo = (way: number) => ({
  ...{ hostname: "relay.test", spool: "relay.db", tls: { certificate: "relay.crt", key: "relay.key" } },
  serve: {
    listen: [
      { service: "odmr", address: "127.0.0.1:0" },
      { service: "submission", address: "127.0.0.1:0", tls: "implicit" },
      { service: "intake", address: "127.0.0.1:0" },
    ],
    customers: [{ name: "home", domains: ["example.org"], password: { file: "home.secret" } }],
    outbound: { smarthost: `smtp://relay@127.0.0.1:${way}`, passwordFile: "smarthost.secret", tls: "none" },
  },
  admin: { listen: "127.0.0.1:0", token: { file: "admin.secret" } },
});

const houseAt = (provider: number, password: string) => ({
  ...{ hostname: "house.test", spool: "house.db" },
  pull: {
    accounts: [
      {
        ...{ name: "vps", provider: `127.0.0.1:${provider}`, user: "home", domains: ["example.org"] },
        ...{ password: { file: password }, pin: "PIN", deliver: [{ match: "*", to: "maildir:mail" }] },
      },
    ],
  },
});

/** Starts `odmr serve`, with all that it can say. */
async function serve(world: World, name: string, config: object, doors: number) {
  const file = await world.file(name, JSON.stringify(config));
  const words = ["serve", "--config", file, "--log", "json", "--log-level", "debug"];
  const child = world.start(words, { env: { ODMR_DEBUG: "1" } });
  const open = await child.heard((stderr) => {
    const lines = stderr.split("\n").filter((line) => line.includes('"listening"') && line.endsWith("}"));
    return lines.length < doors ? undefined : lines.map((line) => JSON.parse(line) as Door);
  });
  return {
    child,
    ports: Object.fromEntries(open.map(({ service, address }) => [service, portOf(address)])),
  };
}

interface Door {
  readonly service: string;
  readonly address: string;
}

async function met(port: number): Promise<Talk> {
  const tls = { servername: "relay.test", ca: certs().ca };
  const talk = new Talk(await dial({ host: "127.0.0.1", port, tls, clock: systemClock, within: SOON }));
  await talk.greeting();
  await talk.ask({ verb: "EHLO", name: "client.test" });
  return talk;
}

/** A login by one mechanism. @returns the code of the answer, and the line afterwards */
async function logIn(port: number, mechanism: string, password: string) {
  const talk = await met(port);
  const facts = { user: "home", password, secure: true, nonce: new Uint8Array(18).fill(65) };
  const auth = clientAuth([mechanism], facts) ?? assert.fail(`${mechanism} is not known`);
  const command = { verb: "AUTH", mechanism, initial: auth.initial } as const;
  const { code } = await talk.authenticate(command, (challenge) => auth.step(challenge));
  return { code, talk };
}

/** What clients say who do not know how to log in: the words of a login where none is under way. @returns the replies */
async function stammer(port: number): Promise<string> {
  const connection = await dial({
    ...{ host: "127.0.0.1", port, clock: systemClock, within: SOON },
    tls: { servername: "relay.test", ca: certs().ca },
  });
  const base64 = Buffer.from(secret.wrong).toString("base64");
  const lines = [
    ...["EHLO client.test", `AUTH PLAIN-TEXT ${base64}`, base64, secret.wrong, `AUTH PLAIN ${base64}!`],
    ...[`AUTH PLAIN ${base64}`, `MAIL FROM:<${secret.wrong}>`, `${base64.repeat(800)}`, "QUIT"],
  ];
  await connection.write(Buffer.from(lines.map((line) => `${line}\r\n`).join("")), SOON);
  let heard = "";
  for (
    let piece = await connection.read(SOON);
    piece;
    piece = await connection.read(SOON).catch(() => undefined)
  )
    heard += Buffer.from(piece).toString("latin1");
  await connection.close();
  return heard;
}

/** A letter to the world, for which the relay has to log in at its way out. */
async function submit(talk: Talk): Promise<void> {
  await talk.ask({ verb: "MAIL", from: "bob@example.org", parameters: {} });
  await talk.ask({ verb: "RCPT", to: "eve@world.test", parameters: {} });
  const letter = new TextEncoder().encode("Subject: x\r\n\r\nText.\r\n");
  const taken = talk.lastChunk(letter.length);
  talk.octets(letter);
  await talk.flush();
  const code = (await taken)[0]?.code;
  assert.equal(code, 250);
}

const pages = ["queue", "history", "customers", "turns", "stats", "verify"].map((name) => `/api/v1/${name}`);

/** All that the admin interface answers, with its right token, with a wrong one, and with one in the wrong place. */
async function visit(port: number): Promise<string> {
  const at = `http://127.0.0.1:${port}`;
  const answers: string[] = [];
  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${at}${path}`, { redirect: "manual", ...init });
    answers.push(`${response.status} ${[...response.headers].join(" ")} ${await response.text()}`);
    return response.status;
  };
  for (const path of [...pages, "/openapi.json", "/metrics"])
    assert.equal(await ask(path, { headers: { authorization: `Bearer ${secret.token}` } }), 200, path);
  assert.equal(await ask("/metrics", { headers: { authorization: `Bearer ${secret.wrongToken}` } }), 401);
  assert.equal(await ask(`/api/v1/queue?token=${encodeURIComponent(secret.wrongToken)}`), 401);
  for (const token of [secret.token, secret.wrongToken])
    await ask("/sign-in", { method: "POST", body: new URLSearchParams({ token }), headers: { origin: at } });
  return answers.join("\n");
}

/** The command lines and the environments that others can read, of every process there is. */
async function processesSeen(): Promise<string> {
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const texts = ids.map((id) => readFile(`/proc/${id}/cmdline`, "latin1").catch(() => ""));
  return (await Promise.all(texts)).join("\n");
}

describe("a secret", () => {
  it("is found by this test in whatever form it comes", () => {
    for (const text of [
      `password=${secret.customer}.`,
      Buffer.from(`\0home\0${secret.customer}`).toString("base64"),
      Buffer.from(`relay\0home\0${secret.customer}`).toString("base64"),
      Buffer.from(`x${secret.customer}yz`).toString("base64"),
      `smtp://home:${encodeURIComponent(secret.customer)}@host`,
    ])
      assert.equal(seenIn(text).length > 0, true, text);
  });

  it(
    "is in nothing that relay, house and admin interface say, keep or are started with",
    {
      timeout: 180_000,
    },
    () =>
      inWorld(commandLine([]), async (world) => {
        await furnish(world);
        const way = await serve(world, "way.yaml", wayOut, 1);
        const relay = await serve(world, "relay.yaml", relayTo(way.ports.submission!), 4);
        const { odmr = 0, submission = 0, admin = 0 } = relay.ports;

        for (const mechanism of ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"]) {
          const right = await logIn(submission, mechanism, secret.customer);
          assert.equal(right.code, 235, mechanism);
          if (mechanism === "PLAIN") await submit(right.talk);
          await right.talk.close();
          const wrong = await logIn(submission, mechanism, secret.wrong);
          assert.equal(wrong.code, 535, mechanism);
          await wrong.talk.close();
        }
        await relay.child.heard((stderr) => (stderr.includes('"smarthost failed"') ? true : undefined));

        const pin = /"pin":"[^"]*"/;
        const shown = await met(submission);
        const fingerprint = shown.connection.tls?.certificate?.fingerprint;
        await shown.close();
        const ended = [];
        for (const [file, status] of [
          ["home.secret", 0],
          ["wrong.secret", 77],
        ] as const) {
          const config = JSON.stringify(houseAt(odmr, file)).replace(pin, `"pin":"${fingerprint}"`);
          const words = [
            "pull",
            "--config",
            await world.file(`${file}.yaml`, config),
            "--log-level",
            "debug",
          ];
          const end = await world.run(words, { env: { ODMR_DEBUG: "1" } });
          assert.equal(end.status, status, end.stderr);
          ended.push(end);
        }
        const replies = await stammer(submission);
        // A door that is taken: a crash at the start, with every secret read, and its stack.
        const config = {
          ...relayTo(1),
          spool: "crash.db",
          admin: { ...relayTo(1).admin, listen: `127.0.0.1:${odmr}` },
        };
        const crash = ["serve", "--config", await world.file("crash.yaml", JSON.stringify(config))];
        ended.push(await world.run(crash, { env: { ODMR_DEBUG: "1" } }));
        assert.match(ended[2]!.stderr, /\n {4}at /);

        const answers = await visit(admin);
        const commands = await processesSeen();
        assert.match(commands, /relay\.yaml/);
        const said = (
          await Promise.all([relay.child.end("SIGTERM"), way.child.end("SIGTERM"), ...ended])
        ).map(({ stdout, stderr }) => stdout + stderr);
        assert.match(said[0]!, /"event":"authentication refused"/);
        const spools = (await readdir(world.folder)).filter((name) => /\.db/.test(name));
        const kept = await Promise.all(
          spools.map((name) => readFile(world.at(name), "latin1").catch(() => "")), // folders of bodies
        );
        for (const text of [replies, answers, commands, ...said, ...kept]) assert.deepEqual(seenIn(text), []);
      }),
  );

  for (const line of [
    `spool: "postgres://u:${secret.wrong}@127.0.0.1/db"`,
    `tls: "u:${secret.wrong}@"`,
    `serve: { listen: [], customers: [{ name: a, domains: [a.example], password: "${secret.wrong}" }] }`,
    `serve: { customers: [{ name: a, domains: [a.example], scram: "${secret.wrong}" }] }`,
    `serve: { outbound: { smarthost: "smtp://u:${secret.wrong}@mail.example" } }`,
    `serve: { outbound: { smarthost: "smtps://u:x@${secret.wrong}@mail.example" } }`,
    `pull: { accounts: [{ name: a, provider: "odmr://u:${secret.wrong}@mail.example" }] }`,
    `pull: { accounts: [{ name: a, provider: "u:${secret.wrong}@mail.example:366", password: !${secret.wrong} x }] }`,
    `pull: { accounts: [{ name: a, password: *${secret.wrong.replaceAll("/", "")} }] }`,
    `pull: { accounts: [{ deliver: [{ match: "*", to: "smtp://u:${secret.wrong}@h:25" }] }] }`,
    `pull: { accounts: [{ deliver: [{ match: "*", to: "imap://u:${secret.wrong}@h:25" }] }] }`,
    `admin: { listen: "u:${secret.wrong}@127.0.0.1:80", token: "${secret.wrong}" }`,
  ])
    it(`is not repeated where a configuration says ${line.replaceAll(secret.wrong, "SECRET")}`, () => {
      assert.throws(
        () => parseConfig(`hostname: relay.test\n${line}\n`, "odmr.yaml"),
        (error: Error) => {
          assert.deepEqual(seenIn(`${error.message}\n${error.stack}`), []);
          return error.name === "ConfigError";
        },
      );
    });

  it("is in no core file of the services: the units and the container forbid them", async () => {
    const dist = new URL("../dist/", import.meta.url);
    const units = (await readdir(fileURLToPath(new URL("systemd/", dist)))).filter((name) =>
      name.endsWith(".service"),
    );
    assert.equal(units.length, 3);
    for (const unit of units)
      assert.match(await readFile(new URL(`systemd/${unit}`, dist), "utf8"), /^LimitCORE=0$/m);
    assert.match(await readFile(new URL("container/compose.yaml", dist), "utf8"), /ulimits: \{ core: 0,/);
  });
});
