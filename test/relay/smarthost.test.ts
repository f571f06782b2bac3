/** A smarthost, over real sockets and TLS: how we log in, and what becomes of mail where that goes wrong. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Limits } from "../../src/delivery/limits.ts";
import { dial } from "../../src/net/dial.ts";
import { systemClock } from "../../src/platform/clock.ts";
import type { Log } from "../../src/platform/log.ts";
import type { Login } from "../../src/relay/login.ts";
import { bySmarthost } from "../../src/relay/outbound.ts";
import { replyLine } from "../../src/wire/reply.ts";
import { seeded } from "../spool/support.ts";
import { certs, type Identity } from "../support/certs.ts";
import { parcelFor } from "../support/mail.ts";
import { withListener } from "../support/net.ts";
import { play, type Talk } from "../support/provider.ts";

const greeting = "P: 220 smtp";
const hello = (...lists: readonly string[]): Talk => {
  const all = ["smtp", ...lists];
  return ["C: EHLO us.test", ...all.map((word, i) => `P: 250${i < all.length - 1 ? "-" : " "}${word}`)];
};
const toTls: Talk = [greeting, ...hello("STARTTLS"), "C: STARTTLS", "P: 220 go", "starttls"];
const plain = `C: AUTH PLAIN ${btoa("\0me\0a secret")}`;
const mail: Talk = [
  ...["C: MAIL FROM:<ann@example.net>", "P: 250 ok", "C: RCPT TO:<u@x.test>", "P: 250 ok", "C: DATA"],
  ...["P: 354 go", "C: Subject: hello", "C: ", "C: From here on", "C: all is text.", "C: .", "P: 250 taken"],
];
const quit: Talk = ["C: QUIT", "P: 221 bye"];
const login: Talk = [...hello("AUTH PLAIN"), plain, "P: 235 welcome"];

interface Scene {
  readonly talk: Talk;
  readonly facts?: Partial<Login>;
  readonly by?: () => Identity;
}

/** One message by a smarthost with this talk. */
async function deliver({ talk, facts = {}, by = () => certs().server }: Scene) {
  const warned: unknown[] = [];
  const log: Log = { log: (level, event, fields) => void warned.push([level, event, fields?.why]) };
  let heard: Promise<string> = Promise.resolve("");
  const onConnection = async (connection: Parameters<typeof play>[0]) => {
    heard = play(connection, "P", talk, { tls: { as: "server", tls: by() } }).catch(() => "");
    await heard;
    connection.destroy();
  };
  const implicit = facts.tls === "implicit";
  return withListener({ onConnection, ...(implicit && { tls: by() }) }, async ({ address: { port } }) => {
    const to: Login = {
      ...{ host: "relay.test", port, hostname: "us.test", user: "me", password: "a secret" },
      ...{ tls: "starttls", ca: certs().ca, ...facts },
    };
    const outbound = bySmarthost(
      to,
      { expire: 1, warnAfter: 1, keysOf: () => new Map() },
      {
        ...{ random: seeded(1), log },
        limits: new Limits({ all: 5, perDestination: 5 }, systemClock),
        connect: (tls) =>
          dial({ host: "127.0.0.1", port, clock: systemClock, within: 10_000, ...(tls && { tls }) }),
      },
    );
    const delivery = outbound.open("home");
    const [outcome] = await delivery.deliver(parcelFor(["u@x.test"]));
    await delivery.close();
    const said = outcome === undefined ? "" : `${outcome.result} ${replyLine(outcome.reply)}`;
    return { told: said.replaceAll(`:${port}`, ""), heard: await heard, warned };
  });
}

describe("a smarthost", () => {
  const ways: Readonly<Record<string, Scene>> = {
    "after STARTTLS": { talk: [...toTls, ...login, ...mail, ...quit] },
    "under TLS from the first octet": {
      talk: [greeting, ...login, ...mail, ...quit],
      facts: { tls: "implicit" },
    },
  };
  for (const [name, scene] of Object.entries(ways))
    it(`gets mail from us by name and password ${name}`, async () => {
      const { told, warned } = await deliver(scene);
      assert.deepEqual({ told, warned }, { told: "delivered 250 taken", warned: [] });
    });

  const failures: readonly (readonly [name: string, scene: Scene, told: RegExp])[] = [
    [
      "refuses the password",
      { talk: [...toTls, ...hello("AUTH PLAIN"), plain, "P: 535 5.7.8 wrong", ...quit] },
      /^deferred 451 4\.4\.1 relay\.test refuses the login me: 535 5\.7\.8 wrong$/,
    ],
    [
      "cannot look at the password now",
      { talk: [...toTls, ...hello("AUTH PLAIN"), plain, "P: 454 4.7.0 later", ...quit] },
      /^deferred 451 4\.4\.1 relay\.test refuses the login me: 454 4\.7\.0 later$/,
    ],
    [
      "offers no login",
      { talk: [...toTls, ...hello("SIZE 1000"), ...quit] },
      /^deferred 451 4\.4\.1 relay\.test offers no login; is it the right port\?/,
    ],
    [
      "offers only what we do not do",
      { talk: [...toTls, ...hello("AUTH NTLM"), ...quit] },
      /^deferred 451 4\.4\.1 no way to authenticate at relay\.test|it offers NTLM/,
    ],
    [
      "offers no STARTTLS",
      { talk: [greeting, ...hello("AUTH PLAIN LOGIN"), ...quit] },
      /^deferred 451 4\.4\.1 relay\.test offers no STARTTLS/,
    ],
    [
      "refuses STARTTLS",
      { talk: [greeting, ...hello("STARTTLS"), "C: STARTTLS", "P: 454 not now", ...quit] },
      /^deferred 451 4\.4\.1 relay\.test refuses STARTTLS: 454/,
    ],
    [
      "wants a password in the clear",
      { talk: [greeting, ...hello("AUTH PLAIN LOGIN"), ...quit], facts: { tls: "none" } },
      /^deferred .*none of it fits/,
    ],
    ["is another", { talk: toTls, by: () => certs().wrongName }, /^deferred .*other\.test/],
    ["vouches for itself", { talk: toTls, by: () => certs().selfSigned }, /^deferred .*certificate/],
    ["is busy", { talk: ["P: 421 4.3.2 later", "close"] }, /^deferred .*421 4\.3\.2 later/],
  ];
  for (const [name, scene, expected] of failures)
    it(`that ${name} has mail wait, and an operator hears of it`, async () => {
      const { told, heard, warned } = await deliver(scene);
      assert.match(told, expected);
      assert.equal(warned.length, 1);
      assert.deepEqual((warned[0] as string[]).slice(0, 2), ["warn", "smarthost failed"]);
      assert.ok(!JSON.stringify(warned).includes("a secret"));
      assert.ok(!/MAIL|a secret/.test(heard), heard);
      if (!scene.talk.includes(plain)) assert.doesNotMatch(heard, /AUTH/);
    });
});
