import assert from "node:assert/strict";
import { test } from "node:test";
import { isAccountUri, parseAccountUri, UriError } from "../../src/config/uri.ts";

test("an account on one line has a user, a provider and domains", () => {
  assert.deepEqual(parseAccountUri("odmr://home@relay.example.net:3660/Example.org,example.com"), {
    tls: "starttls",
    user: "home",
    provider: { host: "relay.example.net", port: 3660 },
    domains: ["example.org", "example.com"],
  });
});

test("odmrs: is implicit TLS, on port 366 too, and the path may be empty", () => {
  for (const text of ["odmrs://a%40b@[::1]", "ODMRS://a%40b@[::1]/"])
    assert.deepEqual(parseAccountUri(text), {
      tls: "implicit",
      user: "a@b",
      provider: { host: "::1", port: 366 },
      domains: [],
    });
});

test("a password in the address is refused without being repeated", () => {
  assert.throws(
    () => parseAccountUri("odmr://home:hunter2@relay.example.net"),
    (error) =>
      error instanceof UriError && /--password-file/.test(error.message) && !/hunter2/.test(error.message),
  );
});

for (const text of [
  "odmr://relay.example.net",
  "odmr://@relay.example.net",
  "odmr://home@",
  "odmr://home@relay:0x1",
  "odmr://home@relay/a..b",
  "odmr://home@relay/example.org,",
  "odmr://%zz@relay",
  "smtp://home@relay",
])
  test(`${text} is no account, and what to write is said`, () =>
    assert.throws(
      () => parseAccountUri(text),
      (error) => error instanceof UriError && /write odmr:\/\/user@/.test(error.message),
    ));

test("only odmr: and odmrs: are taken for accounts", () => {
  assert.deepEqual(["odmr://a@b", "odmrs:x", "home", "odmrx://a"].map(isAccountUri), [
    true,
    true,
    false,
    false,
  ]);
});
