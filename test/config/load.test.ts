import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ConfigError } from "../../src/config/error.ts";
import { configPlaces, loadConfig, parseConfig, readConfig } from "../../src/config/load.ts";
import { inFolder } from "../support/cli.ts";

const HEX = "0123456789abcdef".repeat(4);

const whole = `hostname: relay.example.net
spool: spool.db
tls: { certificate: tls.crt, key: tls.key, clientCa: /etc/ca.crt }
serve:
  listen:
    - { service: odmr, address: "0.0.0.0:366" }
    - { service: odmr, address: "0.0.0.0:3660", tls: implicit }
    - { service: intake, address: "[::]:25" }
    - { service: lmtp, address: "unix:/run/odmr/lmtp.sock", bareLineEnds: normalise }
  customers:
    - name: home
      domains: [Example.org, example.com]
      password: { file: home.secret }
      certificate: "sha256:${HEX}"
      recipients: ["bob@example.org", "*@example.com"]
      hold: 10d
      quota: 5GiB
      compatibility: plain
      order: small
pull:
  accounts:
    - name: vps
      provider: relay.example.net
      user: home
      password: { file: home.secret }
      domains: [example.org]
      deliver: [{ match: "*", to: "maildir:Mail/{local}" }]
      messageSize: 10MiB
`;

test("odmr's own certificate lies beside the spool", () => {
  const tlsOf = (spool: string) =>
    parseConfig(`hostname: a.example\nspool: ${spool}\ntls: { self: true }\n`, "/etc/odmr/odmr.yaml").tls;
  const at = (state: string) => ({ self: true, certificate: `${state}.crt`, key: `${state}.key` });
  assert.deepEqual(tlsOf("/var/lib/odmr/spool.db"), at("/var/lib/odmr/spool.db"));
});

test("a certificate by ACME is for this host, by port 80, and in one file with its key", () => {
  const acmeOf = (more: string) =>
    parseConfig(
      `hostname: a.example\nspool: /var/lib/odmr/spool.db\ntls: { acme: { agree: true${more} } }\n`,
      "/etc/odmr/odmr.yaml",
    ).tls;
  assert.deepEqual(acmeOf(""), {
    certificate: "/var/lib/odmr/spool.db.acme.pem",
    key: "/var/lib/odmr/spool.db.acme.pem",
    acme: {
      agree: true,
      names: ["a.example"],
      directory: "https://acme-v02.api.letsencrypt.org/directory",
      challenge: "http",
      listen: { host: "::", port: 80 },
      account: "/var/lib/odmr/spool.db.acme.key",
    },
  });
  assert.deepEqual(acmeOf(", challenge: alpn")?.acme?.listen, { host: "::", port: 443 });
  assert.equal(acmeOf(", challenge: dns, dns: { set: [a] }")?.acme?.listen, undefined);
});

test("a whole configuration becomes one where nothing is left open", () => {
  const { serve, ...rest } = parseConfig(whole, "/etc/odmr/odmr.yaml");
  assert.deepEqual(rest, {
    file: "/etc/odmr/odmr.yaml",
    state: "/etc/odmr/spool.db",
    hostname: "relay.example.net",
    spool: "/etc/odmr/spool.db",
    tls: { certificate: "/etc/odmr/tls.crt", key: "/etc/odmr/tls.key", clientCa: "/etc/ca.crt" },
    pull: {
      accounts: [
        {
          name: "vps",
          provider: { host: "relay.example.net", port: 366 },
          tls: "starttls",
          user: "home",
          password: { file: "/etc/odmr/home.secret" },
          domains: ["example.org"],
          askAll: false,
          deliver: [{ match: "*", to: { type: "maildir", path: "/etc/odmr/Mail/{local}" } }],
          messageSize: 10_485_760,
          follow: false,
          doubles: "keep",
        },
      ],
    },
  });
  assert.deepEqual(serve?.listen, [
    {
      service: "odmr",
      address: { host: "0.0.0.0", port: 366 },
      tls: "starttls",
      requireTls: true,
      networks: [],
      bareLineEnds: "refuse",
    },
    {
      service: "odmr",
      address: { host: "0.0.0.0", port: 3660 },
      tls: "implicit",
      requireTls: false,
      networks: [],
      bareLineEnds: "refuse",
    },
    {
      service: "intake",
      address: { host: "::", port: 25 },
      tls: "starttls",
      requireTls: false,
      networks: [],
      bareLineEnds: "refuse",
    },
    {
      service: "lmtp",
      address: { path: "/run/odmr/lmtp.sock" },
      tls: "none",
      requireTls: false,
      networks: ["127.0.0.0/8", "::1"],
      bareLineEnds: "normalise",
    },
  ]);
  assert.deepEqual(serve.customers, [
    {
      name: "home",
      domains: ["example.org", "example.com"],
      password: { file: "/etc/odmr/home.secret" },
      certificate: { fingerprint: HEX },
      recipients: ["bob@example.org", "*@example.com"],
      hold: 864_000_000,
      quota: 5 * 2 ** 30,
      compatibility: "plain",
      order: "small",
      senders: [],
    },
  ]);
  assert.deepEqual(serve.limits, {
    messageSize: 50 * 2 ** 20,
    recipients: 1000,
    wait: 240_000,
    minimumRate: 500,
    connections: 1000,
    perAddress: 20,
    perCustomer: 50,
  });
  assert.deepEqual(serve.auth, { cramMd5: true });
});

