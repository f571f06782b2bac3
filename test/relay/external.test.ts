import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { readCrl } from "../../src/config/crl.ts";
import type { ServerTls } from "../../src/net/connection.ts";
import { pbkdf2Sha256 } from "../../src/platform/hash.ts";
import { Credentials } from "../../src/relay/credentials.ts";
import { receive } from "../../src/relay/reception.ts";
import { certs, type Identity } from "../support/certs.ts";
import { call, withListener } from "../support/net.ts";
import { openPost, type Post } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";

const printOf = ({ certificate }: Identity) => new X509Certificate(certificate).fingerprint256;
const name = { user: "home", certificate: { name: "home.test" } };

describe("a customer that shows a certificate", () => {
  let post: Post;
  before(async () => {
    post = await openPost();
  });
  after(() => post.close());

  const door = { service: "odmr", startTls: true, requireTls: true, bareLineEnds: "refuse" } as const;
  const hello: Talk = ["P: 220 *", "C: EHLO home.test", "list"];
  const renewed: Talk = [...hello, "C: STARTTLS", "P: 220 *", "starttls", "C: EHLO home.test", "list"];

  /** Calls over a real line, by STARTTLS, with this certificate. @returns what the relay said */
  function visit(
    person: ConstructorParameters<typeof Credentials>[0][number],
    identity: Identity | undefined,
    talk: Talk,
    more: Partial<ServerTls> = {},
  ): Promise<string> {
    const tls: ServerTls = { ...certs().server, clientCa: certs().ca, askClient: true, ...more };
    const credentials = new Credentials([person], { pbkdf2: pbkdf2Sha256, secret: new Uint8Array(32) });
    const relay = { ...post.relay, book: { ...post.relay.book, tls, credentials } };
    return withListener(
      { onConnection: (connection) => receive(relay, door, connection) },
      async (listener) => {
        const client = { servername: "relay.test", ca: certs().ca, ...identity };
        return play(await call(listener), "C", talk, { tls: { as: "client", tls: client } });
      },
    );
  }

  const welcome: Talk = [
    ...renewed,
    "C: AUTH EXTERNAL =",
    "P: 235 2.7.0 *",
    "C: ATRN",
    "P: 453 *",
    "C: QUIT",
    "P: 221 *",
    "end",
  ];
  const stranger: Talk = [
    ...renewed,
    "C: AUTH EXTERNAL =",
    "P: 504 5.5.4 *",
    "C: ATRN",
    "P: 530 *",
    "C: QUIT",
    "P: 221 *",
    "end",
  ];

  it("of our CA, with its name in it, is who it says", async () => {
    assert.match(await visit(name, certs().client, welcome), /250-AUTH EXTERNAL /);
  });

  it("that is pinned is who it says, though nobody signed it", async () => {
    await visit(
      { user: "home", certificate: { fingerprint: printOf(certs().selfSigned) } },
      certs().selfSigned,
      welcome,
    );
  });

  it("and may name itself, but nobody else", async () => {
    await visit(name, certs().client, [
      ...renewed,
      `C: AUTH EXTERNAL ${btoa("work")}`,
      "P: 535 *",
      `C: AUTH EXTERNAL ${btoa("home")}`,
      "P: 235 *",
      "C: QUIT",
      "P: 221 *",
      "end",
    ]);
  });

  const strangers: readonly [
    string,
    ConstructorParameters<typeof Credentials>[0][number],
    () => Identity | undefined,
  ][] = [
    ["without one is nobody", name, () => undefined],
    ["with another's name is nobody", name, () => certs().wrongName],
    [
      "with an expired one is nobody",
      { user: "home", certificate: { name: "relay.test" } },
      () => certs().expired,
    ],
    [
      "with the right name, signed by itself, is nobody",
      { user: "home", certificate: { name: "relay.test" } },
      () => certs().selfSigned,
    ],
    [
      "with another one than the pinned is nobody",
      { user: "home", certificate: { fingerprint: "ab".repeat(32) } },
      () => certs().client,
    ],
  ];
  for (const [what, person, identity] of strangers)
    it(what, async () => {
      assert.doesNotMatch(await visit(person, identity(), stranger), /EXTERNAL/);
    });

  it("that was revoked hears nothing more, though it is pinned", async () => {
    const { revoked, crl, ca } = certs();
    const { standing } = await readCrl(crl, ca);
    const person = { user: "home", certificate: { fingerprint: printOf(revoked) } };
    await visit(person, revoked, welcome);
    await assert.rejects(
      visit(
        person,
        revoked,
        [...hello, "C: STARTTLS", "P: 220 *", "starttls", "C: EHLO home.test", "P: 250 *"],
        { standing },
      ),
    );
  });

  it("has its last reply over TLS before the line ends", async () => {
    assert.match(
      await visit(name, certs().client, [...renewed, "C: QUIT", "P: 221 2.0.0 *", "end"]),
      /221 2\.0\.0 [^\r]*\r\n$/,
    );
  });
});
