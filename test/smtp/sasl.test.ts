import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Credential, clientAuth, SaslError } from "../../src/smtp/sasl/client.ts";
import {
  type AuthStep,
  type ServerContext,
  serverAuth,
  serverMechanisms,
} from "../../src/smtp/sasl/server.ts";
import { formatVerifier, makeVerifier, parseVerifier, portablePbkdf2 } from "../../src/smtp/sasl/verifier.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (octets: Uint8Array | undefined) => octets && new TextDecoder().decode(octets);
const unbase64 = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));

const salt = bytes("sixteen octets..");
const people: Readonly<Record<string, string>> = { home: "pencil", "a b,c=d": "stylo", ü: "crayon" };

/** As few iterations as are allowed: the tests are many. */
function secretOf(user: string) {
  const password = people[user];
  const scram = makeVerifier(password ?? "nobody's", salt, 4096, portablePbkdf2);
  return { known: password !== undefined, scram, ...(password !== undefined && { password }) };
}

const context: ServerContext = {
  secretOf,
  nonce: bytes("eighteen octets..."),
  hostname: "relay.example.net",
  now: 1_700_000_000_000,
};
const channel = () => bytes("thirty-two octets of one channel");
const otherChannel = () => bytes("thirty-two octets of another one");
const credential: Credential = {
  user: "home",
  password: "pencil",
  secure: true,
  nonce: bytes("EIGHTEEN OCTETS..."),
};
const refused: AuthStep = {
  type: "refused",
  reply: { code: 535, enhanced: "5.7.8", text: ["Authentication failed"] },
};

/** A whole exchange between our two ends. */
function exchange(
  mechanism: string,
  server: Partial<ServerContext> = {},
  client: Partial<Credential> = {},
): AuthStep {
  const offered = server.exporter ? [mechanism, "SCRAM-SHA-256-PLUS"] : [mechanism];
  const ours = clientAuth(offered, { ...credential, allowed: [mechanism], ...client });
  const theirs = serverAuth(mechanism, { ...context, ...server });
  assert.ok(ours && theirs);
  let step = theirs.step(ours.initial);
  while (step.type === "challenge") step = theirs.step(ours.step(step.bytes));
  if (step.type === "accepted") ours.succeeded();
  return step;
}

/** What a server answers to these responses, one after the other. */
function dialog(
  mechanism: string,
  responses: readonly (string | undefined)[],
  server: Partial<ServerContext> = {},
) {
  const auth = serverAuth(mechanism, { ...context, ...server });
  assert.ok(auth);
  return responses.map((response) => auth.step(response === undefined ? undefined : bytes(response)));
}

const lastOf = (steps: readonly AuthStep[]) => steps.at(-1);

describe("between our two ends", () => {
  const bound = { exporter: channel };
  const certified = { certificateUser: "home" };
  for (const [mechanism, server, client] of [
    ["EXTERNAL", certified, { certificate: true }],
    ["SCRAM-SHA-256-PLUS", bound, bound],
    ["SCRAM-SHA-256", {}, {}],
    ["SCRAM-SHA-256", {}, bound],
    ["SCRAM-SHA-256", bound, {}],
    ["CRAM-MD5", {}, {}],
    ["PLAIN", {}, {}],
    ["LOGIN", {}, {}],
  ] as const)
    test(`${mechanism} accepts the right and refuses the wrong, with one reply for all`, () => {
      assert.deepEqual(exchange(mechanism, server, client), { type: "accepted", user: "home" });
      if (mechanism === "EXTERNAL") return assert.deepEqual(exchange(mechanism, {}, client), refused);
      assert.deepEqual(exchange(mechanism, server, { ...client, password: "stylo" }), refused);
      assert.deepEqual(exchange(mechanism, server, { ...client, user: "nobody" }), refused);
      assert.deepEqual(
        exchange(mechanism, server, { ...client, user: "nobody", password: "nobody's" }),
        refused,
      );
      for (const [user, password] of Object.entries(people))
        assert.deepEqual(exchange(mechanism, server, { ...client, user, password }), {
          type: "accepted",
          user,
        });
    });

  test("a channel that is not the same on both ends is refused", () => {
    assert.deepEqual(exchange("SCRAM-SHA-256-PLUS", bound, { exporter: otherChannel }), refused);
  });

  test("a server that has only a verifier accepts all but CRAM-MD5", () => {
    const only = {
      secretOf: (user: string) => ({ known: secretOf(user).known, scram: secretOf(user).scram }),
    };
    for (const mechanism of ["SCRAM-SHA-256", "PLAIN", "LOGIN"])
      assert.deepEqual(exchange(mechanism, only), { type: "accepted", user: "home" });
    assert.deepEqual(exchange("CRAM-MD5", only), refused);
    assert.deepEqual(exchange("CRAM-MD5", only, { password: "" }), refused);
  });
});