/** What is wrong with a text, told as for a file `c.yaml`. */
function wrongWith(text: string): readonly string[] {
  try {
    parseConfig(text, "c.yaml");
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const relay = (rest: string) => `hostname: a.example\nspool: s.db\n${rest}`;
const customer = (rest: string, name = "home") =>
  `    - { name: ${name}, domains: [${name}.example], ${rest} }\n`;
const serve = (customers: string) =>
  relay(`serve:\n  listen: [{ service: odmr, address: "127.0.0.1:0" }]\n  customers:\n${customers}`);
const account = (rest: string) =>
  relay(
    `pull:\n  accounts:\n    - { name: vps, provider: r, domains: [a.example], deliver: [{ match: "*", to: "discard:" }], ${rest} }\n`,
  );

const wrong: Readonly<Record<string, readonly [text: string, ...problems: readonly RegExp[]]>> = {
  "an empty file lacks what must be there": [
    "",
    /^c\.yaml:1:1: hostname: it is missing; write it\. The name this host/,
    /^c\.yaml:1:1: spool: it is missing/,
  ],
  "a misspelt key is told at its place, with the key that was meant": [
    relay("serv: {}\n"),
    /^c\.yaml:3:1: serv: this is no key here; did you mean serve\?$/,
  ],
  "a key like no other is told with those that there are": [
    relay("tls: { certificate: a, key: b, wallpaper: c }\n"),
    /^c\.yaml:3:32: tls\.wallpaper: this is no key here; there are certificate, key, self, acme, clientCa, clientCrl$/,
  ],
  "a rule that leads nowhere, to two places, or out of a house that no mail leaves is told": [
    account("user: a, password: { file: b }").replace(
      '{ match: "*", to: "discard:" }',
      '{ match: "a@*" }, { match: "b@*", to: "discard:", redirect: x@a.example }',
    ),
    /deliver\[0\]: it leads nowhere; write to:/,
    /deliver\[1\]: it has both to and redirect; take one out$/,
  ],
  "a redirection out of a house that no mail leaves is told": [
    account("user: a, password: { file: b }").replace('to: "discard:"', "redirect: x@b.example"),
    /deliver\[0\]\.redirect: it leaves the house, and no mail does; write pull\.outgoing/,
  ],
  "of several targets the one that is none is told": [
    account("user: a, password: { file: b }").replace('to: "discard:"', 'to: ["discard:", "pigeon:"]'),
    /deliver\[0\]\.to\[1\]: "pigeon:" is no target; write/,
  ],
  "outgoing mail by an account that is not there is told": [
    `${account("user: a, password: { file: b }")}  outgoing: { via: vpn }\n`,
    /pull\.outgoing\.via: there is no account vpn; write vps$/,
  ],
  "hours that are none, a zone that is none, and two ways to say when are told": [
    account(
      'schedule: ["99 * * * *"], every: 15m, timezone: Mars/Base, user: a, password: { file: b }, limit: { messageSize: 1MiB, during: "8-20" }',
    ),
    /schedule\[0\]: "99 \* \* \* \*" is no pattern of minutes; write/,
    /timezone: "Mars\/Base" is no time zone; write/,
    /limit\.during: "8-20" is no pattern of minutes; write/,
  ],
  "an interval and hours together are told": [
    account('schedule: ["0 * * * *"], every: 15m, user: a, password: { file: b }'),
    /every: there is a schedule too; take one out$/,
  ],
  "a jitter that would make calls meet is told": [
    account("every: 10m, jitter: 6m, user: a, password: { file: b }"),
    /jitter: it is more than half of every; write 5m at most$/,
  ],
  "broken YAML is told with its place": [relay("tls: {a: b\n"), /^c\.yaml:[34]:\d+: this is no YAML: /],
  "an alias that leads nowhere is told": ["hostname: *a\n", /^c\.yaml: this is no YAML: Unresolved alias/],
  "a file that is no group of keys is told": [
    "hello\n",
    /^c\.yaml:1:1: "hello" is not a group of keys; write /,
  ],
  "what is empty is told": [relay("serve:\n"), /^c\.yaml:3:7: serve: what is empty is not a group of keys/],
  "a postmaster that no customer has is told": [
    `hostname: a.b\nspool: s\nserve: { listen: [{ service: odmr, address: "a:1" }], postmaster: a@nobody.test }\n`,
    /serve\.postmaster: no customer has nobody\.test; write an address in a customer's domain/,
  ],
  "limits that are too small are told": [
    relay(
      `serve: { listen: [{ service: odmr, address: "a:1" }], limits: { recipients: 5, messageSize: -1 } }\n`,
    ),
    /serve\.limits\.recipients: it must be 100 at least/,
    /serve\.limits\.messageSize: it cannot be less than 0; write 10MiB/,
  ],
  "a key that is there twice is told": [relay("spool: t.db\n"), /^c\.yaml:3:1: this is no YAML: .*unique/],
  "a wrong kind of value is told with the right one": [
    relay("serve: yes please\n"),
    /^c\.yaml:3:8: serve: "yes please" is not a group of keys; write \{ key: value \}$/,
  ],
  "a password in the file is refused without being repeated": [
    serve(customer("password: hunter2")),
    /^c\.yaml:6:56: serve\.customers\[0\]\.password: it is not written here; write \{ file: /,
  ],
  "a wrong duration and a wrong size are told at once": [
    serve(customer("password: { file: p }, hold: 15x, quota: lots")),
    /\.hold: "15x" is not a duration; write 30d/,
    /\.quota: "lots" is not a size; write 10MiB/,
  ],
  "two customers cannot have one name or one domain": [
    serve(customer("password: { file: p }") + customer("password: { file: p }")),
    /^c\.yaml:7:15: serve\.customers\[1\]\.name: two customers are called home; write another name$/,
    /^c\.yaml:7:31: serve\.customers\[1\]\.domains\[0\]: home\.example is in customer 1 too; /,
  ],
  "a customer must be able to prove who it is": [
    serve(customer("hold: 1d")),
    /^c\.yaml:6:7: serve\.customers\[0\]: it cannot prove who it is; write password/,
  ],
  "a password and a verifier are one too many": [
    serve(customer('password: { file: p }, scram: "SCRAM-SHA-256$4096:c2FsdA==$c2FsdA==:c2FsdA=="')),
    /\.scram: there is a password too; take one out$/,
  ],
  "a name in a certificate counts only with a CA": [
    serve(customer("certificate: { name: home.example }")),
    /\.certificate: a name counts only with a CA; write tls\.clientCa/,
  ],
  "implicit TLS needs a certificate": [
    relay('serve: { listen: [{ service: odmr, address: "127.0.0.1:1", tls: implicit }] }\n'),
    /^c\.yaml:3:65: serve\.listen\[0\]\.tls: implicit needs a certificate; write tls: \{ certificate/,
  ],
  "a certificate wants its key, or is odmr's own": [
    relay("tls: { certificate: a }\n"),
    /^c\.yaml:3:6: tls: key is missing; write certificate and key, or without them self: true, or acme: \{ agree: true \}$/,
  ],
  "odmr's own certificate wants no files": [
    relay("tls: { self: true, key: b }\n"),
    /^c\.yaml:3:20: tls\.key: with self odmr has its own; take one out$/,
  ],
  "a certificate by ACME wants the CA's terms agreed to": [
    relay("tls: { acme: { contact: joe@a.example } }\n"),
    /^c\.yaml:3:14: tls\.acme\.agree: read the terms of service of the CA, and write agree: true$/,
  ],
  "a certificate by ACME wants no files, and is no other": [
    relay("tls: { acme: { agree: true }, self: true, certificate: a }\n"),
    /^c\.yaml:3:31: tls\.self: with acme there is a certificate; take one out$/,
    /^c\.yaml:3:43: tls\.certificate: with (?:self|acme) odmr has its own; take one out$/,
  ],
  "a CA is one that is known, or has a directory": [
    relay("tls: { acme: { agree: true, directory: http://ca.example/ } }\n"),
    /^c\.yaml:3:40: tls\.acme\.directory: "http:\/\/ca\.example\/" is no directory; write letsencrypt, or https:/,
  ],
  "a name is one, and is proved in a way that can prove it": [
    relay('tls: { acme: { agree: true, names: ["*.a.example", "a_b"] } }\n'),
    /^c\.yaml:3:36: tls\.acme\.names: \*\.a\.example can be proved by challenge: dns only$/,
    /^c\.yaml:3:52: tls\.acme\.names\[1\]: this is no host name; write relay\.example\.net$/,
  ],
  "a record in DNS is made by somebody": [
    relay("tls: { acme: { agree: true, challenge: dns, listen: '[::]:80' } }\n"),
    /tls\.acme\.challenge: who makes the record\? write dns: /,
    /tls\.acme\.listen: with challenge: dns nobody asks; take it out$/,
  ],
  "one address is listened on once": [
    relay(
      'serve: { listen: [{ service: odmr, address: "127.0.0.1:1" }, { service: intake, address: "127.0.0.1:1" }] }\n',
    ),
    /serve\.listen\[1\]\.address: 127\.0\.0\.1:1 is listened on by listener 1 too/,
  ],
  "an account must be able to prove who it is": [
    account("user: home"),
    /pull\.accounts\[0\]: it cannot prove who it is; write user and password/,
  ],
  "a password wants a user": [
    account("password: { file: p }"),
    /a password without a user; write user: home$/,
  ],
  "a pin and a CA are one too many": [
    account(`user: home, password: { file: p }, ca: c, pin: "${HEX}"`),
    /\.pin: with a pin the CA is not asked; take one out$/,
  ],
};

for (const [name, [text, ...problems]] of Object.entries(wrong))
  test(name, () => {
    const told = wrongWith(text);
    assert.equal(told.length, problems.length, told.join("\n"));
    for (const [i, problem] of problems.entries()) assert.match(told[i] ?? "", problem);
    assert.doesNotMatch(told.join("\n"), /hunter2/);
  });

test("port 0 is another free port each time, and may be written twice", () => {
  const doors = ["odmr", "intake"].map((service) => `{ service: ${service}, address: "127.0.0.1:0" }`);
  const { serve } = parseConfig(
    `hostname: a.test\nspool: s\nserve: { listen: [${doors.join(", ")}] }\n`,
    "c.yaml",
  );
  assert.equal(serve?.listen.length, 2);
});

test("files that are named and not there are told, and not missed by those who need none", () =>
  inFolder(async (folder) => {
    const file = join(folder, "odmr.yaml");
    await writeFile(file, account("user: home, password: { file: home.secret }"));
    assert.equal((await readConfig(file)).pull?.accounts[0]?.password?.file, join(folder, "home.secret"));
    await assert.rejects(
      loadConfig(file),
      (error) =>
        error instanceof ConfigError &&
        /:5:\d+: pull\.accounts\[0\]\.password\.file: .*home\.secret does not exist; make it/.test(
          error.message,
        ),
    );
    await writeFile(join(folder, "home.secret"), "x\n", { mode: 0o600 });
    assert.equal((await loadConfig(file)).file, file);
    await chmod(join(folder, "home.secret"), 0o640);
    await assert.rejects(loadConfig(file), /others may read it; chmod 600 .*home\.secret$/);
  }));

test("a configuration that is not there is told with how to make one", async () => {
  await assert.rejects(
    readConfig("/nowhere/odmr.yaml"),
    /^ConfigError: \/nowhere\/odmr\.yaml: does not exist; write one with odmr init$/,
  );
});

test("a configuration is looked for here, in the user's folder, and in /etc", () => {
  assert.deepEqual(configPlaces({ HOME: "/home/bob" }), [
    "./odmr.yaml",
    "/home/bob/.config/odmr/odmr.yaml",
    "/etc/odmr/odmr.yaml",
  ]);
  assert.equal(configPlaces({ HOME: "/home/bob", XDG_CONFIG_HOME: "/x" })[1], "/x/odmr/odmr.yaml");
});
