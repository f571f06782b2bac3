import assert from "node:assert/strict";
import { test } from "node:test";
import { configText, ourName } from "../../cmd/joined.ts";
import { type Looking, proposals } from "../../cmd/proposal.ts";
import { parseConfig } from "../../src/config/load.ts";
import { parseTarget } from "../../src/config/target.ts";

const host = (there: readonly string[], ports: readonly number[], more: Partial<Looking> = {}): Looking => ({
  isThere: async (path) => there.includes(path),
  answers: async (port) => ports.includes(port),
  home: "/home/ann",
  root: false,
  ...more,
});

const targets = async (looking: Looking) => (await proposals(looking)).map(({ target }) => target);

test("what takes mail here already is proposed first, and folders always", async () => {
  const folders = "maildir:/home/ann/Mail/{domain}/{local}";
  assert.deepEqual(await targets(host([], [])), [folders]);
  assert.deepEqual(await targets(host([], [], { root: true })), ["maildir:/var/mail/{domain}/{local}"]);
  assert.deepEqual(await targets(host(["/run/dovecot/lmtp", "/home/ann/Maildir"], [24, 25])), [
    "lmtp:/run/dovecot/lmtp",
    "lmtp://127.0.0.1:24",
    "smtp://127.0.0.1:25",
    "maildir:/home/ann/Maildir",
    folders,
  ]);
  assert.deepEqual(await targets(host(["/run/cyrus/socket/lmtp"], [])), [
    "lmtp:/run/cyrus/socket/lmtp",
    folders,
  ]);
});

test("whatever is proposed is a target", async () => {
  const all = await targets(host(["/run/dovecot/lmtp", "/home/ann/Maildir"], [24, 25]));
  assert.deepEqual(
    all.map((text) => parseTarget(text).type),
    ["lmtp", "lmtp", "smtp", "maildir", "maildir"],
  );
});

test("what join writes is a right configuration, and says what was agreed", () => {
  const joined = {
    name: "home",
    domains: ["example.org", "example.com"],
    invitation: {
      tls: "implicit",
      provider: { host: "2001:db8::1", port: 3660 },
      token: "A".repeat(22),
      pin: "0a".repeat(32),
    },
    pinned: true,
    hostname: "house.example.org",
    spool: "/var/lib/odmr/spool.db",
    certificate: { file: '/etc/odmr/my "own": #1.crt', key: "/elsewhere/odmr.key" },
    target: parseTarget('command:["/bin/take","{recipient}"]'),
  } as const;
  const read = (pinned: boolean) => {
    const text = configText({ ...joined, pinned }, "/etc/odmr");
    assert.equal(text.includes(joined.invitation.token), false);
    return parseConfig(text, "/etc/odmr/odmr.yaml");
  };
  const { hostname, spool, pull } = read(true);
  const { provider, tls, pin, user, certificate, domains, deliver, follow } = pull!.accounts[0]!;
  assert.deepEqual(
    { hostname, spool, provider, tls, pin, user, certificate, domains, follow, to: deliver[0]?.to },
    {
      ...{ hostname: joined.hostname, spool: joined.spool, certificate: joined.certificate },
      ...{ provider: joined.invitation.provider, tls: "implicit", pin: joined.invitation.pin },
      ...{ user: "home", domains: joined.domains, follow: true, to: joined.target },
    },
  );
  assert.equal(read(false).pull?.accounts[0]?.pin, undefined);
});

test("a host without a domain has that of its mail, and one without a name has one", () => {
  assert.equal(ourName("example.org", "box"), "box.example.org");
  assert.equal(ourName("example.org", "box.lan"), "box.lan");
  assert.equal(ourName("example.org", "my_box"), "home.example.org");
});