describe("the choice", () => {
  test("the server announces what the circumstances allow, strongest first", () => {
    const all = { secure: true, certificate: true, exporter: true, cramMd5: true };
    const names = ["EXTERNAL", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"];
    assert.deepEqual(serverMechanisms(all), names);
    const clear = { secure: false, certificate: false, exporter: false, cramMd5: true };
    assert.deepEqual(serverMechanisms(clear), ["SCRAM-SHA-256", "CRAM-MD5"]);
    assert.deepEqual(serverMechanisms({ ...clear, cramMd5: false }), ["SCRAM-SHA-256"]);
    assert.equal(serverAuth("NTLM", context), undefined);
  });

  const chosen = (offered: readonly string[], have: Partial<Credential> = {}) =>
    clientAuth(offered, { ...credential, ...have })?.mechanism;

  test("the client takes the strongest that both have", () => {
    assert.equal(chosen(["PLAIN", "login", "cram-md5", "scram-sha-256"]), "SCRAM-SHA-256");
    assert.equal(
      chosen(["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"], { exporter: channel }),
      "SCRAM-SHA-256-PLUS",
    );
    assert.equal(chosen(["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]), "SCRAM-SHA-256");
    assert.equal(chosen(["PLAIN", "EXTERNAL"], { certificate: true }), "EXTERNAL");
    assert.equal(chosen(["PLAIN", "CRAM-MD5"], { allowed: ["PLAIN"] }), "PLAIN");
    assert.equal(chosen(["NTLM"]), undefined);
  });

  test("the client gives no password away without TLS", () => {
    assert.equal(chosen(["PLAIN", "LOGIN"], { secure: false }), undefined);
  });
});

describe("CRAM-MD5", () => {
  test("gives the digest of RFC 2195", () => {
    const client = clientAuth(["CRAM-MD5"], { ...credential, user: "tim", password: "tanstaaftanstaaf" });
    const challenge = bytes("<1896.697170952@postoffice.reston.mci.net>");
    assert.equal(text(client?.step(challenge)), "tim b913a602c7eda7a495b4e6e7334d3890");
  });

  test("has a message id for a challenge", () => {
    assert.deepEqual(dialog("CRAM-MD5", [undefined]), [
      {
        type: "challenge",
        bytes: bytes(`<${Buffer.from(context.nonce).toString("hex")}.1700000000000@relay.example.net>`),
      },
    ]);
  });

  test("refuses initial responses and what is no digest", () => {
    assert.deepEqual(dialog("CRAM-MD5", ["home 0"]), [refused]);
    for (const response of [
      "",
      " ",
      "home",
      "home ",
      "home 00",
      ` ${"0".repeat(32)}`,
      `home ${"0".repeat(20_000)}`,
    ])
      assert.deepEqual(lastOf(dialog("CRAM-MD5", [undefined, response])), refused);
  });
});

describe("SCRAM-SHA-256", () => {
  // RFC 7677 §3. Its nonces are no base64, ours are: the server's part is given as octets that encode to them.
  const cnonce = "rOprNGfwEbeRWgbNEkqO";
  const snonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  const first = `r=${cnonce}${snonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`;

  test("gives the messages of RFC 7677", () => {
    const client = clientAuth(["SCRAM-SHA-256"], { ...credential, user: "user", nonce: unbase64(cnonce) });
    assert.equal(text(client?.initial), `n,,n=user,r=${cnonce}`);
    assert.equal(
      text(client?.step(bytes(first))),
      `c=biws,r=${cnonce}${snonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`,
    );
    assert.equal(text(client?.step(bytes("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="))), "");
    client?.succeeded();
  });

  const begun = () => {
    const client = clientAuth(["SCRAM-SHA-256"], { ...credential, user: "user", nonce: unbase64(cnonce) });
    assert.ok(client);
    return client;
  };

  test("the client leaves a server that is not to be trusted", () => {
    for (const bad of [
      "",
      "e=other-error",
      first.replace(cnonce, "somebodyElse"),
      `r=${cnonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
      first.replace("4096", "1"),
      first.replace("4096", "4095"),
      first.replace("4096", "1000001"),
      first.replace("4096", "2147483648"),
      first.replace("4096", "4096.5"),
      first.replace("4096", ""),
      first.replace("s=W22ZaJ0SNY7soEsUEjb6gQ==", "s="),
      first.replace("s=W22ZaJ0SNY7soEsUEjb6gQ==", "s=*"),
      `m=ext,${first}`,
    ])
      assert.throws(() => begun().step(bytes(bad)), SaslError, bad);
  });

  test("the client believes no 235 without the server's proof", () => {
    assert.throws(() => begun().succeeded(), SaslError);
    for (const last of ["", "v=", "e=invalid-proof", "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="]) {
      const client = begun();
      client.step(bytes(first));
      assert.throws(() => client.step(bytes(last)), SaslError, last);
    }
    const quick = begun();
    quick.step(bytes(first));
    assert.throws(() => quick.succeeded(), SaslError);
  });

  const good = (flag = "n") => `${flag},,n=home,r=abc`;
  const challenge = (step: AuthStep | undefined) => (step?.type === "challenge" ? text(step.bytes) : step);

  test("the server's first message has our nonce behind the client's, a salt and a count", () => {
    const nonce = `abc${Buffer.from(context.nonce).toString("base64")}`;
    const expected = `r=${nonce},s=${Buffer.from(salt).toString("base64")},i=4096`;
    assert.equal(challenge(lastOf(dialog("SCRAM-SHA-256", [good()]))), expected);
    assert.equal(challenge(lastOf(dialog("SCRAM-SHA-256", [undefined, good()]))), expected);
    assert.equal(challenge(lastOf(dialog("SCRAM-SHA-256", ["n,a=home,n=home,r=abc"]))), expected);
    assert.equal(challenge(lastOf(dialog("SCRAM-SHA-256", ["n,,n=nobody,r=abc"]))), expected);
  });

  test("the server refuses first messages that break the rules", () => {
    for (const bad of [
      "",
      "n",
      "n,,",
      "n,,n=,r=abc",
      "n,,n=home",
      "n,,n=home,r=",
      "n,,n=ho=me,r=abc",
      "n,,m=ext,n=home,r=abc",
      "n,a=other,n=home,r=abc",
      "p=tls-exporter,,n=home,r=abc",
      "x,,n=home,r=abc",
      "n,,n=home,r=a\0b",
      "\0".repeat(20_000),
    ])
      assert.deepEqual(dialog("SCRAM-SHA-256", [bad]), [refused], JSON.stringify(bad.slice(0, 40)));
  });

  test("the server refuses last messages that break the rules", () => {
    const nonce = `abc${Buffer.from(context.nonce).toString("base64")}`;
    const proof = Buffer.alloc(32).toString("base64");
    for (const bad of [
      "",
      "*",
      `c=biws,r=${nonce}`,
      `c=biws,r=${nonce},p=`,
      `c=biws,r=${nonce},p=*`,
      `c=biws,r=${nonce},p=${proof}`,
      `c=biws,r=abc,p=${proof}`,
      `c=eSws,r=${nonce},p=${proof}`,
    ])
      assert.deepEqual(lastOf(dialog("SCRAM-SHA-256", [good(), bad])), refused, bad);
  });

  test("a binding that somebody talked down is refused", () => {
    const bound = { exporter: channel };
    assert.equal(dialog("SCRAM-SHA-256", [good("y")])[0]?.type, "challenge");
    assert.equal(dialog("SCRAM-SHA-256", [good("n")], bound)[0]?.type, "challenge");
    assert.deepEqual(dialog("SCRAM-SHA-256", [good("y")], bound), [refused]);
    for (const flag of ["n", "y", "p=tls-unique"])
      assert.deepEqual(dialog("SCRAM-SHA-256-PLUS", [good(flag)], bound), [refused]);
    assert.deepEqual(dialog("SCRAM-SHA-256-PLUS", [good("p=tls-exporter")]), [refused]);
    const client = clientAuth(["SCRAM-SHA-256"], { ...credential, ...bound });
    assert.match(text(client?.initial) ?? "", /^y,,n=home,r=/);
  });

  test("a talk that is over accepts nobody", () => {
    const steps = dialog("SCRAM-SHA-256", ["n", good(), ""]);
    assert.deepEqual(steps, [refused, refused, refused]);
  });
});

describe("PLAIN", () => {
  test("takes the user for himself and for nobody else, with or without waiting", () => {
    const accepted = { type: "accepted", user: "home" } as const;
    assert.deepEqual(dialog("PLAIN", ["\0home\0pencil"]), [accepted]);
    assert.deepEqual(dialog("PLAIN", ["home\0home\0pencil"]), [accepted]);
    assert.deepEqual(lastOf(dialog("PLAIN", [undefined, "\0home\0pencil"])), accepted);
    for (const bad of [
      "",
      "\0",
      "\0\0",
      "home",
      "home\0pencil",
      "other\0home\0pencil",
      "\0home\0",
      "\0home\0pencil\0",
      "\0".repeat(20_000),
    ])
      assert.deepEqual(dialog("PLAIN", [bad]), [refused], JSON.stringify(bad.slice(0, 40)));
  });

  test("refuses what is no UTF-8", () => {
    assert.deepEqual(serverAuth("PLAIN", context)?.step(Uint8Array.of(0, 0xff, 0, 0x61)), refused);
  });
});

test("LOGIN asks for the user unless the user came first", () => {
  const prompts = [bytes("Username:"), bytes("Password:")].map((octets) => ({
    type: "challenge",
    bytes: octets,
  }));
  const accepted = { type: "accepted", user: "home" };
  assert.deepEqual(dialog("LOGIN", [undefined, "home", "pencil"]), [...prompts, accepted]);
  assert.deepEqual(dialog("LOGIN", ["home", "pencil"]), [prompts[1], accepted]);
  assert.deepEqual(dialog("LOGIN", ["", ""]), [prompts[1], refused]);
});

test("EXTERNAL is for the certificate's own user, named or not", () => {
  const certified = { certificateUser: "home" };
  const accepted = { type: "accepted", user: "home" };
  assert.deepEqual(dialog("EXTERNAL", [""], certified), [accepted]);
  assert.deepEqual(dialog("EXTERNAL", ["home"], certified), [accepted]);
  assert.deepEqual(lastOf(dialog("EXTERNAL", [undefined, ""], certified)), accepted);
  assert.deepEqual(dialog("EXTERNAL", ["other"], certified), [refused]);
  assert.deepEqual(dialog("EXTERNAL", [""]), [refused]);
});

test("the client leaves a server that asks for more than there is", () => {
  const client = clientAuth(["PLAIN"], credential);
  assert.equal(text(client?.initial), "\0home\0pencil");
  assert.throws(() => client?.step(bytes("more?")), SaslError);
});

describe("a verifier", () => {
  // RFC 7677 §3's password and salt.
  const rfc = makeVerifier("pencil", unbase64("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096, portablePbkdf2);
  const line =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

  test("is written and read in PostgreSQL's form", () => {
    assert.equal(formatVerifier(rfc), line);
    assert.deepEqual(parseVerifier(line), rfc);
  });

  test("that is none is not read", () => {
    for (const bad of [
      "",
      "pencil",
      line.replace("256", "1"),
      line.replace("4096", "1"),
      line.replace("4096", "9999999"),
      line.replace("W22Z", "W2*Z"),
      line.replace("WG5d8oPm", ""),
      `${line}:x`,
    ])
      assert.equal(parseVerifier(bad), undefined, bad);
  });
});
