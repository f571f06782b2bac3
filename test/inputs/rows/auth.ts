/** AUTH: malformed, out of order, in somebody else's name, tampered with; under TLS and without it. */
import assert from "node:assert/strict";
import { certs, type Identity } from "../../support/certs.ts";
import { play, type Talk } from "../../support/provider.ts";
import { exportsKeyingMaterial } from "../../support/runtime.ts";
import { type Entrance, hasLogin, isReal, isSecure, logIn, plain } from "../doors.ts";
import { arrive, type Family, isKept, quit, type Row } from "../rows.ts";

const secure = (entrance: Entrance) => hasLogin(entrance) && isSecure(entrance);
const clear = (entrance: Entrance) => hasLogin(entrance) && !isSecure(entrance);
const tls = (entrance: Entrance) => hasLogin(entrance) && isReal(entrance) && isSecure(entrance);

/** It is refused, nobody is known by it, and whoever is right then is welcome on the same line. */
const row = (name: string, at: Row["at"], talk: Talk): Row => ({
  ...{ name, at },
  async holds(doors, entrance) {
    const { peer, over } = await arrive(doors, entrance, "open");
    await play(peer, "C", [...talk, "C: MAIL FROM:<ann@example.org>", "P: 530 5.7.0 *"]);
    await logIn(entrance, peer);
    await play(peer, "C", quit);
    await over();
    doors.forgetGuesses();
  },
});

const ended = (name: string, at: Row["at"], talk: Talk): Row => ({
  ...{ name, at },
  async holds(doors, entrance) {
    const { peer, over } = await arrive(doors, entrance, "open");
    await play(peer, "C", [...talk, "end"]);
    await over();
    await isKept(doors, entrance);
  },
});

const scram = (first: string, ...rest: Talk): Talk => [`C: AUTH SCRAM-SHA-256 ${btoa(first)}`, ...rest];
const no = "P: 535 5.7.8 *";

/** Who shows this certificate is offered no login by it. */
const stranger = (name: string, identity: () => Identity): Row => ({
  ...{ name, at: tls },
  async holds(doors, entrance) {
    const { peer, over } = await arrive(doors, entrance, "open", { identity: identity() });
    const talk = ["C: EHLO peer.test", "list", "C: AUTH EXTERNAL =", "P: 504 5.5.4 *"];
    const heard = await play(peer, "C", [
      ...talk,
      "C: MAIL FROM:<ann@example.org>",
      "P: 530 5.7.0 *",
      ...quit,
    ]);
    await over();
    assert.doesNotMatch(heard, /EXTERNAL/);
  },
});

export const auth: Family = {
  name: "AUTH",
  rows: [
    row("an unknown user", secure, [`C: ${plain("nobody", "nobody secret")}`, no]),
    row("an unknown user, without TLS", clear, [
      "C: AUTH CRAM-MD5",
      "P: 334 *",
      `C: ${btoa("nobody 00")}`,
      no,
    ]),
    {
      ...{ name: "a wrong password and an unknown user are answered alike", at: secure },
      async holds(doors, entrance) {
        const { peer, over } = await arrive(doors, entrance, "open");
        const guesses = ["home", "nobody"].flatMap((user) => [`C: ${plain(user, "x")}`, "P: 535 *"]);
        const [wrong, unknown] = (await play(peer, "C", [...guesses, ...quit])).split("\r\n");
        await over();
        assert.equal(wrong, unknown);
        doors.forgetGuesses();
      },
    },
    row("=", secure, ["C: AUTH PLAIN =", no]),
    row("empty", secure, ["C: AUTH PLAIN", "P: 334 *", "C: ", no]),
    row("*", hasLogin, ["C: AUTH SCRAM-SHA-256", "P: 334 *", "C: *", "P: 501 5.7.0 *"]),
    ended("20 kB", hasLogin, [`C: AUTH SCRAM-SHA-256 ${"A".repeat(20_000)}`, "P: 500 5.5.2 *"]),
    ended("20 kB in answer to a challenge", hasLogin, [
      ...["C: AUTH SCRAM-SHA-256", "P: 334 *", `C: ${"A".repeat(20_000)}`, "P: 500 5.5.2 *"],
    ]),
    row("not base64", hasLogin, ["C: AUTH SCRAM-SHA-256 §§", "P: 501 5.5.2 *"]),
    row("NULs", secure, [
      `C: AUTH PLAIN ${btoa("\0\0")}`,
      no,
      `C: ${plain("home\0home", "home secret")}`,
      no,
    ]),
    row("authzid of somebody else", secure, [`C: AUTH PLAIN ${btoa("work\0home\0home secret")}`, no]),
    row("PLAIN without TLS", clear, [
      ...[`C: ${plain("home", "home secret")}`, "P: 504 5.5.4 *", "C: AUTH LOGIN", "P: 504 5.5.4 *"],
    ]),
    {
      ...{ name: "AUTH twice", at: hasLogin },
      async holds(doors, entrance) {
        const { peer, over } = await arrive(doors, entrance, "known");
        await play(peer, "C", ["C: AUTH SCRAM-SHA-256", "P: 503 5.5.1 *", ...quit]);
        await over();
      },
    },
    row("SCRAM with a wrong nonce", hasLogin, [
      ...scram("n,,n=home,r=abc", "P: 334 *", `C: ${btoa("c=biws,r=abc,p=AAAA")}`, no),
    ]),
    row("SCRAM that claims a binding", hasLogin, scram("p=tls-exporter,,n=home,r=abc", no)),
    // Who could have bound, and says that the server could not, was talked down; where we cannot, it is as he says.
    row("SCRAM with a downgraded binding", (entrance) => tls(entrance) && exportsKeyingMaterial, [
      ...scram("y,,n=home,r=abc", no),
    ]),
    stranger("EXTERNAL without a certificate that anybody vouches for", () => certs().selfSigned),
    stranger("EXTERNAL with an expired certificate", () => certs().expired),
    stranger("EXTERNAL with the CA's own certificate", () => certs().caItself),
    {
      ...{ name: "EXTERNAL with another customer's certificate", at: tls },
      async holds(doors, entrance) {
        const { peer, over } = await arrive(doors, entrance, "open", { identity: certs().wrongName });
        const talk = [`C: AUTH EXTERNAL ${btoa("home")}`, no, `C: AUTH EXTERNAL ${btoa("work")}`, "P: 235 *"];
        await play(peer, "C", [...talk, "C: MAIL FROM:<ann@example.org>", "P: 553 5.7.1 *", ...quit]);
        await over();
        doors.forgetGuesses();
      },
    },
  ],
};
